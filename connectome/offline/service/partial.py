"""A split that cuts only a part: what production does when an object holds together elsewhere."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from connectome.offline.rewiring import Switches
from connectome.offline.state import GraphState

__all__ = ["holding_together"]


def holding_together(state: GraphState, switches: Switches) -> Switches | None:
    """Return a split that leaves as few of its edges as keep the object in one piece.

    Parameters
    ----------
    state : GraphState
        The graph before the split.
    switches : Switches
        The whole cut.

    Returns
    -------
    Switches or None
        None where the cut has no part that leaves something cut and the object whole, as
        when it is a single edge.
    """
    if len(switches.off) < 2 or len(switches.on) or len(switches.fakes):
        return None
    a, b = state.edge_ends(switches.off)
    piece = _pieces(state.switched(switches.on, switches.off), int(a[0]))
    kept = np.zeros(len(a), dtype=np.bool_)
    join = _Joined()
    for k, (one, other) in enumerate(zip(piece[a].tolist(), piece[b].tolist(), strict=True)):
        kept[k] = join.union(one, other)
    return None if kept.all() else Switches.of(off=switches.off[~kept])


def _pieces(after: GraphState, member: int) -> NDArray[np.int64]:
    """Return the piece of each supervoxel of an object, -1 for those of other objects."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    root = after.l2_root[after.sv_l2]
    inside = root == root[member]
    rows = np.flatnonzero(after.edge_active)
    a, b = after.edge_ends(rows)
    mine = inside[a]
    pairs = (np.ones(int(mine.sum()), dtype=np.int8), (a[mine], b[mine]))
    graph = coo_array(pairs, shape=(len(root), len(root)))
    _, label = connected_components(graph, directed=False)
    return np.where(inside, label, -1).astype(np.int64)


class _Joined:
    """Disjoint sets."""

    def __init__(self) -> None:
        self._parent: dict[int, int] = {}

    def find(self, item: int) -> int:
        while (parent := self._parent.get(item, item)) != item:
            item = parent
        return item

    def union(self, one: int, other: int) -> bool:
        """Join two sets; tell whether they were apart."""
        one, other = self.find(one), self.find(other)
        self._parent[one] = other
        return one != other
