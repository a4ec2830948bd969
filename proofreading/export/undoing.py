"""The undo of an applied edit: journalled, sent once, and read where the answer is unclear."""

from __future__ import annotations

from connectome.errors import EditRejectedError, EditUnknownError, InputError, ServiceError
from connectome.graph import Graph
from proofreading.edits import EditRecord, EditState
from proofreading.export.history import present_sides
from proofreading.export.journal import Journal, in_state
from proofreading.export.patience import Patience
from proofreading.export.reading import Found, Outcome, read_undo
from proofreading.ledger.events import UndoSubmitted

__all__ = ["Undoer", "undoable"]

_APPLIED = (EditState.COMMITTED, EditState.PARTIAL)


def undoable(journal: Journal, edit_id: str) -> tuple[EditRecord, int]:
    """Return an applied edit and its operation.

    Raises
    ------
    InputError
        If the edit is not applied, or the server never told its operation.
    """
    record = journal.state.edit(edit_id)
    if record is None or record.state not in _APPLIED:
        raise InputError(f"The edit {edit_id} is not applied.", "Only applied edits can be undone.")
    if record.operation_id is None:
        raise InputError(
            "The server did not say which operation applied this edit.",
            "Undo it with the tools of the datastack's server.",
        )
    return record, record.operation_id


class Undoer:
    """Undoes edits by the operation that applied them."""

    def __init__(self, journal: Journal, graph: Graph, patience: Patience) -> None:
        self._journal = journal
        self._graph = graph
        self._patience = patience

    def undo(self, edit_id: str) -> EditRecord:
        """Undo an applied edit and return its record.

        The record is ``undone``, or as before with a message that says why.

        Raises
        ------
        InputError
            If the edit is not applied, or the server never told its operation.
        ServiceError
            If the server cannot be reached: nothing was sent.
        """
        record, operation_id = undoable(self._journal, edit_id)
        if self._journal.state.undo_sent(edit_id) is not None:
            return self.settle(record)
        sides = present_sides(self._graph, record.edit)
        event = UndoSubmitted(edit_id, tuple(sorted(sides.roots - {0})))
        if not self._journal.write(event, in_state(edit_id, _APPLIED)):
            return self._journal.state.edit(edit_id) or record
        return self._send(record, operation_id)

    def settle(self, record: EditRecord) -> EditRecord:
        """Find out by reading what became of an undo that was sent."""
        sent = self._journal.state.undo_sent(record.edit.id)
        if sent is None:
            return record
        found = self._patience.look(
            sent.at, lambda: self._read(record), lambda found: found.certain
        )
        if found is None:
            return record
        return self._found(record, found, "The undo was not applied; try again.")

    def _send(self, record: EditRecord, operation_id: int) -> EditRecord:
        try:
            receipt = self._graph.undo(operation_id)
        except EditRejectedError as error:
            return self._answered(record, f"Undo refused: {error.message}", refused=True)
        except (EditUnknownError, ServiceError):
            return self.settle(record)
        if receipt is None:
            return self._answered(record, "The server says that there is nothing to undo.")
        return self._undone(record, receipt.operation_id, receipt.new_roots)

    def _answered(self, record: EditRecord, message: str, *, refused: bool = False) -> EditRecord:
        """Read what is behind a refusal: a repeated request, or somebody else's undo."""
        try:
            found = self._read(record)
        except ServiceError:
            if not refused:
                return record  # the undo stays unfinished until `recover` can read
            found = Found(Outcome.NOT_APPLIED)
        if refused and found.operation_id is None:
            found = Found(Outcome.NOT_APPLIED)
        return self._found(record, found, message)

    def _read(self, record: EditRecord) -> Found:
        sent = self._journal.state.undo_sent(record.edit.id)
        return read_undo(self._graph, record, sent.roots if sent else ())

    def _found(self, record: EditRecord, found: Found, otherwise: str) -> EditRecord:
        if found.outcome in (Outcome.APPLIED, Outcome.OVERTAKEN):
            return self._undone(record, found.operation_id, found.new_roots)
        return self._journal.set(record, record.state, otherwise)

    def _undone(
        self, record: EditRecord, operation_id: int | None, roots: tuple[int, ...]
    ) -> EditRecord:
        message = "Undone." if operation_id is None else f"Undone by operation {operation_id}."
        return self._journal.set(record, EditState.UNDONE, message, roots=roots)
