"""The present state of a session, folded from its events.

`apply` is the whole meaning of an event. It has no clock, reads nothing, and accepts any
sequence, so that replaying a ledger always gives what the window had on its screen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from proofreading.decisions import Answer, Decider, Decision
from proofreading.edits import EditRecord, EditState, MergeEdit, SplitEdit
from proofreading.ledger.events import (
    CursorMoved,
    DecisionMade,
    DecisionRestored,
    DecisionWithdrawn,
    EditChanged,
    EditQueued,
    Entry,
    NoteAdded,
    UndoSubmitted,
    UnknownEvent,
)

__all__ = ["LedgerState", "apply"]

_UNSENT = (EditState.QUEUED, EditState.PREVIEWED)
_UNANSWERED = (EditState.SUBMITTED, EditState.UNKNOWN)


@dataclass
class LedgerState:
    """Decisions, edits, notes and place of a session now.

    The methods take constant time or time in proportion to what they return, and return
    copies. Only `apply` changes a state.
    """

    last_number: int = 0
    cursor: str | None = None
    unknown_events: int = 0
    _decisions: dict[str, Decision] = field(default_factory=dict)
    _by_site: dict[str, dict[str, None]] = field(default_factory=dict)
    _undo: dict[str, None] = field(default_factory=dict)
    _redo: dict[str, None] = field(default_factory=dict)
    _active: set[str] = field(default_factory=set)
    _counts: Counter[Answer] = field(default_factory=Counter)
    _edits: dict[str, EditRecord] = field(default_factory=dict)
    _edit_of: dict[str, str] = field(default_factory=dict)
    _by_state: dict[EditState, dict[str, None]] = field(default_factory=dict)
    _undoing: dict[str, datetime] = field(default_factory=dict)
    _notes: dict[str, list[NoteAdded]] = field(default_factory=dict)

    def decision(self, site_id: str) -> Decision | None:
        """Return the answer that stands for a site."""
        newest = next(reversed(self._by_site.get(site_id, {})), None)
        return None if newest is None else self._decisions[newest]

    def decisions(self) -> list[Decision]:
        """Return the standing decisions, one for each answered site, in order of the sites."""
        standing = (self.decision(site_id) for site_id in list(self._by_site))
        return [decision for decision in standing if decision is not None]

    def stands(self, decision_id: str) -> bool:
        """Tell whether a decision is its site's answer now."""
        made = self._decisions.get(decision_id)
        return made is not None and self.decision(made.site_id) is made

    @property
    def decided(self) -> int:
        """Number of answered sites."""
        return len(self._by_site)

    @property
    def counts(self) -> Mapping[Answer, int]:
        """Number of answered sites by answer; every answer is a key."""
        return {answer: self._counts[answer] for answer in Answer}

    def last_undoable(self) -> Decision | None:
        """Return the person's newest standing answer (automatic ones are not undone by a key)."""
        newest = next(reversed(self._undo), None)
        return None if newest is None else self._decisions[newest]

    def last_redoable(self) -> Decision | None:
        """Return the answer that was withdrawn last and may be given again."""
        newest = next(reversed(self._redo), None)
        return None if newest is None else self._decisions[newest]

    def edit(self, edit_id: str) -> EditRecord | None:
        """Return an edit with its state."""
        return self._edits.get(edit_id)

    def edit_of(self, decision_id: str) -> EditRecord | None:
        """Return the edit that was derived from a decision."""
        edit_id = self._edit_of.get(decision_id)
        return None if edit_id is None else self._edits[edit_id]

    def edits(self, *states: EditState) -> list[EditRecord]:
        """Return the edits in these states (all if none is given), oldest first within a state."""
        if not states:
            return list(self._edits.values())
        return [self._edits[i] for state in states for i in list(self._by_state.get(state, ()))]

    @property
    def edit_counts(self) -> Mapping[EditState, int]:
        """Number of edits in each state, those of withdrawn decisions included."""
        return {state: len(self._by_state.get(state, ())) for state in EditState}

    def pending_edits(self) -> list[EditRecord]:
        """Return the edits that wait to be sent and whose decision still stands."""
        return [r for r in self.edits(*_UNSENT) if self.stands(r.edit.decision_id)]

    def is_pending(self, record: EditRecord) -> bool:
        """Tell whether an edit waits to be sent and its decision still stands."""
        return record.state in _UNSENT and self.stands(record.edit.decision_id)

    def unanswered_edits(self) -> list[EditRecord]:
        """Return the edits that were sent and whose outcome only reading can tell."""
        return self.edits(*_UNANSWERED)

    def orphaned_edits(self) -> list[EditRecord]:
        """Return applied edits whose decision was withdrawn or replaced: they may be undone."""
        return [r for r in self.edits(EditState.COMMITTED) if not self.stands(r.edit.decision_id)]

    def unfinished_undos(self) -> list[EditRecord]:
        """Return committed edits whose undo was sent and not answered."""
        return [self._edits[edit_id] for edit_id in list(self._undoing)]

    def undo_sent_at(self, edit_id: str) -> datetime | None:
        """Return when the undo of an edit was sent that is not answered yet."""
        return self._undoing.get(edit_id)

    def notes(self, site_id: str) -> list[NoteAdded]:
        """Return what was written about a site, oldest first."""
        return list(self._notes.get(site_id, ()))


