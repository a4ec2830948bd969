"""Questions a graph state answers: ancestors, descendants, what exists. Free of I/O."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from connectome.graph import Ids
from connectome.offline.ids import ChunkLayout, layer_of
from connectome.offline.state import GraphState

__all__ = [
    "ancestors",
    "descendants",
    "exist",
    "in_bounds",
    "is_latest",
    "is_replaced",
    "level2_edges",
]


def ancestors(state: GraphState, ids: Ids, stop_layer: int | None) -> Ids:
    """Return the highest ancestor of each node at or below a layer, shape (n,).

    0 gives 0, and so does a node that does not exist in this state.
    """
    top = state.base.layout.n_layers
    stop = top if stop_layer is None else stop_layer
    layers = layer_of(ids)
    out = np.zeros(len(ids), dtype=np.uint64)
    supervoxel, l2, root = layers == 1, layers == 2, layers == top
    if stop < 2:
        out[supervoxel] = ids[supervoxel]
    else:
        found = state.base.positions(ids[supervoxel])
        rows = state.sv_l2[found] if len(state.sv_l2) else found
        parents = state.l2_ids if stop < top else state.l2_root
        out[supervoxel] = np.where(found >= 0, parents[rows], 0) if len(rows) else 0
    if l2.any():
        rows = state.l2_rows(ids[l2])
        up = ids[l2] if stop < top else state.l2_root[rows]
        out[l2] = np.where(rows >= 0, up, 0)
    out[root] = np.where(exist(state, ids[root]), ids[root], 0)
    return out


def exist(state: GraphState, ids: Ids) -> NDArray[np.bool_]:
    """Tell which ids are or were nodes in this state, shape (n,)."""
    layout = state.base.layout
    ids = np.asarray(ids, dtype=np.uint64)
    layers = layer_of(ids)
    known = np.zeros(len(ids), dtype=np.bool_)
    known[layers == 1] = state.base.positions(ids[layers == 1]) >= 0
    known[layers == 2] = state.l2_rows(ids[layers == 2]) >= 0
    top = layers == layout.n_layers
    first = int(layout.pack(layout.n_layers, (0, 0, 0), 1))
    known[top] = (ids[top] >= first) & (ids[top] < first + state.n_roots)
    return known


def is_replaced(state: GraphState, node: int) -> bool:
    """Tell whether an L2 node or root of this graph is no longer part of the state."""
    layer = int(layer_of(node))
    if layer == 2:
        row = state.l2_rows(np.asarray([node], dtype=np.uint64))
        return bool(int(state.l2_root[row[0]]) in state.history.retired)
    return node in state.history.retired


def is_latest(state: GraphState, ids: Ids, ms: int | None) -> NDArray[np.bool_]:
    """Tell which nodes exist and are not replaced, now or before a time, shape (n,)."""
    latest = exist(state, ids)
    if ms is not None and ms < state.base.created_ms:
        return np.zeros(len(ids), dtype=np.bool_)
    history = state.history
    for k in np.flatnonzero(latest) if history.born else ():
        node = int(ids[k])
        born = history.born.get(node, (0, 0))[0]
        gone = history.retired.get(node)
        if ms is None:
            latest[k] = gone is None
        else:
            latest[k] = born <= ms and (gone is None or gone >= ms)
    return latest


def descendants(state: GraphState, node: int, layer: int) -> Ids:
    """Return the supervoxels (layer 1) or L2 nodes (2) of a node in this state, ascending."""
    own = int(layer_of(node))
    if own <= layer:
        return np.asarray([node], dtype=np.uint64)
    if own == 2:
        rows = state.l2_rows(np.asarray([node], dtype=np.uint64))
    else:
        rows = state.live_l2_rows(node)
    if layer == 2:
        return np.sort(state.l2_ids[rows])
    return np.asarray(state.base.sv_ids[state.members(rows)], dtype=np.uint64)


def in_bounds(layout: ChunkLayout, ids: Ids, bounds: tuple[int, int, int, int, int, int]) -> Ids:
    """Return the nodes of layer 1 or 2 in chunks that meet a box of voxels."""
    if not len(ids):
        return ids
    first, last = layout.chunks_meeting(bounds)
    chunks = layout.chunk_of(ids, int(layer_of(ids[0])))
    return ids[((chunks >= first) & (chunks < last)).all(axis=1)]


def level2_edges(state: GraphState, root: int) -> NDArray[np.uint64]:
    """Return the pairs (low, high) of L2 nodes of a root that an active edge joins."""
    rows = np.concatenate([state.base.cross_rows, state.fake_rows])
    a, b = state.edge_ends(rows[state.edge_active[rows]])
    l2_a, l2_b = state.sv_l2[a], state.sv_l2[b]
    mine = (state.l2_root[l2_a] == np.uint64(root)) & (l2_a != l2_b)
    pairs = np.stack([state.l2_ids[l2_a[mine]], state.l2_ids[l2_b[mine]]], axis=1)
    return np.unique(np.sort(pairs, axis=1), axis=0)
