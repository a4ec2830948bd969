"""A proposed cut in two colours on the real level-2 meshes of a datastack."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from connectome.graph import GraphPoint, Ids, MergeRequest, SplitRequest
from connectome.offline.datastack import OfflineDatastack
from connectome.offline.engine import GraphEngine
from connectome.space import PointNm
from rendering.meshes import MeshFetcher
from rendering.split_colors import Side, SplitColoring, color_split, sides_of
from rendering.surfaces import Surface
from tests.contract.volumes import CUT, SHAPE_ZYX, VOXEL_NM, tube_point

REACH_NM = 2000.0
SEAM_NM = 40.0
"""Vertices of meshes may lie this far from the voxels' own border."""


@pytest.fixture
def datastack(folder: Path) -> Iterator[OfflineDatastack]:
    opened = OfflineDatastack(folder)
    yield opened
    opened.close()


def point(datastack: OfflineDatastack, x: int) -> GraphPoint:
    place = tube_point(0, x)
    return GraphPoint(datastack.supervoxel_at(place), place)


def colored(datastack: OfflineDatastack, one: GraphPoint, two: GraphPoint) -> SplitColoring:
    """Preview the cut between two points and colour what would come apart."""
    preview = datastack.graph.preview_split(SplitRequest((one,), (two,)))
    assert not preview.illegal
    first, second = preview.parts[:2]
    root = int(datastack.graph.roots(np.array([one.supervoxel], np.uint64))[0])
    centre = tube_point(0, CUT)
    meshes = MeshFetcher(datastack).pieces(root, centre, REACH_NM)
    sides = sides_of(level2_of(datastack, np.concatenate([first, second])), first, second)
    points = (away(one.position_nm, centre), away(two.position_nm, centre))
    return color_split(meshes, sides, points=points)


def away(point_nm: PointNm, centre: PointNm) -> PointNm:
    x, y, z = (p - c for p, c in zip(point_nm, centre, strict=True))
    return x, y, z


def level2_of(datastack: OfflineDatastack, supervoxels: Ids) -> dict[int, int]:
    engine = GraphEngine.open(datastack.folder, read_only=True)
    try:
        nodes = engine.roots(supervoxels, stop_layer=2)
    finally:
        engine.close()
    return {int(s): int(n) for s, n in zip(supervoxels, nodes, strict=True)}


def xs_nm(surface: Surface) -> NDArray[np.float64]:
    """Return where along the tube the vertices of faces are, nm from the volume's origin."""
    used = surface.positions[np.unique(surface.faces)]
    return np.asarray(used[:, 0], dtype=np.float64) + tube_point(0, CUT)[0]


@pytest.mark.parametrize("cut_at", [72, 24])
def test_each_side_has_its_end_and_the_shared_mesh_is_cut_between_them(
    datastack: OfflineDatastack, cut_at: int
) -> None:
    left, right = point(datastack, cut_at - 6), point(datastack, cut_at + 6)
    if cut_at == CUT:
        datastack.graph.merge(MergeRequest(left, right))
    found = colored(datastack, left, right)
    assert found.undecided == ()
    assert found.rest.empty
    (plane,) = found.planes.values()
    assert abs(plane.normal[0]) > 10 * abs(plane.normal[1])
    middle = plane.middle_nm[0] + tube_point(0, CUT)[0]
    one, two = xs_nm(found.after(Side.ONE)), xs_nm(found.after(Side.TWO))
    assert one.max() == pytest.approx(middle, abs=SEAM_NM)
    assert two.min() == pytest.approx(middle, abs=SEAM_NM)
    assert one.min() < SEAM_NM
    end = (SHAPE_ZYX[2] if cut_at == CUT else CUT) * VOXEL_NM[0]
    assert two.max() == pytest.approx(end, abs=SEAM_NM)
