"""Cuts, previews, undo and redo by the unmodified chunkedgraph client, and what they leave."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import requests

from connectome.offline.service import RunningService
from tests.contract.volumes import NAME, VOXEL_NM, halves, supervoxels_at, tube_point

NM = (1, 1, 1)


@pytest.fixture
def joined(graph: Any, service: RunningService) -> int:
    """The first tube, its halves merged by operation 1."""
    ids, points = halves(service.engine.folder)
    return int(graph.do_merge(ids, points, resolution=NM)["new_root_ids"][0])


def ends(service: RunningService) -> tuple[list[int], Any, Any]:
    """Return the supervoxels of both halves, and a point in each as the client wants them."""
    ids, points = halves(service.engine.folder)
    return ids, np.array(points[:1]), np.array(points[1:])


def test_edits_and_their_undo_anywhere(graph: Any, points_to_merge: Any) -> None:
    ids, points = points_to_merge
    before = graph.get_roots(ids).tolist()
    assert before[0] != before[1]
    answer = graph.do_merge(ids, points, resolution=NM)
    (root,) = answer["new_root_ids"]
    assert graph.get_roots(ids).tolist() == [root, root]
    undone = graph.undo_operation(answer["operation_id"])
    after = graph.get_roots(ids).tolist()
    assert after[0] != after[1]
    assert set(after) <= set(undone["new_root_ids"])
    assert graph.is_latest_roots([*before, root, *after]).tolist() == [False] * 3 + [True] * 2


def test_preview_changes_nothing(graph: Any, service: RunningService, joined: int) -> None:
    (left, right), source, sink = ends(service)
    one, other, works, rest = graph.preview_split(source, sink, joined, return_additional_ccs=True)
    assert works
    assert left in one
    assert right in other
    parts = [set(part) for part in (one, other, *rest)]
    assert sum(map(len, parts)) == len(set().union(*parts))
    assert set().union(*parts) <= set(graph.get_leaves(joined).tolist())
    by_id = graph.preview_split(source, sink, joined, [left], [right])
    assert [sorted(part) for part in by_id[:2]] == [sorted(one), sorted(other)]
    assert graph.is_latest_roots([joined]).tolist() == [True]


def test_a_cut_and_its_traces(graph: Any, service: RunningService, joined: int) -> None:
    (left, right), source, sink = ends(service)
    number, roots = graph.execute_split(source, sink, joined)
    assert len(roots) == 2
    assert set(graph.get_roots([left, right]).tolist()) == set(roots)
    row = graph.get_operation_details([number])[str(number)]
    assert row["roots"] == sorted(roots)
    assert (row["source_ids"], row["sink_ids"]) == ([left], [right])
    voxels = [[int(p // v) for p, v in zip(q[0], VOXEL_NM, strict=True)] for q in (source, sink)]
    assert (row["source_coords"], row["sink_coords"]) == (voxels[:1], voxels[1:])
    assert len(row["bb_offset"]) == 3
    assert {left, right} <= set(np.ravel(row["removed_edges"]).tolist())
    assert "added_edges" not in row
    table = graph.get_tabular_change_log(roots, filtered=False)[roots[0]]
    assert table["is_merge"].tolist() == [True, False]
    assert table["is_relevant"].tolist() == [True, True]
    assert table["in_neuron"].tolist() == [False, True]
    assert table["before_root_ids"].tolist()[1] == [joined]
    log = graph.get_change_log(roots[0])
    assert (log["n_mergers"], log["n_splits"]) == (0, 1)
    line = graph.get_lineage_graph(joined, as_nx_graph=True)
    assert set(line.successors(joined)) == set(roots)
    assert set(graph.get_latest_roots(joined)) == set(roots)
    old_and_new = graph.get_past_ids(roots)
    assert old_and_new["future_id_map"] == {}
    suggested, share = graph.suggest_latest_roots(
        joined, stop_layer=1, return_all=True, return_fraction_overlap=True
    )
    assert set(suggested) == set(roots)
    assert share.sum() == pytest.approx(1)


def test_undo_and_redo_of_a_cut(graph: Any, service: RunningService, joined: int) -> None:
    (left, right), source, sink = ends(service)
    held = set(graph.get_leaves(joined).tolist())
    number, roots = graph.execute_split(source, sink, joined)
    undone = graph.undo_operation(number)
    (whole,) = undone["new_root_ids"]
    assert set(graph.get_leaves(whole).tolist()) == held
    row = graph.get_operation_details([undone["operation_id"]])[str(undone["operation_id"])]
    assert row["undo_operation_id"] == number
    assert {left, right} <= set(np.ravel(row["added_edges"]).tolist())
    url = f"{service.url}/segmentation/api/v1/table/{NAME}/redo"
    answer = graph.session.post(url, data=json.dumps({"operation_id": number})).json()
    assert len(answer["new_root_ids"]) == 2
    assert set(graph.get_roots([left, right]).tolist()) == set(answer["new_root_ids"])
    assert not set(answer["new_root_ids"]) & set(roots)
    start = graph.get_oldest_timestamp()
    assert graph.get_user_operations(1, start)["operation_id"].tolist() == [1, number]
    assert len(graph.get_user_operations(0, start)) == 4


def test_cuts_that_are_refused(graph: Any, service: RunningService, joined: int) -> None:
    (left, right), source, sink = ends(service)
    (elsewhere,) = supervoxels_at(service.engine.folder, tube_point(3, 66))
    cases = [
        (([left], [left]), "exist in both sink and source"),
        (([left], [elsewhere]), "must belong to the same object"),
    ]
    for (sources, sinks), words in cases:
        for ask in (graph.execute_split, graph.preview_split):
            with pytest.raises(requests.HTTPError, match=words) as caught:
                ask(source, sink, joined, sources, sinks)
            assert caught.value.response.status_code == 400
    assert graph.get_roots([left, right]).tolist() == [joined, joined]
    stale = graph.undo_operation(1)
    assert len(stale["new_root_ids"]) == 2
    with pytest.raises(requests.HTTPError, match="Could not determine supervoxel ID"):
        graph.execute_split(source, sink, joined)


def test_meshes_can_be_asked_for_anew(graph: Any, joined: int) -> None:
    from cloudvolume import CloudVolume

    level2 = graph.get_leaves(joined, stop_layer=2)
    assert graph.remesh_level2_chunks(level2) is None
    volume = CloudVolume(
        graph.cloudvolume_path,
        secrets={"token": graph.session.headers["Authorization"].removeprefix("Bearer ")},
        progress=False,
    )
    mesh = volume.mesh.get(joined)[joined]
    assert np.ptp(mesh.vertices[:, 0]) == pytest.approx(144 * VOXEL_NM[0], abs=2 * VOXEL_NM[0])
