"""Whether the person's own decisions confirm a judge on this dataset.

A judge is trusted per dataset, never in general. Only decisions count that were made
without seeing the verdict: the others partly repeat it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from proofreading.decisions import Answer, Decision
from proofreading.history import looked_at

__all__ = [
    "BLIND_NEEDED",
    "TOLERANCE",
    "Blind",
    "Confirmation",
    "Lock",
    "LockReason",
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


def own_blind(decisions: Iterable[Decision]) -> list[Blind]:
    """Return the person's decisions that were made without seeing the verdict."""
    return [
        Blind(decision.probability, decision.answer is Answer.ACCEPT)
        for decision in decisions
        if looked_at(decision)
        and not decision.verdict_visible
        and decision.probability is not None
        and decision.answer in (Answer.ACCEPT, Answer.REJECT)
    ]


def confirmation_of(decisions: Iterable[Decision]) -> Confirmation:
    """Return how far blind decisions of the person confirm the judge's probabilities."""
    blind = own_blind(decisions)
    if not blind:
        return Confirmation(0, None, None)
    expected = math.fsum(one.probability for one in blind) / len(blind)
    observed = sum(one.accepted for one in blind) / len(blind)
    risks = [(min(one.probability, 1 - one.probability), one) for one in blind]
    sure = [(risk, one) for risk, one in risks if risk <= SURE]
    mistakes = sum(one.accepted != (one.probability > 0.5) for _, one in sure)
    surprise = _at_least(mistakes, [risk for risk, _ in sure])
    return Confirmation(len(blind), expected, observed, len(sure), mistakes, surprise)


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


def _at_least(count: int, chances: list[float]) -> float:
    """Return the chance of at least so many of independent events (Poisson binomial).

    Exact for few events; for many, which are asked about after every answer, as a normal
    distribution with continuity correction, where it is near enough to one.
    """
    if count == 0:
        return 1.0
    spread = math.fsum(chance * (1 - chance) for chance in chances)
    if len(chances) > _EXACT and spread > _NEARLY_NORMAL:
        return 0.5 * math.erfc((count - 0.5 - math.fsum(chances)) / math.sqrt(2 * spread))
    if count > math.fsum(chances) + 12 * math.sqrt(spread) + 12:
        return 0.0
    fewer = [1.0] + [0.0] * (count - 1)
    for chance in chances:
        for number in range(count - 1, 0, -1):
            fewer[number] += chance * (fewer[number - 1] - fewer[number])
        fewer[0] *= 1 - chance
    return min(1.0, max(0.0, 1.0 - math.fsum(fewer)))
