"""One request for one edit: sent once, its answer classified, and read where it is unclear."""

from __future__ import annotations

from connectome.errors import EditRejectedError, EditUnknownError, ServiceError
from connectome.graph import EditReceipt, Graph, MergeRequest, SplitRequest
from proofreading.edits import Edit, EditRecord, EditState, MergeEdit, Reason, SplitEdit
from proofreading.export.history import present_sides
from proofreading.export.journal import Journal
from proofreading.export.patience import Patience
from proofreading.export.reading import Found, Outcome, goal_met, read_edit

__all__ = ["Sender"]


class Sender:
    """Sends edits whose intent stands in the ledger, and finds out what became of them."""

    def __init__(self, journal: Journal, graph: Graph, patience: Patience, me: str | None) -> None:
        self._journal = journal
        self._graph = graph
        self._patience = patience
        self._me = me

    def send(self, record: EditRecord) -> EditRecord:
        """Send an edit that was just written as submitted."""
        try:
            receipt = _post(self._graph, record.edit)
        except EditRejectedError as error:
            return self._rejected(record, error)
        except (EditUnknownError, ServiceError) as error:
            return self._lost(record, error.message)
        if not receipt.new_roots:
            return self._lost(record, "The answer was incomplete.")
        return self._accepted(record, receipt)

    def settle(self, record: EditRecord) -> EditRecord:
        """Find out by reading what became of an edit that was sent."""
        found = self._patience.look(
            record.changed_at, lambda: self._read(record), lambda found: found.certain
        )
        if found is not None:
            return self._found(record, found)
        if record.state is EditState.UNKNOWN:
            return record
        message = "Sent; the answer is not known yet."
        return self._journal.set(record, EditState.UNKNOWN, message)

    def _read(self, record: EditRecord) -> Found:
        return read_edit(self._graph, record.edit, self._me)

    def _lost(self, record: EditRecord, message: str) -> EditRecord:
        return self.settle(self._journal.set(record, EditState.UNKNOWN, message))

    def _accepted(self, record: EditRecord, receipt: EditReceipt) -> EditRecord:
        operation, roots = receipt.operation_id, tuple(receipt.new_roots)
        if isinstance(record.edit, SplitEdit) and len(roots) < 2:
            text = "The cut was applied, and the object still holds together."
            return self._journal.set(
                record, EditState.PARTIAL, text, operation_id=operation, roots=roots
            )
        done = self._journal.set(
            record, EditState.COMMITTED, "", operation_id=operation, roots=roots
        )
        return self._verified(done)

    def _verified(self, record: EditRecord) -> EditRecord:
        try:
            if goal_met(record.edit, present_sides(self._graph, record.edit)):
                return record
            found = self._read(record)
        except ServiceError:
            return record  # the server's word stands; it cannot be verified now
        if found.outcome is Outcome.APPLIED:
            return self._journal.set(record, EditState.COMMITTED, found.message)
        if found.outcome is Outcome.UNCLEAR:
            return record
        still = "two" if isinstance(record.edit, MergeEdit) else "one"
        text = f"Reported as done, but they are still {still}."
        return self._journal.set(record, EditState.PARTIAL, text)

    def _rejected(self, record: EditRecord, error: EditRejectedError) -> EditRecord:
        # Something between here and the server may have repeated the request: the second
        # answer is then a refusal, although the first was applied.
        try:
            found = self._read(record)
        except ServiceError:
            found = Found(Outcome.NOT_APPLIED)
        if found.operation_id is not None:
            return self._found(record, found)
        return self._journal.set(record, EditState.FAILED, error.message, reason=Reason.REFUSED)

    def _found(self, record: EditRecord, found: Found) -> EditRecord:
        match found.outcome:
            case Outcome.APPLIED:
                return self._applied(record, EditState.COMMITTED, found)
            case Outcome.PARTIAL:
                return self._applied(record, EditState.PARTIAL, found)
            case Outcome.OVERTAKEN:
                merge = isinstance(record.edit, MergeEdit)
                return self._conflict(record, found, Reason.JOINED if merge else Reason.APART)
            case Outcome.UNCLEAR:
                return self._conflict(record, found, Reason.CHANGED)
            case _:
                text = "It was not applied and waits again."
                return self._journal.set(record, EditState.QUEUED, text)

    def _applied(self, record: EditRecord, state: EditState, found: Found) -> EditRecord:
        return self._journal.set(
            record, state, found.message, operation_id=found.operation_id, roots=found.new_roots
        )

    def _conflict(self, record: EditRecord, found: Found, reason: Reason) -> EditRecord:
        return self._journal.set(record, EditState.CONFLICT, found.message, reason=reason)


def _post(graph: Graph, edit: Edit) -> EditReceipt:
    if isinstance(edit, MergeEdit):
        return graph.merge(MergeRequest(edit.a, edit.b))
    return graph.split(SplitRequest(edit.sources, edit.sinks))
