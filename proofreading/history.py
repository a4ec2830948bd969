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

__all__ = ["IDLE_MS", "History", "looked_at", "says_yes", "told"]

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
    _known: set[str] = field(default_factory=set)
    _by_site: dict[str, list[Decision]] = field(default_factory=dict)

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> Self:
        """Return the history of a ledger's events."""
        made = cls()
        for entry in entries:
            made.take(entry)
        return made

    def take(self, entry: Entry) -> None:
        """Take in one event."""
        event = entry.event
        self.last_number = entry.number
        if isinstance(event, DecisionMade):
            self._answered(event.decision)
        elif isinstance(event, DecisionWithdrawn):
            self.withdrawn.add(event.decision_id)
        elif isinstance(event, DecisionRestored):
            self.withdrawn.discard(event.decision_id)
        elif isinstance(event, SessionStarted):
            self.started.append(entry.at)
        elif isinstance(event, GoldAdded):
            self.gold[event.site_id] = event
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
        newest = (self._newest(answers) for answers in self._by_site.values())
        return [d for d in newest if d is not None and d.follows is None]

    def of_site(self, site_id: str) -> list[Decision]:
        """Return every answer to a site, in order, taken-back and automatic ones included."""
        return list(self._by_site.get(site_id, ()))

    def rows_of(self, edit_id: str) -> list[RowRecord]:
        """Return the rows of annotation tables that tell of an edit."""
        return [record for record in self.rows.values() if record.row.edit_id == edit_id]

    def of_sites(self) -> Iterable[tuple[str, list[Decision]]]:
        """Yield every site that a person answered with the person's answers, in order."""
        for site_id, answers in self._by_site.items():
            own = [decision for decision in answers if looked_at(decision)]
            if own:
                yield site_id, own

    def worked(self) -> list[Decision]:
        """Return the person's answers whose time is work and no pause."""
        return [d for d in self.by_person if 0 < d.elapsed_ms <= IDLE_MS]

    def _answered(self, decision: Decision) -> None:
        if decision.id in self._known:
            return
        self._known.add(decision.id)
        self.made.append(decision)
        self._by_site.setdefault(decision.site_id, []).append(decision)

    def _newest(self, answers: list[Decision]) -> Decision | None:
        return next((d for d in reversed(answers) if d.id not in self.withdrawn), None)


def looked_at(decision: Decision) -> bool:
    """Tell whether a person answered this site, and not only another one that it follows."""
    return decision.decider is Decider.PERSON and decision.follows is None


def told(decision: Decision) -> bool:
    """Tell whether a decision says yes or no, rather than that it says nothing."""
    return decision.answer in (Answer.ACCEPT, Answer.REJECT)


def says_yes(probability: float) -> bool:
    """Tell what a judge answers."""
    return probability > 0.5
