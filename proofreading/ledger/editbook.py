"""The edits of a session and their rows, folded from events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from proofreading.edits import (
    Edit,
    EditRecord,
    EditState,
    MergeEdit,
    Reason,
    RowRecord,
    SplitEdit,
)
from proofreading.ledger.events import (
    EditChanged,
    EditQueued,
    EditReleased,
    Entry,
    RowIntended,
    RowSettled,
    UndoSubmitted,
)

__all__ = ["EditBook", "UndoSent"]


@dataclass(frozen=True)
class UndoSent:
    """An undo on its way: when it was sent, and the roots of the edit's points then."""

    at: datetime
    roots: tuple[int, ...]


@dataclass
class EditBook:
    """Every edit with its state, by id, by decision and by state; and the rows about them."""

    undoing: dict[str, UndoSent] = field(default_factory=dict)
    rows: dict[str, RowRecord] = field(default_factory=dict)
    open_rows: dict[str, None] = field(default_factory=dict)
    _edits: dict[str, EditRecord] = field(default_factory=dict)
    _edit_of: dict[str, str] = field(default_factory=dict)
    _by_state: dict[EditState, dict[str, None]] = field(default_factory=dict)
    _by_operation: dict[int, str] = field(default_factory=dict)

    def get(self, edit_id: str) -> EditRecord | None:
        """Return an edit with its state."""
        return self._edits.get(edit_id)

    def of_decision(self, decision_id: str) -> EditRecord | None:
        """Return the edit that was derived from a decision."""
        edit_id = self._edit_of.get(decision_id)
        return None if edit_id is None else self._edits[edit_id]

    def of_operation(self, operation_id: int) -> EditRecord | None:
        """Return the edit that an operation of the server applied."""
        edit_id = self._by_operation.get(operation_id)
        return None if edit_id is None else self._edits[edit_id]

    def select(self, *states: EditState) -> list[EditRecord]:
        """Return the edits in these states (all if none is given), oldest first within a state."""
        if not states:
            return list(self._edits.values())
        return [self._edits[i] for state in states for i in list(self._by_state.get(state, ()))]

    def counts(self) -> Mapping[EditState, int]:
        """Return the number of edits in each state."""
        return {state: len(self._by_state.get(state, ())) for state in EditState}

    def apply(self, entry: Entry) -> None:
        """Take in one event; those about other things are passed over."""
        event = entry.event
        if isinstance(event, EditQueued):
            self._queue(event.edit, entry.at)
        elif isinstance(event, EditChanged) and event.edit_id in self._edits:
            self.undoing.pop(event.edit_id, None)
            self._keep(_changed(self._edits[event.edit_id], event, entry.at))
        elif isinstance(event, EditReleased) and event.edit_id in self._edits:
            self._keep(_released(self._edits[event.edit_id], event, entry.at))
        elif isinstance(event, UndoSubmitted) and event.edit_id in self._edits:
            self.undoing[event.edit_id] = UndoSent(entry.at, event.expected_roots)
        elif isinstance(event, RowIntended):
            self.rows[event.row.key] = RowRecord(event.row, entry.at)
            self.open_rows[event.row.key] = None
        elif isinstance(event, RowSettled):
            self._settle_row(event)

    def _queue(self, edit: Edit, at: datetime) -> None:
        if edit.id not in self._edits:
            self._edit_of[edit.decision_id] = edit.id
            self._keep(EditRecord(edit, EditState.QUEUED, at))

    def _settle_row(self, event: RowSettled) -> None:
        record = self.rows.get(event.key)
        if record is not None:
            self.open_rows.pop(event.key, None)
            self.rows[event.key] = replace(
                record, settled=True, row_id=event.row_id, message=event.message
            )

    def _keep(self, record: EditRecord) -> None:
        edit_id = record.edit.id
        before = self._edits.get(edit_id)
        if before is not None:
            self._by_state[before.state].pop(edit_id, None)
        self._edits[edit_id] = record
        self._by_state.setdefault(record.state, {})[edit_id] = None
        if record.operation_id is not None:
            self._by_operation[record.operation_id] = edit_id


def _changed(record: EditRecord, event: EditChanged, at: datetime) -> EditRecord:
    return replace(
        record,
        edit=_expecting(record.edit, event.expected_roots),
        state=event.state,
        changed_at=at,
        operation_id=record.operation_id if event.operation_id is None else event.operation_id,
        new_roots=event.new_roots or record.new_roots,
        message=event.message,
        reason=event.reason,
        rebased=record.rebased or event.rebased,
        warnings=event.warnings,
    )


def _released(record: EditRecord, event: EditReleased, at: datetime) -> EditRecord:
    overridden = tuple(sorted({*record.overridden, *event.warnings}))
    record = replace(record, overridden=overridden)
    if not record.held:
        return record  # it waits already, or the release came too late
    return replace(
        record,
        edit=_expecting(record.edit, event.expected_roots),
        state=EditState.QUEUED,
        changed_at=at,
        message=f"Released by {event.author}.",
        reason=Reason.NONE,
        warnings=(),
    )


def _expecting(edit: Edit, roots: tuple[int, ...]) -> Edit:
    if isinstance(edit, MergeEdit) and len(roots) == 2:
        return replace(edit, expected_roots=(roots[0], roots[1]))
    if isinstance(edit, SplitEdit) and len(roots) == 1:
        return replace(edit, expected_root=roots[0])
    return edit