def apply(state: LedgerState, entry: Entry) -> LedgerState:
    """Return the state after one more event. The given state is used up."""
    event = entry.event
    state.last_number = entry.number
    if isinstance(event, CursorMoved):
        state.cursor = event.site_id
    elif isinstance(event, DecisionMade):
        _made(state, event.decision)
    elif isinstance(event, DecisionWithdrawn):
        _withdrawn(state, event.decision_id)
    elif isinstance(event, DecisionRestored):
        _restored(state, event.decision_id)
    elif isinstance(event, NoteAdded):
        state._notes.setdefault(event.site_id, []).append(event)
    elif isinstance(event, UnknownEvent):
        state.unknown_events += 1
    else:
        _apply_to_edit(state, entry)
    return state


def _made(state: LedgerState, decision: Decision) -> None:
    if decision.id in state._decisions:
        return
    state._decisions[decision.id] = decision
    if decision.decider is Decider.PERSON:
        state._redo.clear()
    _stand(state, decision)


def _withdrawn(state: LedgerState, decision_id: str) -> None:
    if decision_id not in state._active:
        return
    decision = state._decisions[decision_id]
    _recount(state, decision.site_id, -1)
    state._active.discard(decision_id)
    of_site = state._by_site[decision.site_id]
    _remove(of_site, decision_id)
    if not of_site:
        del state._by_site[decision.site_id]
    _recount(state, decision.site_id, +1)
    _remove(state._undo, decision_id)
    if decision.decider is Decider.PERSON:
        state._redo[decision_id] = None


def _restored(state: LedgerState, decision_id: str) -> None:
    decision = state._decisions.get(decision_id)
    if decision is None or decision_id in state._active:
        return
    _remove(state._redo, decision_id)
    _stand(state, decision)


def _stand(state: LedgerState, decision: Decision) -> None:
    _recount(state, decision.site_id, -1)
    state._active.add(decision.id)
    state._by_site.setdefault(decision.site_id, {})[decision.id] = None
    _recount(state, decision.site_id, +1)
    if decision.decider is Decider.PERSON:
        state._undo[decision.id] = None


def _recount(state: LedgerState, site_id: str, change: int) -> None:
    standing = state.decision(site_id)
    if standing is not None:
        state._counts[standing.answer] += change


def _remove(ordered: dict[str, None], key: str) -> None:
    if key not in ordered:
        return
    if next(reversed(ordered)) == key:
        # Unlike `del`, popitem leaves no hole at the end that the next look would step over.
        ordered.popitem()
    else:
        del ordered[key]


def _apply_to_edit(state: LedgerState, entry: Entry) -> None:
    event = entry.event
    if isinstance(event, EditQueued) and event.edit.id not in state._edits:
        record = EditRecord(event.edit, EditState.QUEUED, entry.at)
        state._edit_of[event.edit.decision_id] = event.edit.id
        _keep(state, record)
    elif isinstance(event, EditChanged) and event.edit_id in state._edits:
        state._undoing.pop(event.edit_id, None)
        _keep(state, _changed(state._edits[event.edit_id], event, entry))
    elif isinstance(event, UndoSubmitted) and event.edit_id in state._edits:
        state._undoing[event.edit_id] = entry.at


def _changed(record: EditRecord, event: EditChanged, entry: Entry) -> EditRecord:
    return EditRecord(
        edit=_expecting(record.edit, event.expected_roots),
        state=event.state,
        changed_at=entry.at,
        operation_id=record.operation_id if event.operation_id is None else event.operation_id,
        new_roots=event.new_roots or record.new_roots,
        message=event.message,
    )


def _expecting(edit: MergeEdit | SplitEdit, roots: tuple[int, ...]) -> MergeEdit | SplitEdit:
    if isinstance(edit, MergeEdit) and len(roots) == 2:
        return replace(edit, expected_roots=(roots[0], roots[1]))
    if isinstance(edit, SplitEdit) and len(roots) == 1:
        return replace(edit, expected_root=roots[0])
    return edit


def _keep(state: LedgerState, record: EditRecord) -> None:
    before = state._edits.get(record.edit.id)
    if before is not None:
        _remove(state._by_state[before.state], record.edit.id)
    state._edits[record.edit.id] = record
    state._by_state.setdefault(record.state, {})[record.edit.id] = None
