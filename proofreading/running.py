"""What a session's answers add up to, kept up to date one event at a time.

Ten thousand answers are no more work than ten: an event changes the counts of the sites it
concerns, and the figures are read off the counts.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Self

import numpy as np

from proofreading.blind import BlindReport, BlindTally
from proofreading.confirmation import Blind, Confirmation, ConfirmationTally, blind_of
from proofreading.decisions import Answer, Decider, Decision
from proofreading.edits import EditState
from proofreading.history import History, is_work, looked_at, says_yes, told
from proofreading.intervals import share_of
from proofreading.ledger.events import Entry, SamplingChosen
from proofreading.sampling import SAMPLING
from proofreading.statistics import (
    SITTING_ENDS,
    CalibrationBin,
    SessionStatistics,
    Sittings,
    calibration_bins,
    lane_pace,
    pace_of,
)
from proofreading.triage import Audit, AuditTally, Lane, column_of, lane_of_column

__all__ = ["Running"]


class Running:
    """The figures of a session as its events come."""

    def __init__(self) -> None:
        self.history = History()
        self._standing: dict[str, Decision] = {}
        self._answers: Counter[Answer] = Counter()
        self._automatic = self._judged = self._alike = 0
        self._blind: list[tuple[float, bool]] = []
        self._confirmed = ConfirmationTally()
        self._report = BlindTally()
        self._audit = AuditTally(SAMPLING.seed, SAMPLING.audit)
        self._seconds: list[float] = []
        self._sorted_ms: list[int] = []
        self._all_ms = 0
        self._by_column: dict[int | None, list[float]] = {}
        self._began: list[datetime] = []
        self._in_sitting: list[int] = []
        self._last: datetime | None = None

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> Self:
        """Return the figures of a ledger's events."""
        made = cls()
        for entry in entries:
            made.take(entry)
        return made

    def take(self, entry: Entry) -> list[Decision]:
        """Take in one event; return the decision that it brought, if it did."""
        known = len(self.history.made)
        for site_id in self.history.take(entry):
            self._look_again(site_id)
        new = self.history.made[known:]
        for decision in new:
            if looked_at(decision):
                self._worked(decision)
        if isinstance(entry.event, SamplingChosen):
            self._audit = AuditTally(entry.event.seed, entry.event.audit)
            for decision in self._standing.values():
                self._audit.add(decision)
        return new

    @property
    def automatic(self) -> int:
        """Number of sites that were decided without a person."""
        return self._automatic

    @property
    def pace(self) -> tuple[float | None, float | None]:
        """Answers per hour of work, and the median seconds of one; None before the first."""
        count = len(self._sorted_ms)
        if not count:
            return None, None
        middle = self._sorted_ms[(count - 1) // 2] + self._sorted_ms[count // 2]
        return count / (self._all_ms / 3_600_000), middle / 2000

    @property
    def confirmation(self) -> Confirmation:
        """How far the person's decisions confirm the judge."""
        return self._confirmed.confirmation()

    def audit(self, error_rate: float) -> Audit:
        """Return what the audit of the automatic lane has found at an accepted error."""
        return self._audit.at(error_rate)

    def calibration(self) -> tuple[CalibrationBin, ...]:
        """Return the person's blind answers beside what the judge expected."""
        return calibration_bins([Blind(*one) for one in self._blind])

    def blind_report(self) -> BlindReport:
        """Return how well the person answers alone, and how far a judge moves them."""
        return self._report.report()

    def statistics(self, edits: Mapping[EditState, int], error_rate: float) -> SessionStatistics:
        """Return the figures of the session.

        Parameters
        ----------
        edits : mapping of EditState to int
            Number of edits in each state.
        error_rate : float
            The accepted error, by which past answers are sorted into lanes.
        """
        return SessionStatistics(
            pace=pace_of(np.array(self._seconds)),
            lanes=tuple(lane_pace(lane, self._of_lane(lane, error_rate)) for lane in Lane),
            answers={answer: self._answers[answer] for answer in Answer},
            automatic=self._automatic,
            taken_back=len(self.history.withdrawn),
            agreement=share_of(self._alike, self._judged),
            confirmation=self.confirmation,
            calibration=self.calibration(),
            edits=dict(edits),
            sittings=Sittings(tuple(self._began), tuple(self._in_sitting)),
            seconds=tuple(self._seconds),
        )

    def _look_again(self, site_id: str) -> None:
        """Count a site as its answers are now."""
        before = self._standing.pop(site_id, None)
        now = self.history.standing_at(site_id)
        if before is not now:
            if before is not None:
                self._count(before, -1)
            if now is not None:
                self._count(now, +1)
        if now is not None:
            self._standing[site_id] = now
        self._report.look_again(site_id, self.history)

    def _count(self, decision: Decision, sign: int) -> None:
        if decision.decider is Decider.PERSON:
            self._answers[decision.answer] += sign
            if told(decision) and decision.probability is not None:
                self._judged += sign
                yes = decision.answer is Answer.ACCEPT
                self._alike += sign * (yes == says_yes(decision.probability))
        else:
            self._automatic += sign
        (self._audit.add if sign > 0 else self._audit.remove)(decision)
        one = blind_of(decision)
        if one is not None:
            self._count_blind(one, sign)

    def _count_blind(self, one: Blind, sign: int) -> None:
        key = (one.probability, one.accepted)
        if sign > 0:
            insort(self._blind, key)
            self._confirmed.add(one)
        else:
            del self._blind[bisect_left(self._blind, key)]
            self._confirmed.remove(one)

    def _worked(self, decision: Decision) -> None:
        """Note when an answer was given and how long it took, whatever becomes of it."""
        at = decision.decided_at
        if self._last is None or at - self._last > SITTING_ENDS:
            self._began.append(at)
            self._in_sitting.append(0)
        self._in_sitting[-1] += 1
        self._last = at
        if is_work(decision):
            chance = decision.probability
            column = None if chance is None else column_of(chance)
            insort(self._sorted_ms, decision.elapsed_ms)
            self._all_ms += decision.elapsed_ms
            self._seconds.append(decision.elapsed_ms / 1000)
            self._by_column.setdefault(column, []).append(decision.elapsed_ms / 1000)

    def _of_lane(self, lane: Lane, error_rate: float) -> list[float]:
        columns = [c for c in self._by_column if lane_of_column(c, error_rate) is lane]
        return [second for column in columns for second in self._by_column[column]]
