"""The present state of a session, folded from its events.

`apply` is the whole meaning of an event. It has no clock, reads nothing, and accepts any
sequence, so that replaying a ledger always gives what the window had on its screen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from proofreading.decisions import Answer, Decider, Decision
from proofreading.edits import EditRecord, EditState, RowRecord
from proofreading.ledger.editbook import EditBook, UndoSent
from proofreading.ledger.events import (
    CursorMoved,
    DecisionMade,
    DecisionRestored,
    DecisionWithdrawn,
    Entry,
    GoldAdded,
    NoteAdded,
    RiskAccepted,
    SamplingChosen,
    SecondLookAsked,
    SiteSetAside,
    UnknownEvent,
)

__all__ = ["LedgerState", "apply"]

# A previewed edit was the next in line when the program ended: it stays the next.
_UNSENT = (EditState.PREVIEWED, EditState.QUEUED)
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
    risk: RiskAccepted | None = None
    sampling: SamplingChosen | None = None
    _decisions: dict[str, Decision] = field(default_factory=dict)
    _by_site: dict[str, dict[str, None]] = field(default_factory=dict)
    _undo: dict[str, None] = field(default_factory=dict)
    _redo: dict[str, None] = field(default_factory=dict)
    _active: set[str] = field(default_factory=set)
    _counts: Counter[Answer] = field(default_factory=Counter)
    _book: EditBook = field(default_factory=EditBook)
    _notes: dict[str, list[NoteAdded]] = field(default_factory=dict)
    _gold: dict[str, GoldAdded] = field(default_factory=dict)
    _followers: dict[str, list[str]] = field(default_factory=dict)
    _asked_twice: set[str] = field(default_factory=set)
    _aside: dict[str, str] = field(default_factory=dict)

    def decision(self, site_id: str) -> Decision | None:
        """Return the answer that stands for a site."""
        newest = next(reversed(self._by_site.get(site_id, {})), None)
        return None if newest is None else self._decisions[newest]

    def decisions(self) -> list[Decision]:
        """Return the standing decisions, one for each answered site, in order of the sites."""
        standing = (self.decision(site_id) for site_id in list(self._by_site))
        return [decision for decision in standing if decision is not None]

    def followers(self, decision_id: str) -> list[str]:
        """Return the sites that were answered by an answer given at another one."""
        return [self._decisions[d].site_id for d in self._followers.get(decision_id, ())]

    def stands(self, decision_id: str) -> bool:
        """Tell whether a decision is its site's answer now."""
        made = self._decisions.get(decision_id)
        return made is not None and self.decision(made.site_id) is made

    @property
    def decided(self) -> int:
        """Number of answered sites, those left out that follow the answer of another one."""
        return self._counts.total()

    @property
    def counts(self) -> Mapping[Answer, int]:
        """Number of answered sites by answer, as in `decided`; every answer is a key."""
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
        return self._book.get(edit_id)

    def edit_of(self, decision_id: str) -> EditRecord | None:
        """Return the edit that was derived from a decision."""
        return self._book.of_decision(decision_id)

    def edit_of_operation(self, operation_id: int) -> EditRecord | None:
        """Return the edit of this session that an operation of the server applied."""
        return self._book.of_operation(operation_id)

    def edits(self, *states: EditState) -> list[EditRecord]:
        """Return the edits in these states (all if none is given), oldest first within a state."""
        return self._book.select(*states)

    @property
    def edit_counts(self) -> Mapping[EditState, int]:
        """Number of edits in each state, those of withdrawn decisions included."""
        return self._book.counts()

    def pending_edits(self) -> list[EditRecord]:
        """Return the edits that wait to be sent and whose decision still stands."""
        return [r for r in self.edits(*_UNSENT) if self.stands(r.edit.decision_id)]

    def is_pending(self, record: EditRecord) -> bool:
        """Tell whether an edit waits to be sent and its decision still stands."""
        return record.state in _UNSENT and self.stands(record.edit.decision_id)

    def unanswered_edits(self) -> list[EditRecord]:
        """Return the edits that were sent and whose outcome only reading can tell."""
        return self.edits(*_UNANSWERED)

    def held_edits(self) -> list[EditRecord]:
        """Return the edits that wait for a second look and whose decision still stands."""
        conflicts = self.edits(EditState.CONFLICT)
        return [r for r in conflicts if r.held and self.stands(r.edit.decision_id)]

    def unfinished_undos(self) -> list[EditRecord]:
        """Return committed edits whose undo was sent and not answered."""
        found = (self.edit(edit_id) for edit_id in list(self._book.undoing))
        return [record for record in found if record is not None]

    def undo_sent(self, edit_id: str) -> UndoSent | None:
        """Return what is known of the undo of an edit that is not answered yet."""
        return self._book.undoing.get(edit_id)

    def row(self, key: str) -> RowRecord | None:
        """Return the row of an annotation table with this key, if one was ever intended."""
        return self._book.rows.get(key)

    def open_rows(self) -> list[RowRecord]:
        """Return the rows that were sent and whose outcome only reading can tell."""
        return [self._book.rows[key] for key in list(self._book.open_rows)]

    def notes(self, site_id: str) -> list[NoteAdded]:
        """Return what was written about a site, oldest first."""
        return list(self._notes.get(site_id, ()))

    def gold(self) -> dict[str, GoldAdded]:
        """Return the sites whose right answer is known, by site id."""
        return dict(self._gold)

    def was_asked_twice(self, site_id: str) -> bool:
        """Tell whether a person was asked at a site to give an answer once more."""
        return site_id in self._asked_twice

    def set_aside(self, site_id: str) -> str:
        """Return why an open site was passed over; empty if it was not."""
        return self._aside.get(site_id, "")

    def is_gold(self, site_id: str) -> bool:
        """Tell whether the right answer of a site is known."""
        return site_id in self._gold


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
    elif isinstance(event, RiskAccepted):
        state.risk = event
    elif isinstance(event, SamplingChosen):
        state.sampling = event
    elif isinstance(event, GoldAdded):
        state._gold[event.site_id] = event
    elif isinstance(event, SecondLookAsked):
        state._asked_twice.add(event.site_id)
    elif isinstance(event, SiteSetAside):
        state._aside[event.site_id] = event.reason
    elif isinstance(event, UnknownEvent):
        state.unknown_events += 1
    else:
        state._book.apply(entry)
    return state


