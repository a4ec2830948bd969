"""Level-2 nodes and supervoxels of an object: subgraphs, chunks, covers. Free of I/O."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from connectome.graph import Ids
from connectome.offline.reading import descendants, in_bounds
from connectome.offline.state import GraphState

__all__ = ["Bounds", "Subgraph", "chunk_pairs", "covering_nodes", "subgraph"]

Bounds = tuple[int, int, int, int, int, int]
"""Voxels x0, x1, y0, y1, z0, z1; chunks that meet them count whole."""


@dataclass(frozen=True, eq=False)
class Subgraph:
    """The edges that hold an object together.

    Parameters
    ----------
    pairs : ndarray, shape (n, 2), uint64
        Supervoxels.
    affinities : ndarray, shape (n,), float32
        Infinite where ingest itself cut one supervoxel.
    areas_nm2 : ndarray, shape (n,), float32
        Areas of contact, 0 for pairs that do not touch.
    """

    pairs: NDArray[np.uint64]
    affinities: NDArray[np.float32]
    areas_nm2: NDArray[np.float32]


def subgraph(state: GraphState, node: int, bounds: Bounds | None) -> Subgraph:
    """Return the active edges between the supervoxels of a node that is current."""
    base = state.base
    members = descendants(state, node, 1)
    if bounds is not None:
        members = in_bounds(base.layout, members, bounds)
    inside = np.zeros(len(base.sv_ids), dtype=np.bool_)
    inside[base.positions(members)] = True
    chunks = np.unique(base.layout.chunk_of(members, 1), axis=0)
    rows = np.concatenate([base.rows_from_chunks(chunks), state.fake_rows])
    rows = rows[state.edge_active[rows]]
    a, b = state.edge_ends(rows)
    kept = inside[a] & inside[b]
    rows = rows[kept]
    areas = np.zeros(len(rows), dtype=np.float32)
    real = rows < len(base.edge_a)
    areas[real] = base.edge_area_nm2[rows[real]]
    pairs = np.stack([base.sv_ids[a[kept]], base.sv_ids[b[kept]]], axis=1)
    return Subgraph(pairs, state.edge_affinities(rows), areas)


def chunk_pairs(state: GraphState, chunk: Ids) -> NDArray[np.uint64]:
    """Return the supervoxels of a chunk with their level-2 nodes.

    Parameters
    ----------
    state : GraphState
        The graph.
    chunk : ndarray, shape (3,)
        The chunk (x, y, z); one outside the volume has nothing.

    Returns
    -------
    ndarray, shape (n, 2), uint64
        Level-2 node and supervoxel, ascending.
    """
    base = state.base
    key = base.layout.pack(1, chunk, 0)
    end = key + np.uint64(2 ** base.layout.segment_bits(1))
    first, last = np.searchsorted(base.sv_ids, np.asarray([key, end], dtype=np.uint64))
    nodes = state.l2_ids[state.sv_l2[first:last]]
    pairs = np.stack([nodes, base.sv_ids[first:last]], axis=1)
    return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]


def covering_nodes(state: GraphState, supervoxels: Ids) -> Ids:
    """Return the fewest nodes that hold exactly these supervoxels: roots, L2 nodes, the rest.

    Parameters
    ----------
    state : GraphState
        The graph.
    supervoxels : ndarray, shape (n,)
        Supervoxels that exist.
    """
    positions = np.unique(state.base.positions(supervoxels))
    n_rows = len(state.l2_ids)
    held = np.bincount(state.sv_l2[positions], minlength=n_rows)
    whole = (held > 0) & (held == np.bincount(state.sv_l2, minlength=n_rows))
    roots, n_whole = np.unique(state.l2_root[whole], return_counts=True)
    live = np.unique(state.sv_l2)
    all_roots, n_all = np.unique(state.l2_root[live], return_counts=True)
    full = roots[n_whole == n_all[np.searchsorted(all_roots, roots)]]
    nodes = state.l2_ids[whole & ~np.isin(state.l2_root, full)]
    rest = state.base.sv_ids[positions[~whole[state.sv_l2[positions]]]]
    return np.concatenate([full, np.sort(nodes), rest]).astype(np.uint64)
