"""Edits leave here exactly once, whatever breaks on the way.

CAVE's edits carry no key by which the server could recognise a repetition, and an error
may come after the edit was applied. So each edit is written to the ledger before it is
sent, is sent once, and where the answer is missing or unclear only reading decides.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from connectome.errors import (
    EditRejectedError,
    EditUnknownError,
    InputError,
    ServiceError,
)
from connectome.graph import EditReceipt, Graph, MergeRequest
from proofreading.edits import EditRecord, EditState, MergeEdit
from proofreading.export.patience import SETTLE_S, Patience
from proofreading.export.plan import Planned, plan_merges, waiting_merges
from proofreading.export.reading import (
    Found,
    Outcome,
    Readiness,
    check_merge,
    present_roots,
    read_merge,
    read_undo,
)
from proofreading.ledger.events import EditChanged, UndoSubmitted
from proofreading.ledger.fold import LedgerState
from proofreading.ledger.store import Ledger

__all__ = ["ExportSummary", "Exporter"]

MAX_REJECTIONS = 5
"""So many refusals in a row mean that something is wrong for all edits, not for each."""

Progress = Callable[[int, int, EditRecord], None]


@dataclass(frozen=True)
class ExportSummary:
    """What a run did.

    Parameters
    ----------
    records : tuple of EditRecord
        The edits it recovered, sent or refused to send, as they are now.
    waiting : int
        Number of edits that still wait.
    stopped : str
        Why it ended early; empty if it did not.
    """

    records: tuple[EditRecord, ...]
    waiting: int
    stopped: str = ""

    def count(self, *states: EditState) -> int:
        """Return how many edits of this run ended in these states."""
        return sum(record.state in states for record in self.records)


class Exporter:
    """Sends the waiting merges of a ledger to a graph, one after the other.

    Parameters
    ----------
    ledger : Ledger
        Open for writing.
    graph : Graph
        Where the edits go.
    clock, wait, settle_s
        See `Patience`.
    """

    def __init__(
        self,
        ledger: Ledger,
        graph: Graph,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        wait: Callable[[float], None] = time.sleep,
        settle_s: float = SETTLE_S,
    ) -> None:
        self._ledger = ledger
        self._graph = graph
        self._patience = Patience(clock, wait, settle_s)

    def plan(self) -> list[Planned]:
        """Return every waiting merge and what would become of it; writes and sends nothing.

        Raises
        ------
        ServiceError
            If the graph cannot be read.
        """
        return plan_merges(self._ledger.state, self._graph)

    def run(
        self, progress: Progress | None = None, cancelled: Callable[[], bool] = lambda: False
    ) -> ExportSummary:
        """Recover, then send every waiting merge once. It may be run again at any time.

        Parameters
        ----------
        progress : callable, optional
            Called after each edit with its number from 1, the number of edits, and its record.
        cancelled : callable
            Asked before each edit.

        Raises
        ------
        StorageError
            If the ledger cannot be written; the next run finds out what was sent.
        """
        records = {record.edit.id: record for record in self.recover()}
        stopped = ""
        if self._ledger.state.unanswered_edits():
            stopped = "The server cannot tell yet what became of an earlier edit."
        waiting = [edit.id for _, edit in waiting_merges(self._ledger.state)]
        for number, edit_id in enumerate(waiting, start=1):
            if stopped or cancelled():
                stopped = stopped or "Cancelled."
                break
            record, stopped = self._export_or_stop(edit_id, list(records.values()))
            if record is not None:
                records[edit_id] = record
                if progress is not None:
                    progress(number, len(waiting), record)
        left = len(waiting_merges(self._ledger.state))
        return ExportSummary(tuple(records.values()), left, stopped)

    def recover(self) -> list[EditRecord]:
        """Find out by reading what became of edits and undos that a crash left unanswered.

        Nothing is sent. An edit that was certainly not applied waits again; one that cannot
        be read stays unknown. Returns the records of all of them.
        """
        state = self._ledger.state
        settled = [self._settle(record) for record in state.unanswered_edits()]
        return settled + [self._settle_undo(record) for record in state.unfinished_undos()]

    def undo(self, edit_id: str) -> EditRecord:
        """Undo a committed edit on the server and return its record.

        The record is ``undone``, or still ``committed`` with a message that says why.

        Raises
        ------
        InputError
            If the edit is not committed, or the server never told its operation.
        """
        record, operation_id = self._undoable(edit_id)
        if record in self._ledger.state.unfinished_undos():
            return self._settle_undo(record)
        self._ledger.append(UndoSubmitted(edit_id))
        try:
            receipt = self._graph.undo(operation_id)
        except EditRejectedError as error:
            return self._set(record, EditState.COMMITTED, f"Undo refused: {error.message}")
        except (EditUnknownError, ServiceError):
            return self._settle_undo(record)
        if receipt is None:
            return self._nothing_to_undo(record)
        return self._undone(record, receipt.operation_id, receipt.new_roots)

    def requeue(self, edit_ids: Iterable[str]) -> list[EditRecord]:
        """Let edits without effect wait again: failed, in conflict, or undone.

        Returns the records of those that wait now.
        """
        waiting = []
        for edit_id in edit_ids:
            event = EditChanged(edit_id, EditState.QUEUED, message="To be tried again.")
            ended = (EditState.FAILED, EditState.CONFLICT, EditState.UNDONE)
            record = self._change(event, _in(edit_id, *ended))
            if record is not None:
                waiting.append(record)
        return waiting

    def _export_or_stop(
        self, edit_id: str, before: list[EditRecord]
    ) -> tuple[EditRecord | None, str]:
        try:
            record = self._export(edit_id)
        except ServiceError as error:
            return None, str(error)
        if record is None:
            return None, ""
        if record.state is EditState.UNKNOWN:
            return record, "The server cannot tell what became of an edit."
        last = [*before, record][-MAX_REJECTIONS:]
        if len(last) == MAX_REJECTIONS and all(r.state is EditState.FAILED for r in last):
            return record, f"The server refused {MAX_REJECTIONS} edits in a row: {record.message}"
        return record, ""

    def _export(self, edit_id: str) -> EditRecord | None:
        record = self._ledger.state.edit(edit_id)
        if record is None or not isinstance(record.edit, MergeEdit):
            return None
        check = check_merge(self._graph, record.edit)
        if check.readiness is Readiness.STALE:
            return record
        # The decision may be withdrawn while the roots are read: it is looked at once more
        # inside the transaction that writes the intent.
        event = EditChanged(edit_id, EditState.CONFLICT, message=check.message)
        if check.ok:
            event = EditChanged(edit_id, EditState.SUBMITTED, expected_roots=check.roots)
        changed = self._change(event, lambda state: _pending(state, edit_id))
        if changed is None or changed.state is not EditState.SUBMITTED:
            return changed
        return self._send(changed, record.edit)

    def _send(self, record: EditRecord, edit: MergeEdit) -> EditRecord:
        try:
            receipt = self._graph.merge(MergeRequest(edit.a, edit.b))
        except EditRejectedError as error:
            return self._rejected(record, error)
        except (EditUnknownError, ServiceError) as error:
            return self._settle(self._set(record, EditState.UNKNOWN, error.message))
        if not receipt.new_roots:
            return self._settle(self._set(record, EditState.UNKNOWN, "The answer was incomplete."))
        return self._committed(record, receipt)

    def _committed(self, record: EditRecord, receipt: EditReceipt) -> EditRecord:
        done = self._set(
            record, EditState.COMMITTED, "", receipt.operation_id, tuple(receipt.new_roots)
        )
        try:
            a, b = present_roots(self._graph, _merge(record))
            if a == b:
                return done
            found = read_merge(self._graph, _merge(record))
        except ServiceError:
            return done  # the server's word stands; it cannot be verified now
        if found.outcome is Outcome.APPLIED:
            return self._set(done, EditState.COMMITTED, found.message)
        return self._set(done, EditState.PARTIAL, "Reported as done, but they are still two.")

    def _rejected(self, record: EditRecord, error: EditRejectedError) -> EditRecord:
        # Something between here and the server may have repeated the request: the second
        # answer is then a refusal, although the first was applied.
        try:
            found = read_merge(self._graph, _merge(record))
        except ServiceError:
            found = Found(Outcome.NOT_APPLIED)
        if found.outcome is Outcome.APPLIED and found.operation_id is not None:
            return self._found(record, found)
        return self._set(record, EditState.FAILED, error.message)

    def _settle(self, record: EditRecord) -> EditRecord:
        found = None
        if isinstance(record.edit, MergeEdit):
            edit = record.edit
            found = self._patience.look(record.changed_at, lambda: read_merge(self._graph, edit))
        if found is not None:
            return self._found(record, found)
        if record.state is EditState.UNKNOWN:
            return record
        return self._set(record, EditState.UNKNOWN, "Sent; the answer is not known yet.")

    def _found(self, record: EditRecord, found: Found) -> EditRecord:
        if found.outcome is Outcome.APPLIED:
            return self._set(
                record, EditState.COMMITTED, found.message, found.operation_id, found.new_roots
            )
        if found.outcome is Outcome.OVERTAKEN:
            return self._set(record, EditState.CONFLICT, found.message)
        return self._set(record, EditState.QUEUED, "It was not applied and waits again.")

    def _undoable(self, edit_id: str) -> tuple[EditRecord, int]:
        record = self._ledger.state.edit(edit_id)
        if record is None or record.state is not EditState.COMMITTED:
            raise InputError(
                f"The edit {edit_id} is not applied.", "Only applied edits can be undone."
            )
        if record.operation_id is None:
            raise InputError(
                "The server did not say which operation applied this edit.",
                "Undo it with the tools of the datastack's server.",
            )
        return record, record.operation_id

    def _settle_undo(self, record: EditRecord) -> EditRecord:
        sent_at = self._ledger.state.undo_sent_at(record.edit.id) or record.changed_at
        found = self._patience.look(sent_at, lambda: read_undo(self._graph, record))
        if found is None:
            return record
        if found.outcome is Outcome.NOT_APPLIED:
            return self._set(record, EditState.COMMITTED, "The undo was not applied; try again.")
        return self._undone(record, found.operation_id, found.new_roots)

    def _nothing_to_undo(self, record: EditRecord) -> EditRecord:
        try:
            found = read_undo(self._graph, record)
        except ServiceError:
            return record  # the undo stays unfinished until `recover` can read
        if found.outcome is Outcome.NOT_APPLIED:
            return self._set(
                record, EditState.COMMITTED, "The server says that there is nothing to undo."
            )
        return self._undone(record, found.operation_id, found.new_roots)

    def _undone(
        self, record: EditRecord, operation_id: int | None, roots: tuple[int, ...]
    ) -> EditRecord:
        message = "Undone." if operation_id is None else f"Undone by operation {operation_id}."
        return self._set(record, EditState.UNDONE, message, roots=roots)

    def _set(
        self,
        record: EditRecord,
        state: EditState,
        message: str,
        operation_id: int | None = None,
        roots: tuple[int, ...] = (),
    ) -> EditRecord:
        event = EditChanged(record.edit.id, state, operation_id, roots, message)
        self._ledger.append(event)
        return self._ledger.state.edit(record.edit.id) or record

    def _change(
        self, event: EditChanged, only_if: Callable[[LedgerState], bool]
    ) -> EditRecord | None:
        if self._ledger.append(event, only_if=only_if) is None:
            return None
        return self._ledger.state.edit(event.edit_id)


def _pending(state: LedgerState, edit_id: str) -> bool:
    record = state.edit(edit_id)
    return record is not None and state.is_pending(record)


def _in(edit_id: str, *states: EditState) -> Callable[[LedgerState], bool]:
    def holds(state: LedgerState) -> bool:
        record = state.edit(edit_id)
        return record is not None and record.state in states

    return holds


def _merge(record: EditRecord) -> MergeEdit:
    if not isinstance(record.edit, MergeEdit):
        raise InputError("Only merges are exported here.", "Export the cut with its own command.")
    return record.edit
