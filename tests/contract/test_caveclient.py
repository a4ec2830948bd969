"""The unmodified caveclient against the offline service."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from connectome.offline.service import RunningService
from tests.contract import volumes
from tests.contract.volumes import NAME, VOXEL_NM, supervoxels_at, tube_point


def halves(service: RunningService, tube: int = 0) -> tuple[list[int], list[Any]]:
    """Return supervoxels and points on both sides of a tube's cut."""
    ids, points = volumes.halves(service.engine.folder, tube)
    return ids, list(points)


def test_client_is_built_from_the_record(client: Any, service: RunningService) -> None:
    assert client.datastack_name == NAME
    assert client.local_server == service.url
    assert client.info.get_datastacks() == [NAME]
    assert client.info.get_aligned_volumes() == [NAME]
    assert str(client.chunkedgraph.server_version) == "2.21.1+offline"
    assert client.chunkedgraph.table_name == NAME
    assert list(client.chunkedgraph.base_resolution) == list(VOXEL_NM)
    assert client.info.image_source().startswith("precomputed://http://127.0.0.1:")


def test_other_clients_can_be_constructed(client: Any) -> None:
    assert client.state is not None
    assert client.schema is not None
    assert client.annotation is not None
    assert client.l2cache is not None
    assert client.l2cache.has_cache()


def test_auth_tells_who_may_edit(client: Any, service: RunningService) -> None:
    assert client.auth.get_user_information([1])[0]["id"] == 1
    assert client.auth.get_tokens()[0]["token"] == service.token


def test_roots_of_one_segment_agree(graph: Any, service: RunningService) -> None:
    points = [tube_point(0, x) for x in (5, 30, 60)]
    ids = supervoxels_at(service.engine.folder, *points)
    roots = graph.get_roots(ids)
    assert roots.dtype == np.uint64
    assert len(set(ids)) == 3
    assert len(set(roots.tolist())) == 1
    assert graph.get_root_id(ids[0]) == roots[0]
    assert graph.get_roots([0]).tolist() == [0]


def test_leaves_children_and_layers(graph: Any, service: RunningService) -> None:
    (near, _), _ = halves(service)
    root = int(graph.get_root_id(near))
    leaves = graph.get_leaves(root)
    assert near in leaves
    assert set(graph.get_roots(leaves).tolist()) == {root}
    level2 = graph.get_leaves(root, stop_layer=2)
    assert set(graph.get_roots(leaves, stop_layer=2).tolist()) == set(level2.tolist())
    assert set(graph.get_children(root).tolist()) == set(level2.tolist())
    assert set(graph.get_leaves_many([root])[root].tolist()) == set(leaves.tolist())
    first = graph.get_leaves(root, bounds=np.array([[0, 10], [0, 10], [0, 10]]))
    assert 0 < len(first) < len(leaves)
    assert set(first.tolist()) < set(leaves.tolist())


def test_merge_undo_and_their_traces(graph: Any, service: RunningService) -> None:
    ids, points = halves(service)
    before = graph.get_roots(ids).tolist()
    assert before[0] != before[1]
    answer = graph.do_merge(ids, points, resolution=(1, 1, 1))
    (joined,) = answer["new_root_ids"]
    assert graph.get_roots(ids).tolist() == [joined, joined]
    assert graph.is_latest_roots([*before, joined]).tolist() == [False, False, True]

    details = graph.get_operation_details([answer["operation_id"]])[str(answer["operation_id"])]
    assert details["roots"] == [joined]
    assert details["operation_status"] == 0
    assert details["added_edges"] == [ids]
    expected = [int(p // v) for p, v in zip(points[0], VOXEL_NM, strict=True)]
    assert np.ravel(details["source_coords"]).tolist() == expected

    lineage = graph.get_lineage_graph(joined)
    assert {(link["source"], link["target"]) for link in lineage["links"]} == {
        (before[0], joined),
        (before[1], joined),
    }
    assert graph.get_latest_roots(before[0]).tolist() == [joined]
    (made,) = graph.get_root_timestamps([joined])
    assert abs(datetime.now(UTC) - made) < timedelta(minutes=1)
    assert graph.get_oldest_timestamp() < made
    assert graph.get_roots(ids, timestamp=made - timedelta(milliseconds=2)).tolist() == before

    undone = graph.undo_operation(answer["operation_id"])
    after = graph.get_roots(ids).tolist()
    assert after[0] != after[1]
    assert set(undone["new_root_ids"]) == set(after)
    assert not set(after) & set(before)
    again = graph.undo_operation(answer["operation_id"])
    assert again == {"operation_id": None, "new_root_ids": []}


def test_a_second_merge_is_refused_in_the_words_of_production(
    graph: Any, service: RunningService
) -> None:
    import requests

    ids, points = halves(service)
    graph.do_merge(ids, points, resolution=(1, 1, 1))
    with pytest.raises(requests.HTTPError, match="must belong to different objects") as caught:
        graph.do_merge(ids, points, resolution=(1, 1, 1))
    assert caught.value.response.status_code == 400
    assert caught.value.response.json()["code"] == 400
