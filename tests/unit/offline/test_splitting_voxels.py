"""How large the sides of a cut would be, on a graph whose every voxel is known."""

from __future__ import annotations

import numpy as np
import pytest

from connectome.graph import GraphPoint
from connectome.offline import splitting
from connectome.offline.engine import GraphEngine, GraphRefusalError
from connectome.offline.layout import DatastackFolder
from tests.contract.volumes import ingest_tubes, supervoxels_at, tube_point

TUBE = 7


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> GraphEngine:
    return GraphEngine.open(
        DatastackFolder.open(ingest_tubes(tmp_path_factory.mktemp("sides") / "tubes"))
    )


def _points(engine: GraphEngine, *places: tuple[int, int]) -> list[GraphPoint]:
    at = [tube_point(tube, x) for tube, x in places]
    return [
        GraphPoint(supervoxel, point)
        for supervoxel, point in zip(supervoxels_at(engine.folder, *at), at, strict=True)
    ]


def _voxels(engine: GraphEngine, supervoxel: int) -> int:
    base = engine.state.base
    (root,) = engine.roots(np.array([supervoxel], np.uint64))
    return int(base.sv_sizes[base.positions(engine.leaves(int(root)))].sum())


def test_the_sides_are_the_pieces_that_the_cut_leaves(engine: GraphEngine) -> None:
    one, other = _points(engine, (TUBE, 12), (TUBE, 60))
    before = _voxels(engine, one.supervoxel)
    sides = engine.measure_split([one], [other])
    assert sum(sides) == before
    engine.split([one], [other], "tester")
    assert sides == (_voxels(engine, one.supervoxel), _voxels(engine, other.supervoxel))


def test_an_object_that_holds_together_elsewhere_leaves_nothing(
    engine: GraphEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = _points(engine, (TUBE + 1, 12), (TUBE + 1, 60))
    nothing = np.zeros(0, np.int64)  # as if the cut edges had a way around them
    monkeypatch.setattr(splitting, "minimum_cut", lambda _state, _cut: nothing)
    assert engine.measure_split([one], [other]) == (_voxels(engine, one.supervoxel), 0)


def test_points_of_two_objects_are_refused(engine: GraphEngine) -> None:
    one, other = _points(engine, (TUBE + 2, 12), (TUBE + 3, 12))
    with pytest.raises(GraphRefusalError):
        engine.measure_split([one], [other])
