"""What a session's state comes down to in the window's snapshot."""

from __future__ import annotations

from app.services.model import Outbox, Phase
from proofreading.edits import EditState, MergeEdit
from proofreading.ledger.fold import LedgerState

__all__ = ["outbox_of", "queue_phase", "queue_text", "used_up_roots"]


def outbox_of(state: LedgerState) -> Outbox:
    """Return how far the edits have come."""
    edits = state.edit_counts
    return Outbox(
        waiting=len(state.pending_edits()),
        committed=edits[EditState.COMMITTED],
        failed=edits[EditState.FAILED],
        conflict=edits[EditState.CONFLICT],
        unknown=edits[EditState.UNKNOWN] + edits[EditState.SUBMITTED],
        undone=edits[EditState.UNDONE],
    )


def used_up_roots(state: LedgerState) -> set[int]:
    """Return the roots that this session's edits replaced, undone ones included."""
    changed: set[int] = set()
    for record in state.edits(EditState.COMMITTED, EditState.UNDONE):
        changed.update(record.new_roots)
        if isinstance(record.edit, MergeEdit):
            changed.update(record.edit.expected_roots)
    return changed


def queue_phase(sites: int, *, detecting: bool) -> Phase:
    """Return the state of the queue."""
    if sites:
        return Phase.PARTIAL if detecting else Phase.READY
    return Phase.LOADING if detecting else Phase.EMPTY


def queue_text(sites: int, *, detecting: bool) -> str:
    """Return what to say in place of rows."""
    if sites:
        return ""
    if detecting:
        return "Looking for sites; the first appear in a few seconds."
    return "No sites yet. Start the detection."
