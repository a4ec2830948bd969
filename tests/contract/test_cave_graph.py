"""Cuts through our own graph client, against the offline service."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from connectome.errors import EditRejectedError
from connectome.graph import GraphPoint, MergeRequest, SplitRequest
from connectome.offline.datastack import OfflineDatastack
from tests.contract.volumes import tube_point


@pytest.fixture
def datastack(folder: Path) -> Iterator[OfflineDatastack]:
    opened = OfflineDatastack(folder)
    yield opened
    opened.close()


def point(datastack: OfflineDatastack, x: int) -> GraphPoint:
    position = tube_point(0, x)
    return GraphPoint(datastack.supervoxel_at(position), position)


def root_of(datastack: OfflineDatastack, *points: GraphPoint) -> list[int]:
    ids = np.array([one.supervoxel for one in points], np.uint64)
    found: list[int] = datastack.graph.roots(ids).tolist()
    return found


def test_a_cut_does_what_its_preview_says(datastack: OfflineDatastack) -> None:
    graph, left, right = datastack.graph, point(datastack, 66), point(datastack, 78)
    (whole,) = graph.merge(MergeRequest(left, right)).new_roots
    cut = SplitRequest((left,), (right,))
    preview = graph.preview_split(cut)
    assert not preview.illegal
    assert left.supervoxel in preview.parts[0]
    assert right.supervoxel in preview.parts[1]
    assert root_of(datastack, left, right) == [whole, whole]

    receipt = graph.split(cut)
    assert len(receipt.new_roots) == 2
    assert set(root_of(datastack, left, right)) == set(receipt.new_roots)
    for part, side in zip(preview.parts, (left, right), strict=False):
        (root,) = root_of(datastack, side)
        assert set(graph.roots(part).tolist()) == {root}
    row = graph.operations([receipt.operation_id])[receipt.operation_id]
    assert row.applied
    assert set(row.new_roots) == set(receipt.new_roots)
    assert {left.supervoxel, right.supervoxel} == {
        id_ for edge in row.removed_edges for id_ in edge
    }
    assert graph.lineage([whole]).latest(whole) == set(receipt.new_roots)

    undone = graph.undo(receipt.operation_id)
    assert undone is not None
    assert root_of(datastack, left, right) == [*undone.new_roots] * 2


def test_a_cut_that_makes_no_sense_is_refused_before_and_after(
    datastack: OfflineDatastack,
) -> None:
    one, other = point(datastack, 66), point(datastack, 78)
    same = SplitRequest((one,), (one,))
    with pytest.raises(EditRejectedError, match="both sink and source"):
        datastack.graph.preview_split(same)
    with pytest.raises(EditRejectedError, match="both sink and source"):
        datastack.graph.split(same)
    apart = SplitRequest((one,), (other,))
    with pytest.raises(EditRejectedError):
        datastack.graph.preview_split(apart)
    before = root_of(datastack, one, other)
    with pytest.raises(EditRejectedError):
        datastack.graph.split(apart)
    assert root_of(datastack, one, other) == before
