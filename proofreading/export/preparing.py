"""From a waiting edit to one that may be sent: checked, warned of, previewed, written."""

from __future__ import annotations

from dataclasses import dataclass

from connectome.graph import Graph
from proofreading.edits import EditRecord, EditState, MergeEdit, Reason, SplitEdit
from proofreading.export.checking import check_edit, preview_cut
from proofreading.export.checks import Check, Readiness
from proofreading.export.conflicts import Conflict, conflict_of
from proofreading.export.journal import Journal, is_pending
from proofreading.export.warnings import ObjectFacts, WarningRules, merge_warnings
from proofreading.ledger.events import EditChanged, EditReleased

__all__ = ["Prepared", "Preparer"]


@dataclass(frozen=True)
class Prepared:
    """An edit that was looked at: ``submitted`` if it is to be sent now.

    `record` is None if the edit no longer waits, `conflict` if nothing changed under it.
    """

    record: EditRecord | None
    conflict: Conflict | None = None


class Preparer:
    """Looks at one waiting edit after the other, and writes what it found."""

    def __init__(
        self, journal: Journal, graph: Graph, facts: ObjectFacts | None, rules: WarningRules
    ) -> None:
        self._journal = journal
        self._graph = graph
        self._facts = facts
        self._rules = rules

    def prepare(self, edit_id: str, override_by: str) -> Prepared:
        """Look at an edit, and write that it is submitted if nothing stands in the way.

        Raises
        ------
        ServiceError
            If the graph cannot be read; the edit waits on.
        """
        record = self._journal.state.edit(edit_id)
        if record is None:
            return Prepared(None)
        check = check_edit(self._graph, record.edit)
        if check.readiness is Readiness.STALE:
            return Prepared(record)
        conflict = conflict_of(self._graph, self._journal.state, record, check)
        if check.ok and isinstance(record.edit, MergeEdit):
            check = self._warned(record, check, override_by)
        if check.ok and isinstance(record.edit, SplitEdit):
            return Prepared(self._cut(edit_id, record.edit, check), conflict)
        return Prepared(self._decided(edit_id, check), conflict)

    def hold(self, edit_id: str) -> EditRecord | None:
        """Look at a waiting edit, and write what stands in its way, if anything does.

        Returns its record; None if there is no such edit.

        Raises
        ------
        ServiceError
            If the graph cannot be read.
        """
        record = self._journal.state.edit(edit_id)
        if record is None or not self._journal.state.is_pending(record):
            return record
        check = check_edit(self._graph, record.edit)
        if check.ok and isinstance(record.edit, MergeEdit):
            check = self._warned(record, check, "")
        if check.ok or check.readiness is Readiness.STALE:
            return record
        return self._decided(edit_id, check) or self._journal.state.edit(edit_id)

    def _warned(self, record: EditRecord, check: Check, override_by: str) -> Check:
        if self._facts is None:
            return check
        a, b = check.roots
        found = merge_warnings(self._facts, {a}, {b}, self._rules)
        open_ = tuple(warning for warning in found if warning.code not in record.overridden)
        if not open_:
            return check
        if not override_by:
            return check.warned(open_)
        codes = tuple(warning.code for warning in open_)
        event = EditReleased(record.edit.id, override_by, warnings=codes)
        self._journal.change(event, is_pending(record.edit.id))
        return check

    def _cut(self, edit_id: str, edit: SplitEdit, check: Check) -> EditRecord | None:
        problem = preview_cut(self._graph, edit)
        if problem:
            event = EditChanged(
                edit_id, EditState.FAILED, message=problem, reason=Reason.UNCUTTABLE
            )
            return self._journal.change(event, is_pending(edit_id))
        previewed = EditChanged(edit_id, EditState.PREVIEWED, expected_roots=check.roots)
        if self._journal.change(previewed, is_pending(edit_id)) is None:
            return None
        return self._decided(edit_id, check)

    def _decided(self, edit_id: str, check: Check) -> EditRecord | None:
        # The decision may be withdrawn while the roots are read: it is looked at once more
        # inside the transaction that writes the intent.
        if check.ok:
            event = EditChanged(
                edit_id,
                EditState.SUBMITTED,
                expected_roots=check.roots,
                rebased=check.readiness is Readiness.REBASED,
            )
        else:
            event = EditChanged(
                edit_id,
                EditState.CONFLICT,
                message=check.message,
                reason=check.reason,
                warnings=tuple(warning.code for warning in check.warnings),
            )
        return self._journal.change(event, is_pending(edit_id))