def _made(state: LedgerState, decision: Decision) -> None:
    if decision.id in state._decisions:
        return
    state._decisions[decision.id] = decision
    if decision.decider is Decider.PERSON:
        state._redo.clear()
    if decision.follows is not None:
        state._followers.setdefault(decision.follows, []).append(decision.id)
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
    for follower in state._followers.get(decision_id, ()):
        _withdrawn(state, follower)


def _restored(state: LedgerState, decision_id: str) -> None:
    decision = state._decisions.get(decision_id)
    if decision is None or decision_id in state._active:
        return
    _remove(state._redo, decision_id)
    _stand(state, decision)
    for follower in state._followers.get(decision_id, ()):
        _restored(state, follower)


def _stand(state: LedgerState, decision: Decision) -> None:
    _recount(state, decision.site_id, -1)
    state._active.add(decision.id)
    state._by_site.setdefault(decision.site_id, {})[decision.id] = None
    _recount(state, decision.site_id, +1)
    if decision.decider is Decider.PERSON:
        state._undo[decision.id] = None


def _recount(state: LedgerState, site_id: str, change: int) -> None:
    standing = state.decision(site_id)
    if standing is not None and standing.follows is None:
        state._counts[standing.answer] += change


def _remove(ordered: dict[str, None], key: str) -> None:
    if key not in ordered:
        return
    if next(reversed(ordered)) == key:
        # Unlike `del`, popitem leaves no hole at the end that the next look would step over.
        ordered.popitem()
    else:
        del ordered[key]
