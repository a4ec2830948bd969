"""Every read of the unmodified chunkedgraph client; also against a real server.

These tests know nothing of the volume: they hold answers against each other.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import itertools
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest
import requests

pd: Any = importlib.import_module("pandas")  # it has no types

SKIPPED = {
    "get_contact_sites": "not offered offline: contacts are detected from the voxels",
    "raise_for_status": "a helper of the client, sends nothing",
    "fc": "the client it belongs to, sends nothing",
    "server_address": "an attribute, sends nothing",
}
"""Public members of the client that no test drives, and why."""


def test_every_member_of_the_client_is_driven() -> None:
    from caveclient.chunkedgraph import ChunkedGraphClient

    members = {name for name, _ in inspect.getmembers(ChunkedGraphClient) if name[0] != "_"}
    assert set(SKIPPED) <= members
    assert members - _driven() == set(SKIPPED)


def _driven() -> set[str]:
    """Return what the tests of this folder take from something called ``graph``."""
    found = set()
    for path in Path(__file__).parent.glob("test_caveclient*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) in (
                "graph",
                "client.chunkedgraph",
            ):
                found.add(node.attr)
    return found


def test_what_the_client_knows_of_the_table(graph: Any) -> None:
    from cloudvolume import CloudVolume

    assert graph.api_version == 1
    assert str(graph.server_version).startswith("2.")
    assert graph.default_url_mapping["table_id"] == graph.table_name
    info = graph.segmentation_info
    assert info["graph"]["n_layers"] >= 3
    assert len(graph.base_resolution) == 3
    assert graph.timestamp is None
    volume = CloudVolume(
        graph.cloudvolume_path,
        secrets={"token": graph.session.headers["Authorization"].removeprefix("Bearer ")},
        progress=False,
    )
    assert volume.meta.n_layers == info["graph"]["n_layers"]


def test_up_and_down_the_layers(graph: Any, edited_root: int) -> None:
    root, top = edited_root, graph.segmentation_info["graph"]["n_layers"]
    leaves = graph.get_leaves(root)
    assert len(leaves) == len(set(leaves.tolist())) > 0
    assert set(graph.get_roots(leaves).tolist()) == {root}
    assert int(graph.get_root_id(leaves[0])) == root
    level2 = graph.get_leaves(root, stop_layer=2)
    assert set(graph.get_roots(leaves, stop_layer=2).tolist()) == set(level2.tolist())
    one = int(graph.get_root_id(leaves[0], level2=True))
    assert one in level2
    assert leaves[0] in graph.get_children(one)
    assert graph.get_children(int(leaves[0])).size == 0
    below = [int(node) for node in graph.get_children(root)]
    together = [graph.get_leaves(node) for node in below]
    assert sorted(np.concatenate(together).tolist()) == sorted(leaves.tolist())
    many = graph.get_leaves_many([root, one])
    assert set(many) == {root, one}
    assert sorted(many[root].tolist()) == sorted(leaves.tolist())
    # A real server leaves out what is connected past a layer, so nodes may be missing there.
    for layer in range(2, top):
        nodes = graph.get_leaves(root, stop_layer=layer)
        held = [n for node in nodes for n in graph.get_leaves(int(node)).tolist()]
        assert set(graph.get_roots(nodes).tolist()) <= {root}
        assert len(held) == len(set(held))
        assert set(held) <= set(leaves.tolist())
    assert graph.get_leaves(root, stop_layer=top).tolist() == [root]


def test_bounds_choose_by_chunk(graph: Any, edited_root: int) -> None:
    size = graph.segmentation_info["graph"]["chunk_size"]
    bounds = np.array([[0, size[0]], [0, 10 * size[1]], [0, 10 * size[2]]])
    level2 = graph.get_leaves(edited_root, stop_layer=2)
    near = graph.get_leaves(edited_root, bounds=bounds, stop_layer=2)
    assert set(near.tolist()) <= set(level2.tolist())
    leaves = graph.get_leaves(edited_root, bounds=bounds)
    assert {int(n) for n in graph.get_roots(leaves, stop_layer=2)} == set(near.tolist())
    many = graph.get_leaves_many([edited_root], bounds=bounds, stop_layer=2)
    assert set(many[edited_root].tolist()) == set(near.tolist())


def test_level2_graph_is_connected(graph: Any, edited_root: int) -> None:
    level2 = set(graph.get_leaves(edited_root, stop_layer=2).tolist())
    edges = graph.level2_chunk_graph(edited_root)
    found: Any = nx.Graph([tuple(edge) for edge in edges])
    assert set(found) == level2
    assert nx.is_connected(found)
    size = graph.segmentation_info["graph"]["chunk_size"]
    bounds = np.array([[0, 2 * size[0]], [0, 10 * size[1]], [0, 10 * size[2]]])
    inside = set(graph.get_leaves(edited_root, bounds=bounds, stop_layer=2).tolist())
    within = graph.level2_chunk_graph(edited_root, bounds=bounds)
    expected = {frozenset(edge) for edge in edges if set(edge) <= inside}
    assert {frozenset(edge) for edge in within} == expected


def test_subgraph_holds_the_object_together(graph: Any, edited_root: int) -> None:
    leaves = set(graph.get_leaves(edited_root).tolist())
    size = graph.segmentation_info["scales"][0]["size"]
    bounds = np.array([[0, n] for n in size])
    pairs, affinities, areas = graph.get_subgraph(edited_root, bounds)
    assert pairs.shape == (len(affinities), 2)
    assert len(areas) == len(affinities)
    assert set(pairs.ravel().tolist()) <= leaves
    assert (affinities > 0).all()
    assert nx.is_connected(nx.Graph(pairs.tolist()))


def test_minimal_covering_nodes_cover_exactly(graph: Any, edited_root: int) -> None:
    level2 = [int(n) for n in graph.get_leaves(edited_root, stop_layer=2)]
    assert set(graph.get_minimal_covering_nodes(level2[:1]).tolist()) == set(level2[:1])
    leaves = graph.get_leaves(level2[0])
    cover = [int(n) for n in graph.get_minimal_covering_nodes([int(n) for n in leaves])]
    assert cover == level2[:1]


def test_a_path_leads_along_the_object(graph: Any, edited_root: int) -> None:
    edges = {frozenset(edge) for edge in graph.level2_chunk_graph(edited_root)}
    size = np.array(graph.segmentation_info["graph"]["chunk_size"]) * graph.base_resolution
    ids, places = _ends(graph, edited_root)
    for precise in (False, True):
        centers, path, failed = graph.find_path(
            edited_root, places[0], places[1], precision_mode=precise
        )
        assert failed.size == 0
        assert [int(path[0]), int(path[-1])] == ids
        assert all(frozenset((int(a), int(b))) in edges for a, b in itertools.pairwise(path))
        assert centers.shape == (len(path), 3)
        assert (np.abs(centers[[0, -1]] - places) <= 2 * size).all()


def _ends(graph: Any, root: int) -> tuple[list[int], np.ndarray[Any, Any]]:
    """Return two level-2 nodes of a root and a position in nm in each, from the voxels."""
    from cloudvolume import Bbox, CloudVolume

    volume = CloudVolume(
        graph.cloudvolume_path,
        secrets={"token": graph.session.headers["Authorization"].removeprefix("Bearer ")},
        progress=False,
        mip=0,
    )
    nodes = sorted(graph.get_leaves(root, stop_layer=2).tolist())
    ids, places = [nodes[0], nodes[-1]], []
    for node in ids:
        chunk = volume.meta.decode_chunk_position(node)
        low = np.array(chunk) * volume.meta.graph_chunk_size
        box = Bbox.intersection(Bbox(low, low + volume.meta.graph_chunk_size), volume.bounds)
        block = np.asarray(volume.download(box, agglomerate=True, stop_layer=2))[..., 0]
        inside = np.argwhere(block == node)
        places.append((inside[len(inside) // 2] + box.minpt + 0.5) * graph.base_resolution)
    return ids, np.array(places)


def test_lineage_is_a_valid_graph(graph: Any, edited_root: int) -> None:
    raw = graph.get_lineage_graph(edited_root)
    known = {node["id"] for node in raw["nodes"]}
    assert {raw["directed"], raw["multigraph"]} == {True, False}
    assert all(link["source"] in known and link["target"] in known for link in raw["links"])
    assert len(known) == len(raw["nodes"])
    assert all(node["timestamp"] > 0 for node in raw["nodes"])
    # A root names the operation that replaced it; a current one names none.
    replaced = {link["source"] for link in raw["links"]}
    assert {node["id"] for node in raw["nodes"] if "operation_id" in node} == replaced
    line = graph.get_lineage_graph(edited_root, as_nx_graph=True)
    assert nx.is_directed_acyclic_graph(line)
    assert len(line) > 1
    made = nx.get_node_attributes(line, "timestamp")
    assert all(made[old] < made[new] for old, new in line.edges)
    assert graph.get_latest_roots(edited_root).tolist() == [edited_root]
    first = set(graph.get_original_roots(edited_root).tolist())
    assert first == {node for node, degree in line.in_degree() if degree == 0}
    assert set(graph.get_latest_roots(next(iter(first)))) >= {edited_root}


def test_limits_of_lineage(graph: Any, edited_root: int) -> None:
    (made,) = graph.get_root_timestamps([edited_root])
    later = made + timedelta(milliseconds=1)
    alone = graph.get_lineage_graph(edited_root, timestamp_past=later, timestamp_future=later)
    assert [node["id"] for node in alone["nodes"]] == [edited_root]
    assert alone["links"] == []
    back = graph.get_lineage_graph(
        edited_root,
        timestamp_past=made,
        timestamp_future=later,
        exclude_links_to_past=True,
        exclude_links_to_future=True,
    )
    assert [node["id"] for node in back["nodes"]] == [edited_root]
    assert back["links"] == []


def test_times(graph: Any, edited_root: int) -> None:
    (made,) = graph.get_root_timestamps([edited_root])
    assert graph.get_oldest_timestamp() < made < datetime.now(UTC) + timedelta(minutes=1)
    assert made.microsecond % 1000 == 0
    assert graph.is_latest_roots([edited_root]).tolist() == [True]
    before = made - timedelta(milliseconds=1)
    assert graph.is_latest_roots([edited_root], timestamp=before).tolist() == [False]
    leaf = int(graph.get_leaves(edited_root)[0])
    assert graph.get_roots([leaf], timestamp=made).tolist() == [edited_root]
    old = int(graph.get_roots([leaf], timestamp=before)[0])
    assert old != edited_root
    assert int(graph.get_root_id(leaf, timestamp=before)) == old
    assert graph.is_latest_roots([old, edited_root]).tolist() == [False, True]
    assert graph.is_latest_roots([old], timestamp=before).tolist() == [True]
    # The client takes a millisecond off, so that the answer is a time at which it held.
    moment = datetime.now(UTC)
    last = graph.get_root_timestamps([old, edited_root], latest=True, timestamp=moment)
    assert last[0] == made - timedelta(milliseconds=1)
    assert abs(last[1] - moment) <= timedelta(milliseconds=2)
    assert edited_root in graph.get_latest_roots(old)
    assert old in graph.get_latest_roots(edited_root, timestamp=before)
    suggested, share = graph.suggest_latest_roots(old, return_fraction_overlap=True)
    assert graph.is_latest_roots([suggested]).tolist() == [True]
    assert 0 < share <= 1
    everything = graph.suggest_latest_roots(old, stop_layer=1, return_all=True)
    assert edited_root in everything


def test_which_ids_are_valid(graph: Any, edited_root: int) -> None:
    (made,) = graph.get_root_timestamps([edited_root])
    leaf = int(graph.get_leaves(edited_root)[0])
    wrong = edited_root + 2**30
    asked = [edited_root, 0, wrong, leaf]
    assert graph.is_valid_nodes(asked).tolist() == [True, False, False, True]
    before = made - timedelta(milliseconds=1)
    assert not graph.is_valid_nodes([edited_root], end_timestamp=before)[0]


def test_the_log_of_edits_agrees_with_itself(graph: Any, edited_root: int) -> None:
    tables = graph.get_tabular_change_log([edited_root], filtered=False)
    assert list(tables) == [edited_root]
    table = tables[edited_root]
    columns = "operation_id timestamp user_id before_root_ids after_root_ids is_merge in_neuron"
    names = f"{columns} is_relevant user_name user_affiliation".split()
    assert list(table.columns) == names
    assert len(table) > 0
    assert table["operation_id"].is_unique
    shown = graph.get_tabular_change_log([edited_root], filtered=True)[edited_root]
    assert set(shown.columns) == set(names) - {"in_neuron", "is_relevant"}
    kept = table[table["in_neuron"] & table["is_relevant"]]
    assert shown["operation_id"].tolist() == kept["operation_id"].tolist()
    for filtered, rows in ((False, table), (True, shown)):
        log = graph.get_change_log(edited_root, filtered=filtered)
        assert sorted(log["operations_ids"]) == sorted(rows["operation_id"])
        assert log["n_mergers"] == int(rows["is_merge"].sum())
        assert log["n_splits"] == len(rows) - log["n_mergers"]
        assert sorted(log["past_ids"]) == sorted(itertools.chain(*rows["before_root_ids"]))
        assert sum(user["n_mergers"] for user in log["user_info"].values()) == log["n_mergers"]
    merges = graph.get_merge_log(edited_root)
    assert len(merges["merge_edges"]) == int(table["is_merge"].sum())
    assert len(merges["merge_edge_coords"]) == len(merges["merge_edges"])
    details = graph.get_operation_details(table["operation_id"].to_numpy())
    assert set(details) == {str(number) for number in table["operation_id"]}
    for row in table.itertuples():
        detail = details[str(row.operation_id)]
        assert detail["operation_status"] == 0
        assert str(detail["user"]) == str(row.user_id)
        assert ("added_edges" in detail) == row.is_merge
        assert set(row.after_root_ids) <= set(detail["roots"])
        stamp = pd.to_datetime(detail["timestamp"], utc=True).timestamp() * 1000
        assert stamp == pytest.approx(row.timestamp, abs=1000)  # some write whole seconds


def test_roots_of_the_past_and_the_present(graph: Any, edited_root: int) -> None:
    (made,) = graph.get_root_timestamps([edited_root])
    maps = graph.get_past_ids([edited_root])
    line = graph.get_lineage_graph(edited_root, as_nx_graph=True)
    oldest = {node for node, degree in line.in_degree() if degree == 0}
    assert set(maps["past_id_map"][edited_root]) == oldest
    assert set(maps["future_id_map"]) <= oldest
    nearer = graph.get_past_ids([edited_root], timestamp_past=made)
    assert set(nearer["past_id_map"][edited_root]) == set(line.predecessors(edited_root))
    old, new = graph.get_delta_roots(made, made)
    assert edited_root in new
    assert set(line.predecessors(edited_root)) <= set(old.tolist())
    old, new = graph.get_delta_roots(made + timedelta(milliseconds=1), made + timedelta(seconds=0))
    assert (old.size, new.size) == (0, 0)


def test_unknown_ids_are_refused(graph: Any) -> None:
    wrong = int(graph.segmentation_info["graph"]["n_layers"]) << 56 | 2**40 - 3
    with pytest.raises(requests.HTTPError) as caught:
        graph.get_leaves(wrong)
    assert caught.value.response.status_code in (400, 404, 500)
    assert graph.is_latest_roots([wrong]).tolist() == [False]
    with pytest.raises(requests.HTTPError):
        graph.get_change_log(wrong)
