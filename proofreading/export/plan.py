"""The dry run: every waiting merge and what would become of it now."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from connectome.graph import Graph
from proofreading.edits import EditRecord, MergeEdit
from proofreading.export.reading import Check, Readiness, check_merge
from proofreading.ledger.fold import LedgerState

__all__ = ["Planned", "plan_merges", "waiting_merges"]


@dataclass(frozen=True)
class Planned:
    """An edit that waits, and what would become of it now."""

    record: EditRecord
    check: Check

    @property
    def ok(self) -> bool:
        """Whether it would be sent."""
        return self.check.ok


def waiting_merges(state: LedgerState) -> list[tuple[EditRecord, MergeEdit]]:
    """Return the merges that wait to be sent, oldest first."""
    return [(r, r.edit) for r in state.pending_edits() if isinstance(r.edit, MergeEdit)]


def plan_merges(state: LedgerState, graph: Graph) -> list[Planned]:
    """Check every waiting merge, with all those before it in mind; writes and sends nothing.

    Raises
    ------
    ServiceError
        If the graph cannot be read.
    """
    waiting = waiting_merges(state)
    if not waiting:
        return []
    ids = [point.supervoxel for _, edit in waiting for point in (edit.a, edit.b)]
    roots = graph.roots(np.array(ids, dtype=np.uint64)).reshape(-1, 2)
    objects = _Objects()
    planned = []
    for (record, edit), (a, b) in zip(waiting, roots, strict=True):
        check = check_merge(graph, edit, (int(a), int(b)))
        if check.ok and not objects.join(*check.roots):
            check = Check(
                Readiness.JOINED, check.roots, "An earlier merge of this list makes them one."
            )
        planned.append(Planned(record, check))
    return planned


class _Objects:
    """Which roots the planned merges would make one."""

    def __init__(self) -> None:
        self._parent: dict[int, int] = {}

    def join(self, a: int, b: int) -> bool:
        """Join two roots and tell whether they were apart."""
        a, b = self._top(a), self._top(b)
        self._parent[a] = b
        return a != b

    def _top(self, root: int) -> int:
        while (parent := self._parent.get(root, root)) != root:
            self._parent[root] = self._parent.get(parent, parent)
            root = parent
        return root
