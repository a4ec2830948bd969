"""What became of roots: lineage, former and later ids, ids that were valid. Free of I/O.

Times are UTC milliseconds. The rules are those of the production's chunked graph
(PyChunkedGraph 2.21, ``graph/lineage.py`` and ``graph/segmenthistory.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from connectome.graph import Ids
from connectome.offline.ids import layer_of
from connectome.offline.reading import exist
from connectome.offline.refusal import GraphRefusalError
from connectome.offline.state import GraphState

__all__ = [
    "RootLineage",
    "delta_roots",
    "last_valid",
    "lineage",
    "made_ms",
    "operation_ending",
    "past_and_future_ids",
    "replaced_ms",
    "valid_between",
]


@dataclass(frozen=True)
class RootLineage:
    """Roots and which came out of which: both ends of each link are among the roots.

    Parameters
    ----------
    roots : tuple of int
        Ascending.
    links : tuple
        Pairs (old root, new root), ascending; they never make a circle.
    """

    roots: tuple[int, ...]
    links: tuple[tuple[int, int], ...]

    def new_of(self) -> dict[int, list[int]]:
        """Return the direct successors of each root that has any."""
        return _grouped(self.links)

    def old_of(self) -> dict[int, list[int]]:
        """Return the direct predecessors of each root that has any."""
        return _grouped((new, old) for old, new in self.links)

    def ancestors(self, root: int) -> set[int]:
        """Return every root that this one was made out of, directly or not."""
        return _reach(self.old_of(), root)

    def descendants(self, root: int) -> set[int]:
        """Return every root that was made out of this one, directly or not."""
        return _reach(self.new_of(), root)


def made_ms(state: GraphState, node: int) -> int:
    """Return when a node was made."""
    return state.history.born.get(node, (state.base.created_ms, 0))[0]


def replaced_ms(state: GraphState, node: int) -> int | None:
    """Return when a node was replaced, None if it is current or a supervoxel."""
    if int(layer_of(node)) == 2:
        row = int(state.l2_rows(np.asarray([node], dtype=np.uint64))[0])
        node = int(state.l2_root[row])  # a replaced L2 node keeps its last root
    return state.history.retired.get(node)


def last_valid(state: GraphState, node: int, moment: float) -> float:
    """Return the last time until a moment at which a node was current, seconds UTC.

    Raises
    ------
    GraphRefusalError
        400 if it did not exist yet.
    """
    if made_ms(state, node) > moment * 1000:
        raise GraphRefusalError(400, f"Node {node} did not exist at that time.")
    gone = replaced_ms(state, node)
    return moment if gone is None else min(moment, gone / 1000)


def operation_ending(state: GraphState, root: int) -> int | None:
    """Return the operation that replaced a root, None for a current one.

    This is what the production calls a root's ``operation_id`` in a lineage graph: it
    writes the number to the new and to the old roots, and reads the newest.
    """
    later = state.history.successors.get(root)
    return None if later is None else state.history.born[later[0]][1]


def lineage(
    state: GraphState, roots: Iterable[int], after_ms: int | None, until_ms: int | None
) -> RootLineage:
    """Return what these roots were made of and what was made of them.

    The walk goes only backwards in time from the roots, and only forwards. Links that
    cross a time limit belong to it: a root made after `after_ms` is shown with its
    predecessors, one made until `until_ms` with its successors.
    """
    history, start = state.history, list(roots)

    def before(root: int) -> tuple[int, ...]:
        too_old = after_ms is not None and made_ms(state, root) < after_ms
        return () if too_old else history.predecessors.get(root, ())

    def later(root: int) -> tuple[int, ...]:
        too_new = until_ms is not None and made_ms(state, root) > until_ms
        return () if too_new else history.successors.get(root, ())

    past = {root: before(root) for root in _walk(start, before)}
    future = {root: later(root) for root in _walk(start, later)}
    links = {(old, new) for new, olds in past.items() for old in olds}
    links |= {(old, new) for old, news in future.items() for new in news}
    return RootLineage(tuple(sorted({*past, *future})), tuple(sorted(links)))


def past_and_future_ids(
    graph: RootLineage, roots: Iterable[int]
) -> tuple[dict[int, list[int]], dict[int, int]]:
    """Return the oldest roots behind each root, and where the oldest ones lead.

    Parameters
    ----------
    graph : RootLineage
        The lineage of `roots`.
    roots : iterable of int
        Roots.

    Returns
    -------
    past : dict
        Root to the roots without predecessors that it was made of; itself if there is none.
    future : dict
        Oldest root to the one root it became part of; absent where that is ambiguous:
        something was split off on the way, or replaced one by one.
    """
    old_of, new_of = graph.old_of(), graph.new_of()
    past: dict[int, list[int]] = {}
    for root in roots:
        oldest = [old for old in graph.ancestors(root) if old not in old_of]
        past[root] = sorted(oldest) or [root]
    future: dict[int, int] = {}
    for old in sorted({old for oldest in past.values() for old in oldest}):
        line = {old, *graph.descendants(old)}
        ends = [root for root in line if root not in new_of]
        merged = all(
            len(new_of[root]) == 1 and len(old_of[new_of[root][0]]) > 1
            for root in line
            if root in new_of
        )
        if merged and len(ends) == 1:
            future[old] = ends[0]
    return past, future


def delta_roots(state: GraphState, after_ms: int, until_ms: int) -> tuple[list[int], list[int]]:
    """Return the roots that edits replaced, and made, between two times (both inclusive)."""
    history = state.history
    new = [root for root in history.predecessors if after_ms <= made_ms(state, root) <= until_ms]
    old = {before for root in new for before in history.predecessors[root]}
    return sorted(old), sorted(new)


def valid_between(
    state: GraphState, ids: Ids, after_ms: int | None, until_ms: int | None
) -> NDArray[np.bool_]:
    """Tell which nodes existed at some moment between two times, shape (n,)."""
    known = exist(state, ids)
    for k in np.flatnonzero(known):
        node = int(ids[k])
        gone = replaced_ms(state, node)
        born_late = until_ms is not None and made_ms(state, node) > until_ms
        gone_early = after_ms is not None and gone is not None and gone < after_ms
        known[k] = not born_late and not gone_early
    return known


def _walk(start: Iterable[int], step: Callable[[int], Iterable[int]]) -> set[int]:
    """Return everything that can be reached, the start included."""
    found = set(start)
    waiting = list(found)
    while waiting:
        fresh = set(step(waiting.pop())) - found
        found |= fresh
        waiting.extend(fresh)
    return found


def _grouped(pairs: Iterable[tuple[int, int]]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for key, value in pairs:
        found.setdefault(key, []).append(value)
    return found


def _reach(step: Mapping[int, list[int]], start: int) -> set[int]:
    """Return what can be reached in one or more steps."""
    return _walk([start], lambda node: step.get(node, ())) - {start}
