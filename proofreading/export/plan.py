"""The dry run: every waiting edit and what would become of it now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from connectome.graph import Graph
from proofreading.edits import EditRecord, SplitEdit
from proofreading.export.checking import check_edit, preview_cut
from proofreading.export.checks import Check, EditWarning, Readiness
from proofreading.export.conflicts import Conflict, conflict_of
from proofreading.export.history import Sides
from proofreading.export.warnings import ObjectFacts, WarningRules, merge_warnings
from proofreading.ledger.fold import LedgerState

__all__ = ["Planned", "Planner"]


@dataclass(frozen=True)
class Planned:
    """An edit that waits, and what would become of it now.

    Parameters
    ----------
    conflict : Conflict or None
        What somebody else changed since the person saw the objects.
    """

    record: EditRecord
    check: Check
    conflict: Conflict | None = None

    @property
    def ok(self) -> bool:
        """Whether it would be sent."""
        return self.check.ok


class Planner:
    """Checks waiting edits, each with all those before it in mind; writes and sends nothing."""

    def __init__(
        self, state: LedgerState, graph: Graph, facts: ObjectFacts | None, rules: WarningRules
    ) -> None:
        self._state = state
        self._graph = graph
        self._facts = facts
        self._rules = rules
        self._objects = _Objects()

    def plan(self) -> list[Planned]:
        """Return a line for each edit that waits, in the order in which they would be sent.

        Raises
        ------
        ServiceError
            If the graph cannot be read.
        """
        waiting = self._state.pending_edits()
        sides = _all_sides(self._graph, waiting)
        return [self._one(record, now) for record, now in zip(waiting, sides, strict=True)]

    def held(self) -> list[Planned]:
        """Return a line for each edit that is held, with its objects as they are now.

        Raises
        ------
        ServiceError
            If the graph cannot be read.
        """
        held = self._state.held_edits()
        return [
            self._looked(record, now)
            for record, now in zip(held, _all_sides(self._graph, held), strict=True)
        ]

    def _looked(self, record: EditRecord, sides: Sides) -> Planned:
        check = check_edit(self._graph, record.edit, sides)
        return Planned(record, check, conflict_of(self._graph, self._state, record, check))

    def _one(self, record: EditRecord, sides: Sides) -> Planned:
        looked = self._looked(record, sides)
        if looked.ok and isinstance(record.edit, SplitEdit):
            return replace(looked, check=self._cut(record.edit, looked.check))
        if looked.ok:
            return replace(looked, check=self._merge(record, looked.check))
        return looked

    def _cut(self, edit: SplitEdit, check: Check) -> Check:
        problem = preview_cut(self._graph, edit)
        if problem:
            return check.uncuttable(problem)
        if self._objects.touched(check.roots[0]):
            return replace(check, message="An earlier edit of this list changes the object.")
        self._objects.touch(check.roots[0])
        return check

    def _merge(self, record: EditRecord, check: Check) -> Check:
        a, b = (self._objects.members(root) for root in check.roots)
        if a == b:
            text = "An earlier merge of this list makes them one."
            return Check(Readiness.JOINED, check.roots, text)
        warnings = self._warnings(record, a, b)
        if warnings:
            return check.warned(warnings)
        self._objects.join(*check.roots)
        return check

    def _warnings(
        self, record: EditRecord, a: frozenset[int], b: frozenset[int]
    ) -> tuple[EditWarning, ...]:
        if self._facts is None:
            return ()
        found = merge_warnings(self._facts, a, b, self._rules)
        return tuple(w for w in found if w.code not in record.overridden)


def _all_sides(graph: Graph, waiting: Sequence[EditRecord]) -> list[Sides]:
    """Return the roots under the points of many edits, asked for at once."""
    points = [[*r.edit.sides[0], *r.edit.sides[1]] for r in waiting]
    ids = [point.supervoxel for of_edit in points for point in of_edit]
    if not ids:
        return []
    roots = iter(graph.roots(np.array(ids, dtype=np.uint64)).tolist())
    return [
        Sides(*(tuple(int(next(roots)) for _ in side) for side in record.edit.sides))
        for record in waiting
    ]


class _Objects:
    """Which roots the planned merges would make one, and which ones planned edits change."""

    def __init__(self) -> None:
        self._group: dict[int, frozenset[int]] = {}
        self._touched: set[int] = set()

    def members(self, root: int) -> frozenset[int]:
        """Return the roots that would be one object with this one."""
        return self._group.get(root, frozenset([root]))

    def join(self, a: int, b: int) -> None:
        """Make one object of two."""
        together = self.members(a) | self.members(b)
        self._group |= dict.fromkeys(together, together)
        self._touched |= {a, b}

    def touched(self, root: int) -> bool:
        """Tell whether an earlier edit changes the object."""
        return root in self._touched

    def touch(self, root: int) -> None:
        """Note that an edit changes the object."""
        self._touched.add(root)
