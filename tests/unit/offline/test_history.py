"""Lineage, covers and paths, against independent graphs."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectome.offline.engine import GraphEngine, GraphRefusalError
from connectome.offline.history import RootLineage, last_valid, past_and_future_ids
from connectome.offline.layout import DatastackFolder
from connectome.offline.level2 import chunk_pairs, covering_nodes, subgraph
from connectome.offline.pathing import centroids_nm, chunk_centers_nm, shortest_path
from tests.unit.offline.volumes import VOXEL_NM, point_in, read_supervoxels

A, B, C = (10, 10, 10), (10, 10, 40), (10, 10, 60)  # in segments 5, 6 and 7, zyx


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 12), st.integers(1, 12)), max_size=30),
    st.integers(1, 12),
    st.integers(1, 12),
)
def test_paths_are_as_short_as_any(pairs: list[tuple[int, int]], start: int, end: int) -> None:
    edges = np.array(pairs, np.uint64).reshape(-1, 2)
    graph: nx.Graph[int] = nx.Graph(pairs)
    graph.add_nodes_from([start, end])
    path = [int(node) for node in shortest_path(edges, start, end)]
    if not nx.has_path(graph, start, end):
        assert path == []
    else:
        assert nx.is_path(graph, path)
        assert (path[0], path[-1]) == (start, end)
        assert len(path) == nx.shortest_path_length(graph, start, end) + 1


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 15), st.integers(1, 15)), max_size=25))
def test_walks_of_lineage(pairs: list[tuple[int, int]]) -> None:
    links = sorted({(min(p), max(p)) for p in pairs if p[0] != p[1]})
    nodes = sorted({node for link in links for node in link} | {1})
    graph: nx.DiGraph[int] = nx.DiGraph(links)
    graph.add_nodes_from(nodes)
    line = RootLineage(tuple(nodes), tuple(links))
    for node in nodes:
        assert line.ancestors(node) == nx.ancestors(graph, node)
        assert line.descendants(node) == nx.descendants(graph, node)
    past, future = past_and_future_ids(line, nodes)
    for node, oldest in past.items():
        ends = {old for old in nx.ancestors(graph, node) if graph.in_degree(old) == 0}
        assert set(oldest) == (ends or {node})
    for old, new in future.items():
        ends = {end for end in {old, *nx.descendants(graph, old)} if graph.out_degree(end) == 0}
        assert ends == {new}


def test_only_merging_gives_a_certain_future() -> None:
    merged = RootLineage((1, 2, 3), ((1, 3), (2, 3)))
    assert past_and_future_ids(merged, [3]) == ({3: [1, 2]}, {1: 3, 2: 3})
    parted = RootLineage((1, 2, 3), ((1, 2), (1, 3)))
    assert past_and_future_ids(parted, [3]) == ({3: [1]}, {})
    replaced = RootLineage((1, 2), ((1, 2),))
    assert past_and_future_ids(replaced, [2]) == ({2: [1]}, {})
    assert past_and_future_ids(RootLineage((1,), ()), [1]) == ({1: [1]}, {1: 1})


def test_covers_and_subgraphs(engine: GraphEngine, folder: DatastackFolder) -> None:
    supervoxels = read_supervoxels(folder)
    (root,) = engine.merge(point_in(supervoxels, A), point_in(supervoxels, C), "x").new_roots
    state = engine.state
    leaves, level2 = engine.leaves(root), engine.leaves(root, stop_layer=2)
    assert covering_nodes(state, leaves).tolist() == [root]
    without = leaves[1:]
    cover = covering_nodes(state, without)
    held = [engine.leaves(int(node)) for node in cover]
    assert np.array_equal(np.sort(np.concatenate(held)), without)
    assert set(cover.tolist()) & set(level2.tolist()) == set(level2[1:].tolist())
    assert covering_nodes(state, leaves[:0]).size == 0
    found = subgraph(state, root, None)
    assert set(np.unique(found.pairs).tolist()) == set(leaves.tolist())
    assert nx.is_connected(nx.Graph(found.pairs.tolist()))
    fake = found.areas_nm2 == 0
    assert fake.sum() == 1
    assert found.affinities[fake][0] < 1e-30
    near = subgraph(state, root, (0, 64, 0, 40, 0, 20))
    inside = set(engine.leaves(root, (0, 64, 0, 40, 0, 20)).tolist())
    assert set(np.unique(near.pairs).tolist()) <= inside
    assert subgraph(state, root, (500, 600, 0, 40, 0, 20)).pairs.shape == (0, 2)


def test_chunks_hold_their_supervoxels(engine: GraphEngine) -> None:
    state, base = engine.state, engine.state.base
    pairs = np.concatenate([chunk_pairs(state, np.array([x, 0, 0], np.uint64)) for x in (0, 1)])
    assert np.array_equal(np.sort(pairs[:, 1]), base.sv_ids)
    assert np.array_equal(engine.roots(pairs[:, 1], stop_layer=2), pairs[:, 0])
    assert chunk_pairs(state, np.array([9, 9, 9], np.uint64)).shape == (0, 2)
    assert chunk_pairs(state, np.array([0, 1, 0], np.uint64)).shape == (0, 2)


def test_centers_of_level2_nodes(engine: GraphEngine, folder: DatastackFolder) -> None:
    supervoxels, state = read_supervoxels(folder), engine.state
    nodes = engine.roots(np.unique(supervoxels[supervoxels > 0]), stop_layer=2)
    nodes = np.unique(nodes)[::-1].copy()
    volume = engine.roots(supervoxels.ravel(), stop_layer=2).reshape(supervoxels.shape)
    for node, center in zip(nodes, centroids_nm(state, nodes), strict=True):
        zyx = np.argwhere(volume == node)
        expected = (zyx[:, ::-1].mean(axis=0) + 0.5) * VOXEL_NM
        assert center == pytest.approx(expected, abs=1)
    middle = chunk_centers_nm(engine.layout, nodes, VOXEL_NM)
    size = np.array(engine.layout.chunk_size) * VOXEL_NM
    places = engine.layout.chunk_of(nodes, 2)
    assert np.array_equal(middle, (places + 0.5) * size)


def test_last_time_a_root_was_current(engine: GraphEngine, folder: DatastackFolder) -> None:
    supervoxels = read_supervoxels(folder)
    (old,) = engine.roots(supervoxels[A][None]).tolist()
    (new,) = engine.merge(point_in(supervoxels, A), point_in(supervoxels, B), "x").new_roots
    made = engine.state.last_ms / 1000
    assert last_valid(engine.state, old, made + 5) == made
    between = (engine.oldest_timestamp() + made) / 2
    assert last_valid(engine.state, old, between) == between
    assert last_valid(engine.state, new, made + 5) == made + 5
    with pytest.raises(GraphRefusalError, match="did not exist"):
        last_valid(engine.state, new, made - 0.5)
