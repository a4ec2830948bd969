"""Edits leave here exactly once, whatever breaks on the way.

CAVE's edits carry no key by which the server could recognise a repetition, and an error
may come after the edit was applied. So each edit is written to the ledger before it is
sent, is sent once, and where the answer is missing or unclear only reading decides.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable
from datetime import UTC, datetime

from connectome.annotations import Annotations
from connectome.errors import InputError, ServiceError
from connectome.graph import Graph
from proofreading.edits import EditRecord, EditState, Reason
from proofreading.export.checking import check_edit
from proofreading.export.conflicts import Conflict, conflict_of
from proofreading.export.journal import Journal, in_state
from proofreading.export.patience import SETTLE_S, Patience
from proofreading.export.plan import Planned, Planner
from proofreading.export.preparing import Preparer
from proofreading.export.rows import RowTables, RowWriter
from proofreading.export.sending import Sender
from proofreading.export.summary import ExportSummary, Progress, Run
from proofreading.export.undo_plan import UndoPlan, plan_undo
from proofreading.export.undoing import Undoer, undoable
from proofreading.export.warnings import ObjectFacts, WarningRules
from proofreading.ledger.events import EditChanged, EditReleased
from proofreading.ledger.fold import LedgerState
from proofreading.ledger.store import Ledger

__all__ = ["ExportSummary", "Exporter"]

_UNSENT = (EditState.QUEUED, EditState.PREVIEWED, EditState.FAILED)
_WITHOUT_EFFECT = (EditState.FAILED, EditState.CONFLICT, EditState.UNDONE)


class Exporter:
    """Sends the waiting edits of a ledger to a graph, one after the other.

    Parameters
    ----------
    ledger : Ledger
        Open for writing.
    graph : Graph
        Where the edits go.
    rows : Annotations, optional
        Where a row is written for each applied edit; none are written without it.
    tables : RowTables, optional
        The names of the tables for the rows.
    facts, rules : ObjectFacts, WarningRules
        What is known of objects, and what of it holds a merge until the person overrides it.
    me : str, optional
        The person as the server's log calls them.
    clock, wait, settle_s
        See `Patience`.
    """

    def __init__(
        self,
        ledger: Ledger,
        graph: Graph,
        *,
        rows: Annotations | None = None,
        tables: RowTables | None = None,
        facts: ObjectFacts | None = None,
        rules: WarningRules | None = None,
        me: str | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        wait: Callable[[float], None] = time.sleep,
        settle_s: float = SETTLE_S,
    ) -> None:
        patience = Patience(clock, wait, settle_s)
        self._graph = graph
        self._facts = facts
        self._rules = rules or WarningRules()
        self._journal = Journal(ledger)
        self._preparer = Preparer(self._journal, graph, facts, self._rules)
        self._sender = Sender(self._journal, graph, patience, me)
        self._undoer = Undoer(self._journal, graph, patience)
        self._rows = (
            None if rows is None else RowWriter(self._journal, graph, rows, patience, tables)
        )

    def plan(self) -> list[Planned]:
        """Return every waiting edit and what would become of it; writes and sends nothing.

        Raises
        ------
        ServiceError
            If the graph cannot be read.
        """
        return self._planner().plan()

    def second_looks(self) -> list[Planned]:
        """Return every held edit with its objects as they are now; writes and sends nothing.

        Raises
        ------
        ServiceError
            If the graph cannot be read.
        """
        return self._planner().held()

    def conflicts(self) -> list[Conflict]:
        """Return what others changed under the edits that wait or are held; reads only.

        Raises
        ------
        ServiceError
            If the graph cannot be read.
        """
        state = self._journal.state
        found = []
        for record in state.pending_edits() + state.held_edits():
            check = check_edit(self._graph, record.edit)
            found.append(conflict_of(self._graph, state, record, check))
        return [conflict for conflict in found if conflict is not None]

    def run(
        self,
        progress: Progress | None = None,
        cancelled: Callable[[], bool] = lambda: False,
        *,
        override_by: str = "",
    ) -> ExportSummary:
        """Recover, send every waiting edit once, write rows. It may be run again at any time.

        Parameters
        ----------
        progress : callable, optional
            Called after each edit with its number from 1, the number of edits, and its record.
        cancelled : callable
            Asked before each edit.
        override_by : str
            Who sets all warnings aside, those of edits held before as well; empty if they
            hold their edits.

        Raises
        ------
        StorageError
            If the ledger cannot be written; the next run finds out what was sent.
        """
        run = Run(self._journal, progress, cancelled)
        run.begin(self.recover())
        if override_by:
            self._override_all(override_by)
        for edit_id in run.waiting():
            try:
                self._export(edit_id, run, override_by)
            except ServiceError as error:
                run.stop(error)
        # Without a network, looking for rows would only wait.
        if self._rows is None or run.offline or cancelled():
            return run.summary(None)
        return run.summary(self._rows.run())

    def recover(self) -> list[EditRecord]:
        """Find out by reading what became of edits and undos that a crash left unanswered.

        Nothing is sent. An edit that was certainly not applied waits again; one that cannot
        be read stays unknown. Returns the records of all of them.
        """
        state = self._journal.state
        settled = [self._sender.settle(record) for record in state.unanswered_edits()]
        return settled + [self._undoer.settle(record) for record in state.unfinished_undos()]

    def undo(self, edit_id: str) -> EditRecord:
        """Undo an applied edit on the server and return its record.

        The record is ``undone``, or as before with a message that says why.

        Raises
        ------
        InputError
            If the edit is not applied, or the server never told its operation.
        ServiceError
            If the server cannot be reached: nothing was sent.
        """
        return self._undoer.undo(edit_id)

    def undo_plan(self, edit_id: str) -> UndoPlan:
        """Return what was built on an applied edit and whether its undo may be refused.

        Raises
        ------
        InputError
            If the edit is not applied, or the server never told its operation.
        ServiceError
            If the graph cannot be read.
        """
        record, operation_id = undoable(self._journal, edit_id)
        return plan_undo(self._journal.state, self._graph, record, operation_id)

    def requeue(self, edit_ids: Iterable[str]) -> list[EditRecord]:
        """Let edits without effect wait again: failed, in conflict, or undone.

        Returns the records of those that wait now.
        """
        changed = []
        for edit_id in edit_ids:
            event = EditChanged(edit_id, EditState.QUEUED, message="To be tried again.")
            changed.append(self._journal.change(event, in_state(edit_id, _WITHOUT_EFFECT)))
        return [record for record in changed if record is not None]

    def hold(self, edit_id: str) -> EditRecord:
        """Look at a waiting edit before its turn, and hold it if a run would; sends nothing.

        Raises
        ------
        InputError
            If there is no such edit.
        ServiceError
            If the graph cannot be read.
        """
        record = self._preparer.hold(edit_id)
        if record is None:
            raise InputError(f"There is no edit {edit_id}.", "List the edits again.")
        return record

    def release(self, edit_id: str, author: str) -> EditRecord:
        """Let a held edit go on after the person looked at the objects as they are now.

        The roots of this moment become those that the person saw; its warnings are set aside.

        Raises
        ------
        InputError
            If the edit is not held.
        ServiceError
            If the graph cannot be read.
        """
        record = self._held(edit_id)
        roots = check_edit(self._graph, record.edit).roots
        event = EditReleased(edit_id, author, roots, record.warnings)
        return self._journal.change(event, in_state(edit_id, [record.state])) or record

    def override(self, edit_id: str, author: str, warnings: Collection[str]) -> EditRecord:
        """Set warnings aside that the person was shown, of an edit that waits or is held.

        Other warnings, and what changes until it is sent, hold it as before.

        Parameters
        ----------
        author : str
            Who takes it on; recorded.
        warnings : collection of str
            The codes of the warnings that were shown.

        Raises
        ------
        InputError
            If the edit does not wait any more, or something else holds it.
        """
        codes = tuple(sorted(warnings))

        def only_they_hold(state: LedgerState) -> bool:
            record = state.edit(edit_id)
            if record is None or not record.held:
                return record is not None and state.is_pending(record)
            return record.reason is Reason.WARNED and set(record.warnings) <= set(codes)

        event = EditReleased(edit_id, author, warnings=codes)
        released = self._journal.change(event, only_they_hold)
        if released is None:
            raise InputError(
                f"The edit {edit_id} is not held by these warnings only.", "List the edits again."
            )
        return released

    def drop(self, edit_id: str, author: str) -> EditRecord:
        """Give an edit up that waits, is held or was refused.

        Raises
        ------
        InputError
            If it is none of these, or was sent in this moment.
        """
        record = self._journal.state.edit(edit_id)
        dropped = None
        if record is not None and (record.held or record.state in _UNSENT):
            text = f"Given up by {author}."
            event = EditChanged(edit_id, EditState.CONFLICT, message=text, reason=Reason.DROPPED)
            dropped = self._journal.change(event, in_state(edit_id, [record.state]))
        if dropped is None:
            raise InputError(
                f"The edit {edit_id} does not wait and is not held.",
                "An applied edit can be undone.",
            )
        return dropped

    def _planner(self) -> Planner:
        return Planner(self._journal.state, self._graph, self._facts, self._rules)

    def _export(self, edit_id: str, run: Run, override_by: str) -> None:
        prepared = self._preparer.prepare(edit_id, override_by)
        run.note(prepared.conflict)
        record = prepared.record
        if record is not None and record.state is EditState.SUBMITTED:
            record = self._sender.send(record)
        run.take(record)

    def _override_all(self, author: str) -> None:
        """Let every edit go that only a warning holds; what changed since holds it again."""
        for record in self._journal.state.held_edits():
            if record.reason is Reason.WARNED:
                event = EditReleased(record.edit.id, author, warnings=record.warnings)
                self._journal.change(event, in_state(record.edit.id, [record.state]))

    def _held(self, edit_id: str) -> EditRecord:
        record = self._journal.state.edit(edit_id)
        if record is None or not record.held:
            raise InputError(
                f"The edit {edit_id} does not wait for a second look.",
                "Only edits that are held can be released or given up.",
            )
        return record
