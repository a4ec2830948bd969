"""Whether the person's own decisions confirm a judge on this dataset.

A judge is trusted per dataset, never in general. Only decisions count that were made
without seeing the verdict: the others partly repeat it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from proofreading.decisions import Answer, Decision
from proofreading.history import looked_at, told

__all__ = [
    "BLIND_NEEDED",
    "TOLERANCE",
    "Blind",
    "Confirmation",
    "ConfirmationTally",
    "Lock",
    "LockReason",
    "blind_of",
    "confirmation_of",
    "lock_of",
    "own_blind",
]

BLIND_NEEDED = 100
"""Blind decisions of the person that must confirm the calibration."""
TOLERANCE = 0.05
"""Largest gap between what the judge expected and what the person answered."""
SURE = 0.25
"""The judge counts as sure where its chance of being wrong is at most this."""
UNLIKELY = 0.05
"""So many mistakes of the sure judge are a contradiction if chance makes them this rarely."""
_EXACT = 200
"""Events up to which the chance of so many is worked out exactly."""
_NEARLY_NORMAL = 9.0
_UNIT = 10**12
UNUSUAL_LIMIT = 0.25
"""Share of sites unlike the judge's training, 5 % of them by definition, that locks again."""


class LockReason(StrEnum):
    """Why the automatic lane is locked."""

    MISSING = "missing"
    """Too few blind decisions."""
    GAP = "gap"
    """The person accepts more or fewer than the judge expects."""
    MISTAKES = "mistakes"
    """The judge is wrong more often than it says where it is sure."""
    UNUSUAL = "unusual"
    """Too many sites are unlike what the judge was trained on."""


@dataclass(frozen=True)
class Lock:
    """Why the automatic lane is locked, and how many blind decisions are missing."""

    reason: LockReason
    missing: int
    text: str


@dataclass(frozen=True)
class Blind:
    """A blind decision: what the judge expected, and what the person answered."""

    probability: float
    accepted: bool


@dataclass(frozen=True)
class Confirmation:
    """How far the person's own decisions confirm the calibration on this dataset.

    Parameters
    ----------
    blind : int
        Decisions made with the verdict hidden.
    expected, observed : float or None
        Over these, the mean probability and the share of accepted sites.
    sure, mistakes : int
        Decisions where the judge was sure, and how many of them went against it.
    surprise : float
        Chance of at least so many mistakes if the judge's probabilities were right.
    """

    blind: int
    expected: float | None
    observed: float | None
    sure: int = 0
    mistakes: int = 0
    surprise: float = 1.0

    @property
    def unlocked(self) -> bool:
        """Whether the automatic lane may be used, as far as decisions tell."""
        return lock_of(self) is None


def blind_of(decision: Decision) -> Blind | None:
    """Return a decision as one that was made without seeing the verdict; None if it was not."""
    if not looked_at(decision) or decision.verdict_visible or not told(decision):
        return None
    if decision.probability is None:
        return None
    return Blind(decision.probability, decision.answer is Answer.ACCEPT)


def own_blind(decisions: Iterable[Decision]) -> list[Blind]:
    """Return the person's decisions that were made without seeing the verdict."""
    return [one for one in map(blind_of, decisions) if one is not None]


def confirmation_of(decisions: Iterable[Decision]) -> Confirmation:
    """Return how far blind decisions of the person confirm the judge's probabilities."""
    tally = ConfirmationTally()
    for one in own_blind(decisions):
        tally.add(one)
    return tally.confirmation()


class ConfirmationTally:
    """The same, kept up to date: one decision more or less costs as much whatever their number."""

    def __init__(self) -> None:
        # Whole numbers: taking a decision out again leaves nothing behind.
        self._count = self._accepted = self._expected = 0
        self._sure = self._mistakes = self._risk = self._spread = 0
        # The chance of each number of mistakes of the sure judge, as far as it is ever asked.
        self._chances = np.zeros(_EXACT + 1)
        self._chances[0] = 1.0

    def add(self, one: Blind) -> None:
        """Count a decision."""
        self._change(one, 1)

    def remove(self, one: Blind) -> None:
        """Count a decision no more."""
        self._change(one, -1)

    def confirmation(self) -> Confirmation:
        """Return what the decisions say."""
        count = self._count
        if not count:
            return Confirmation(0, None, None)
        return Confirmation(
            blind=count,
            expected=self._expected / (_UNIT * count),
            observed=self._accepted / count,
            sure=self._sure,
            mistakes=self._mistakes,
            surprise=self._at_least(self._mistakes),
        )

    def _change(self, one: Blind, sign: int) -> None:
        self._count += sign
        self._accepted += sign * one.accepted
        self._expected += sign * round(_UNIT * one.probability)
        risk = min(one.probability, 1 - one.probability)
        if risk > SURE:
            return
        self._sure += sign
        self._mistakes += sign * (one.accepted != (one.probability > 0.5))
        self._risk += sign * round(_UNIT * risk)
        self._spread += sign * round(_UNIT * risk * (1 - risk))
        if sign > 0:
            self._chances[1:] += risk * (self._chances[:-1] - self._chances[1:])
            self._chances[0] *= 1 - risk
        else:
            self._without(risk)

    def _without(self, risk: float) -> None:
        """Undo the counting of one event; errors shrink from each number to the next."""
        before, chances = 0.0, self._chances.tolist()
        for number, chance in enumerate(chances):
            before = (chance - risk * before) / (1 - risk)
            self._chances[number] = before

    def _at_least(self, count: int) -> float:
        """Return the chance of at least so many mistakes (Poisson binomial).

        Exact for few events; for many as a normal distribution with continuity correction,
        where it is near enough to one.
        """
        if count == 0:
            return 1.0
        mean, spread = self._risk / _UNIT, self._spread / _UNIT
        if self._sure > _EXACT and spread > _NEARLY_NORMAL:
            return 0.5 * math.erfc((count - 0.5 - mean) / math.sqrt(2 * spread))
        if count > mean + 12 * math.sqrt(spread) + 12:
            return 0.0
        return min(1.0, max(0.0, 1.0 - float(self._chances[:count].sum())))


def lock_of(confirmed: Confirmation, unusual: float = 0.0) -> Lock | None:
    """Return why the automatic lane is locked; None where it may be used.

    Parameters
    ----------
    unusual : float
        Share of the judged sites that are unlike the judge's training.
    """
    missing = BLIND_NEEDED - confirmed.blind
    if missing > 0 or confirmed.expected is None or confirmed.observed is None:
        text = f"It opens after {BLIND_NEEDED} answers of yours to sites with a hidden verdict."
        return Lock(LockReason.MISSING, missing, text)
    expected, observed = confirmed.expected, confirmed.observed
    if abs(expected - observed) > TOLERANCE:
        text = f"The judge expects {_percent(expected)} yes, you answered {_percent(observed)}."
        return Lock(LockReason.GAP, 0, text)
    if confirmed.surprise < UNLIKELY:
        text = (
            f"Where the judge is sure, you answered otherwise {confirmed.mistakes} "
            f"of {confirmed.sure} times: more often than it says."
        )
        return Lock(LockReason.MISTAKES, 0, text)
    if unusual > UNUSUAL_LIMIT:
        text = f"{_percent(unusual)} of the sites are unlike what the judge was trained on."
        return Lock(LockReason.UNUSUAL, 0, text)
    return None


def _percent(share: float) -> str:
    return f"{share * 100:.0f} %"
