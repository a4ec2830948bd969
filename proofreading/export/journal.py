"""How the exporter writes to the ledger."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from proofreading.edits import EditRecord, EditState, Reason
from proofreading.ledger.events import EditChanged, EditReleased, Event
from proofreading.ledger.fold import LedgerState
from proofreading.ledger.store import Ledger

__all__ = ["Journal", "in_state", "is_pending"]

Condition = Callable[[LedgerState], bool]


class Journal:
    """The changes of edits, written one by one."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger

    @property
    def state(self) -> LedgerState:
        """The state of the ledger now."""
        return self.ledger.state

    def set(
        self,
        record: EditRecord,
        state: EditState,
        message: str,
        *,
        operation_id: int | None = None,
        roots: tuple[int, ...] = (),
        reason: Reason = Reason.NONE,
    ) -> EditRecord:
        """Write what became of an edit and return its record."""
        event = EditChanged(record.edit.id, state, operation_id, roots, message, reason=reason)
        self.ledger.append(event)
        return self.state.edit(record.edit.id) or record

    def change(self, event: EditChanged | EditReleased, only_if: Condition) -> EditRecord | None:
        """Write a change if a condition holds at that moment; None if it does not."""
        if self.ledger.append(event, only_if=only_if) is None:
            return None
        return self.state.edit(event.edit_id)

    def write(self, event: Event, only_if: Condition | None = None) -> bool:
        """Write any event and tell whether it was written."""
        return self.ledger.append(event, only_if=only_if) is not None


def is_pending(edit_id: str) -> Condition:
    """Return whether an edit still waits and its decision stands."""

    def holds(state: LedgerState) -> bool:
        record = state.edit(edit_id)
        return record is not None and state.is_pending(record)

    return holds


def in_state(edit_id: str, states: Iterable[EditState]) -> Condition:
    """Return whether an edit is in one of these states."""
    wanted = frozenset(states)

    def holds(state: LedgerState) -> bool:
        record = state.edit(edit_id)
        return record is not None and record.state in wanted

    return holds
