"""What a person answered, in order, taken-back answers included.

The ledger's state knows what stands; how well somebody works also shows in what they
changed. Follow a ledger with `take`, one event at a time.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Self

from proofreading.decisions import Answer, Decider, Decision
from proofreading.edits import RowRecord
from proofreading.ledger.events import (
    DecisionMade,
    DecisionRestored,
    DecisionWithdrawn,
    Entry,
    GoldAdded,
    RowIntended,
    RowSettled,
    SessionStarted,
)

__all__ = ["IDLE_MS", "History", "is_work", "looked_at", "says_yes", "told"]

IDLE_MS = 60_000
"""A longer time for one answer counts as a pause, not as work."""


@dataclass
class History:
    """Answers of a session in the order in which they were given."""

    last_number: int = 0
    started: list[datetime] = field(default_factory=list)
    made: list[Decision] = field(default_factory=list)
    withdrawn: set[str] = field(default_factory=set)
    gold: dict[str, GoldAdded] = field(default_factory=dict)
    rows: dict[str, RowRecord] = field(default_factory=dict)
    _known: dict[str, Decision] = field(default_factory=dict)
    _by_site: dict[str, list[Decision]] = field(default_factory=dict)
    _followers: dict[str, list[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> Self:
        """Return the history of a ledger's events."""
        made = cls()
        for entry in entries:
            made.take(entry)
        return made

    def take(self, entry: Entry) -> list[str]:
        """Take in one event; return the sites whose answers it concerns."""
        event = entry.event
        self.last_number = entry.number
        if isinstance(event, DecisionMade):
            self._answered(event.decision)
            return [event.decision.site_id]
        if isinstance(event, DecisionWithdrawn):
            self.withdrawn.add(event.decision_id)
            return self._concerned(event.decision_id)
        if isinstance(event, DecisionRestored):
            self.withdrawn.discard(event.decision_id)
            return self._concerned(event.decision_id)
        if isinstance(event, GoldAdded):
            self.gold[event.site_id] = event
            return [event.site_id]
        self._noted(entry)
        return []

    def _noted(self, entry: Entry) -> None:
        event = entry.event
        if isinstance(event, SessionStarted):
            self.started.append(entry.at)
        elif isinstance(event, RowIntended):
            self.rows[event.row.key] = RowRecord(event.row, entry.at)
        elif isinstance(event, RowSettled) and event.key in self.rows:
            self.rows[event.key] = replace(
                self.rows[event.key], settled=True, row_id=event.row_id, message=event.message
            )

    @property
    def by_person(self) -> list[Decision]:
        """Every answer that a person gave, in order; not those that follow from one."""
        return [decision for decision in self.made if looked_at(decision)]

    @property
    def standing(self) -> list[Decision]:
        """The answers that were not taken back or replaced: at most one for each site.

        Sites that follow the answer of another one are left out.
        """
        found = (self.standing_at(site_id) for site_id in self._by_site)
        return [decision for decision in found if decision is not None]

    def standing_at(self, site_id: str) -> Decision | None:
        """Return the answer that stands at a site, None if it follows that of another one."""
        newest = self._newest(self._by_site.get(site_id, []))
        return newest if newest is not None and newest.follows is None else None

    def of_site(self, site_id: str) -> list[Decision]:
        """Return every answer to a site, in order, taken-back and automatic ones included."""
        return list(self._by_site.get(site_id, ()))

    def rows_of(self, edit_id: str) -> list[RowRecord]:
        """Return the rows of annotation tables that tell of an edit."""
        return [record for record in self.rows.values() if record.row.edit_id == edit_id]

    def own_at(self, site_id: str) -> list[Decision]:
        """Return a person's answers to a site, in order."""
        return [decision for decision in self._by_site.get(site_id, ()) if looked_at(decision)]

    def sites(self) -> Iterable[str]:
        """Return every site that was ever answered."""
        return self._by_site.keys()

    def worked(self) -> list[Decision]:
        """Return the person's answers whose time is work and no pause."""
        return [decision for decision in self.by_person if is_work(decision)]

    def _answered(self, decision: Decision) -> None:
        if decision.id in self._known:
            return
        self._known[decision.id] = decision
        if decision.follows is not None:
            self._followers.setdefault(decision.follows, []).append(decision.site_id)
        self.made.append(decision)
        self._by_site.setdefault(decision.site_id, []).append(decision)

    def _newest(self, answers: list[Decision]) -> Decision | None:
        """Return the last answer that was not taken back, by itself or with its leader."""
        gone = self.withdrawn
        return next((d for d in reversed(answers) if gone.isdisjoint((d.id, d.follows))), None)

    def _concerned(self, decision_id: str) -> list[str]:
        decision = self._known.get(decision_id)
        if decision is None:
            return []
        return [decision.site_id, *self._followers.get(decision_id, ())]


def is_work(decision: Decision) -> bool:
    """Tell whether the time of an answer is work: it was measured and is no pause."""
    return 0 < decision.elapsed_ms <= IDLE_MS


def looked_at(decision: Decision) -> bool:
    """Tell whether a person answered this site, and not only another one that it follows."""
    return decision.decider is Decider.PERSON and decision.follows is None


def told(decision: Decision) -> bool:
    """Tell whether a decision says yes or no, rather than that it says nothing."""
    return decision.answer in (Answer.ACCEPT, Answer.REJECT)


def says_yes(probability: float) -> bool:
    """Tell what a judge answers."""
    return probability > 0.5
