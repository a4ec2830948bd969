"""Supervoxels under points, previews and pictures of cuts, on the real offline service."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from app.services.splitting_desk import CutDesk, Previewed, Resolved
from app.services.splitting_picture import MOST_VOXELS, box_around
from connectome.errors import InputError
from connectome.graph import MergeRequest, SplitRequest
from connectome.offline.datastack import OfflineDatastack
from connectome.offline.layout import DatastackFolder
from connectome.precomputed import PrecomputedDatastack
from connectome.space import PointNm
from tests.contract.volumes import VOXEL_NM, tube_point
from tests.unit.app.test_export_desk import Loop, place

TUBE = 7
FIRST, LAST = 12, 60


@pytest.fixture
def loop() -> Loop:
    return Loop()


@pytest.fixture
def desk(datastack: OfflineDatastack, loop: Loop) -> Iterator[CutDesk]:
    made = CutDesk(datastack, loop.post)
    yield made
    made.close()


def resolved(desk: CutDesk, loop: Loop, root: int, at: PointNm) -> Resolved:
    found: list[Resolved] = []
    desk.resolve((root,), at, found.append)
    loop.until(lambda: found)
    return found[0]


def previewed(desk: CutDesk, loop: Loop, root: int, request: SplitRequest) -> Previewed:
    found: list[Previewed] = []
    desk.preview(root, request, found.append)
    loop.until(lambda: found)
    return found[0]


def request_of(datastack: OfflineDatastack, *xs: int) -> tuple[SplitRequest, int]:
    (one, root), (other, _) = (place(datastack, TUBE, x) for x in xs)
    return SplitRequest((one,), (other,)), root


def test_a_point_in_the_object_stays_and_one_beside_it_moves_in(
    datastack: OfflineDatastack, desk: CutDesk, loop: Loop
) -> None:
    point, root = place(datastack, TUBE, FIRST)
    assert resolved(desk, loop, root, point.position_nm).point == point
    x, y, z = point.position_nm
    beside = resolved(desk, loop, root, (x, y + 64.0, z)).point
    assert beside is not None
    assert beside.supervoxel == point.supervoxel
    assert y < beside.position_nm[1] < y + 64.0
    assert datastack.supervoxel_at(beside.position_nm) == point.supervoxel


def test_a_point_far_from_the_object_or_outside_is_a_sentence(
    datastack: OfflineDatastack, desk: CutDesk, loop: Loop
) -> None:
    _, root = place(datastack, TUBE, FIRST)
    far = resolved(desk, loop, root, tube_point(TUBE, 140))
    assert far.point is None
    assert far.trouble.startswith("Nothing of this object lies within")
    assert not far.stale
    outside = resolved(desk, loop, root, (-9e6, 0.0, 0.0))
    assert outside.trouble == "That point lies outside the volume."


def test_a_preview_colours_voxels_and_surface_of_both_sides(
    datastack: OfflineDatastack, desk: CutDesk, loop: Loop
) -> None:
    request, root = request_of(datastack, FIRST, LAST)
    found = previewed(desk, loop, root, request)
    assert found.legal
    assert found.trouble == ""
    assert found.shown is not None
    picture = found.shown.picture
    sides = [(request.sources[0], 1), (request.sinks[0], 2)]
    for point, side in sides:
        x, y, z = (
            int(p / v) - f
            for p, v, f in zip(point.position_nm, VOXEL_NM, picture.first_voxel, strict=True)
        )
        assert picture.labels[z, y, x] == side
    counts = np.bincount(picture.labels.ravel(), minlength=3)[1:]
    assert found.shown.volumes_nm3 == tuple(counts * np.prod(VOXEL_NM))
    # Half a tube: what the sides have together is all of it.
    assert found.whole_nm3 is not None
    assert found.whole_nm3[0] + found.whole_nm3[1] == _voxels(datastack, root)
    one, two = picture.surfaces
    # The tube runs along x: each side's surface is on its side of the cut.
    assert len(one.faces) > 0
    assert one.vertices_nm[:, 0].mean() < two.vertices_nm[:, 0].mean()
    assert one.faces.max() < len(one.vertices_nm)


def _voxels(datastack: OfflineDatastack, root: int) -> float:
    voxels = datastack.facts.voxels(root)
    assert voxels is not None
    return float(voxels * np.prod(VOXEL_NM))


def test_what_the_graph_refuses_is_a_sentence_with_a_remedy(
    datastack: OfflineDatastack, desk: CutDesk, loop: Loop
) -> None:
    point, root = place(datastack, TUBE, FIRST)
    found = previewed(desk, loop, root, SplitRequest((point,), (point,)))
    assert not found.legal
    assert found.trouble
    assert found.remedy.startswith("Move the points")


def test_an_object_that_was_edited_meanwhile_is_stale(
    datastack: OfflineDatastack, desk: CutDesk, loop: Loop
) -> None:
    request, root = request_of(datastack, FIRST, LAST)
    beyond, _ = place(datastack, TUBE, 100)
    datastack.graph.merge(MergeRequest(request.sinks[0], beyond))
    found = previewed(desk, loop, root, request)
    assert (found.legal, found.stale) == (False, True)
    looked = resolved(desk, loop, root, request.sources[0].position_nm)
    assert (looked.point, looked.stale) == (None, True)


def test_without_the_service_the_points_stay(
    datastack: OfflineDatastack, desk: CutDesk, loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    request, root = request_of(datastack, FIRST, LAST)
    session = datastack.graph.session

    def refuse(*_: object, **__: object) -> None:
        import requests

        raise requests.ConnectionError("refused")

    monkeypatch.setattr(session, "send", refuse)
    found = previewed(desk, loop, root, request)
    assert not found.legal
    assert "later" in found.trouble


def test_a_flat_segmentation_takes_no_cut(ingested: Path, loop: Loop) -> None:
    flat = PrecomputedDatastack(str(DatastackFolder.open(ingested).supervoxels))
    desk = CutDesk(flat, loop.post)
    found = resolved(desk, loop, 1, tube_point(TUBE, FIRST))
    assert found.trouble == "This segmentation takes no edits, so nothing can be cut."
    desk.close()
    flat.close()


def test_the_box_is_smaller_where_points_are_far_apart() -> None:
    near = box_around([(0.0, 0.0, 0.0), (100.0, 0.0, 0.0)], (8.0, 8.0, 8.0))
    far = box_around([(0.0, 0.0, 0.0), (1500.0, 900.0, 900.0)], (8.0, 8.0, 8.0))
    for box in (near, far):
        assert np.prod(np.array(box.size) / 8.0) <= MOST_VOXELS
    assert near.contains((0.0, 0.0, 0.0))
    assert far.contains((1500.0, 900.0, 900.0))
    assert near.lower[1] < far.lower[1]
    with pytest.raises(InputError, match="too far apart"):
        box_around([(0.0, 0.0, 0.0), (9000.0, 9000.0, 900.0)], (8.0, 8.0, 8.0))
