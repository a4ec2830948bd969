"""The way from one place of an object to another along its level-2 nodes. Free of I/O."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from connectome.graph import Ids
from connectome.offline.ids import ChunkLayout
from connectome.offline.state import GraphState

__all__ = ["centroids_nm", "chunk_centers_nm", "shortest_path"]


def shortest_path(edges: NDArray[np.uint64], start: int, end: int) -> Ids:
    """Return the nodes of a path with the fewest steps, both ends included.

    Parameters
    ----------
    edges : ndarray, shape (n, 2), uint64
        Pairs of touching level-2 nodes of one object.
    start, end : int
        Two of its nodes.

    Returns
    -------
    ndarray, shape (m,), uint64
        Empty if no path joins the two.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import breadth_first_order

    if start == end:
        return np.asarray([start], dtype=np.uint64)
    nodes, flat = np.unique(edges.ravel(), return_inverse=True)
    ends = np.asarray([start, end], dtype=np.uint64)
    if not np.isin(ends, nodes).all():
        return np.zeros(0, dtype=np.uint64)
    first, last = (int(k) for k in np.searchsorted(nodes, ends))
    a, b = flat.reshape(-1, 2).T
    graph = coo_array((np.ones(len(a), dtype=np.int8), (a, b)), shape=(len(nodes), len(nodes)))
    _, before = breadth_first_order(graph.tocsr(), first, directed=False)
    path = [last]
    while path[-1] != first:
        previous = int(before[path[-1]])
        if previous < 0:
            return np.zeros(0, dtype=np.uint64)
        path.append(previous)
    return nodes[path[::-1]]


def chunk_centers_nm(
    layout: ChunkLayout, nodes: Ids, voxel_nm: tuple[float, float, float]
) -> NDArray[np.float64]:
    """Return the middle of the chunk of each level-2 node, shape (n, 3) as (x, y, z)."""
    chunks = layout.chunk_of(nodes, 2)
    side_nm = np.asarray(layout.chunk_size) * np.asarray(voxel_nm)
    return np.asarray((chunks + 0.5) * side_nm, dtype=np.float64)


def centroids_nm(state: GraphState, nodes: Ids) -> NDArray[np.float64]:
    """Return the centre of mass of each current level-2 node, shape (n, 3) as (x, y, z)."""
    base = state.base
    rows = state.l2_rows(nodes)
    members = state.members(rows)
    slot_of_row = np.zeros(len(state.l2_ids), dtype=np.int64)
    slot_of_row[rows] = np.arange(len(rows))
    slot = slot_of_row[state.sv_l2[members]]
    weight = base.sv_sizes[members].astype(np.float64)
    total = np.bincount(slot, weight, minlength=len(rows))
    sums = [
        np.bincount(slot, weight * base.sv_centers_nm[members, axis], minlength=len(rows))
        for axis in range(3)
    ]
    return np.stack(sums, axis=1) / np.maximum(total, 1)[:, np.newaxis]
