"""What becomes of L2 nodes and roots when edges are switched: pure, free of I/O.

The rule that every state keeps: an L2 node is a connected component of the active edges
inside one chunk, and a root is a connected component of all active edges. Each node
that an edit touches gets a new id, as in the production's chunked graph.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from connectome.graph import Ids
from connectome.offline.base import Rows
from connectome.offline.state import EditRecord, GraphState

__all__ = ["Switches", "components", "rewire"]

_Index = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Switches:
    """The edges an edit activates and deactivates, and the fake edges it adds first."""

    on: Rows
    off: Rows
    fakes: Ids

    @classmethod
    def of(
        cls, on: Rows | None = None, off: Rows | None = None, fakes: Ids | None = None
    ) -> Switches:
        """Return switches with what is not given left empty."""
        none = np.zeros(0, dtype=np.int64)
        no_pairs = np.zeros((0, 2), dtype=np.uint64)
        return cls(
            none if on is None else on,
            none if off is None else off,
            no_pairs if fakes is None else fakes,
        )


def components(n: int, a: _Index, b: _Index) -> list[_Index]:
    """Return the connected components of a graph on 0 to n - 1, ordered by first member."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(a), dtype=np.int8), (a, b)), shape=(n, n))
    _, label = connected_components(graph, directed=False)
    order = np.argsort(label, kind="stable")
    starts = np.flatnonzero(np.diff(label[order])) + 1
    groups = np.split(order.astype(np.int64), starts) if n else []
    return sorted(groups, key=lambda group: int(group[0]))


def rewire(state: GraphState, switches: Switches, operation_id: int, ms: int) -> EditRecord:
    """Return the record of an edit that switches these edges.

    New fake edges are activated too. Node ids are those of the next state; nothing is
    changed here.
    """
    first_fake = len(state.edge_active)
    fresh = np.arange(first_fake, first_fake + len(switches.fakes), dtype=np.int64)
    on = np.concatenate([switches.on, fresh])
    after = state.with_fakes(switches.fakes).switched(on, switches.off)
    a, b = after.edge_ends(np.concatenate([on, switches.off]))
    touched = np.unique(state.sv_l2[np.concatenate([a, b])]).astype(np.int64)
    groups = _l2_groups(after, touched)
    new_l2 = tuple(
        (node, state.base.sv_ids[group].astype(np.uint64))
        for node, group in zip(_next_l2_ids(state, groups), groups, strict=True)
    )
    new_roots, links = _root_groups(after, new_l2, groups, touched)
    return EditRecord(operation_id, ms, on, switches.off, switches.fakes, new_l2, new_roots, links)


def _l2_groups(after: GraphState, touched: _Index) -> list[_Index]:
    """Return the supervoxel positions of each new L2 node."""
    base = after.base
    members = after.members(touched)
    chunks = np.unique(base.layout.chunk_of(base.sv_ids[members], 1), axis=0)
    rows = np.concatenate([base.rows_from_chunks(chunks), after.fake_rows])
    a, b = after.edge_ends(rows[after.edge_active[rows]])
    inside = np.zeros(len(base.sv_ids), dtype=np.bool_)
    inside[members] = True
    kept = inside[a] & inside[b] & (base.sv_chunk_keys[a] == base.sv_chunk_keys[b])
    local = (np.searchsorted(members, a[kept]), np.searchsorted(members, b[kept]))
    return [members[group] for group in components(len(members), *local)]


def _next_l2_ids(state: GraphState, groups: list[_Index]) -> list[int]:
    """Return an unused L2 id for each group of supervoxels."""
    layout, base = state.base.layout, state.base
    later = state.l2_ids[len(base.l2_ids) :]
    later_keys = layout.chunk_key(later, 2)
    last: dict[int, int] = {}
    ids = []
    for group in groups:
        key = int(layout.pack(2, layout.chunk_of(base.sv_ids[group[0]], 1), 0))
        if key not in last:
            end = int(np.searchsorted(base.l2_ids, np.uint64(key + 2 ** layout.segment_bits(2))))
            at_ingest = max(key, int(base.l2_ids[end - 1])) if end else key
            last[key] = max([at_ingest, *later[later_keys == np.uint64(key)].tolist()])
        last[key] += 1
        ids.append(last[key])
    return ids


def _root_groups(
    after: GraphState,
    new_l2: tuple[tuple[int, Ids], ...],
    groups: list[_Index],
    touched: _Index,
) -> tuple[tuple[tuple[int, Ids], ...], tuple[tuple[int, int], ...]]:
    """Return the new roots with their L2 nodes, and the links from the old roots."""
    affected = np.isin(after.l2_root, np.unique(after.l2_root[touched]))
    kept = np.setdiff1d(np.flatnonzero(affected), touched)
    node_of_row = np.full(len(after.l2_ids), -1, dtype=np.int64)
    node_of_row[kept] = np.arange(len(kept))
    node = node_of_row[after.sv_l2]
    for k, group in enumerate(groups, start=len(kept)):
        node[group] = k
    rows = np.concatenate([after.base.cross_rows, after.fake_rows])
    a, b = after.edge_ends(rows[after.edge_active[rows]])
    joined = (node[a] >= 0) & (node[b] >= 0)
    parts = components(len(kept) + len(groups), node[a[joined]], node[b[joined]])
    new_ids = np.asarray([node_id for node_id, _ in new_l2], dtype=np.uint64)
    children = np.concatenate([after.l2_ids[kept], new_ids])
    roots: list[tuple[int, Ids]] = []
    links: list[tuple[int, int]] = []
    for part in parts:
        layout = after.base.layout
        root = int(layout.pack(layout.n_layers, (0, 0, 0), after.n_roots + len(roots) + 1))
        roots.append((root, children[part]))
        links += [(old, root) for old in _parents(after, part, kept, groups)]
    return tuple(roots), tuple(links)


def _parents(after: GraphState, part: _Index, kept: _Index, groups: list[_Index]) -> list[int]:
    """Return the old roots that gave supervoxels to one new root, ascending."""
    found = [after.l2_root[kept[part[part < len(kept)]]]]
    for k in part[part >= len(kept)]:
        found.append(after.l2_root[after.sv_l2[groups[k - len(kept)]]])
    return [int(root) for root in np.unique(np.concatenate(found))]
