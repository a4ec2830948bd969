"""Three lanes for open sites, by the error that the person accepts.

A site is decided automatically only if its own chance of being decided wrongly is at most
the accepted error; the lane's mean error is then lower still. Every site's chance is
counted into one of few cells whose borders are the steps of the dial, so that a new verdict
costs the same whatever the number of sites, and the dial never has to look at them.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from proofreading.decisions import Answer, Decision
from proofreading.history import looked_at, told
from proofreading.intervals import Expected, Share, expected_count, share_of
from proofreading.sampling import Purpose, is_drawn

__all__ = [
    "DEFAULT_ERROR",
    "QUICK_LIMIT",
    "STEPS",
    "Audit",
    "AuditTally",
    "Lane",
    "LaneCounts",
    "Standing",
    "Tally",
    "Worth",
    "column_of",
    "lane_of",
    "lane_of_column",
    "step_below",
]

_DECADE = (1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0)
STEPS: tuple[float, ...] = tuple(
    round(factor * decade, 6)
    for decade in (0.001, 0.01, 0.1)
    for factor in _DECADE
    if factor * decade <= 0.2
)
"""Errors that can be accepted, 0.1 % to 20 %, about evenly on a logarithmic scale."""
DEFAULT_ERROR = 0.01
QUICK_LIMIT = 0.25
"""A quick look is enough where the judge is wrong at most this often."""

# What is computed as 1 - 0.99 must count as 0.01.
_SLACK = 1e-9
_BORDERS = tuple(border + _SLACK for border in (*STEPS, QUICK_LIMIT))
_ROW = len(_BORDERS) + 1
# The judge says yes, or no; each where it could decide, where it could not, and where the
# site is unusual.
_YES, _NO, _PERSON_YES, _PERSON_NO, _OTHER_YES, _OTHER_NO = _ROWS = range(6)
_UNIT = 10**9
"""Chances are summed as whole billionths: taking one out again leaves nothing behind."""


class Lane(StrEnum):
    """How much of a person's time a site needs."""

    AUTOMATIC = "automatic"
    QUICK = "quick"
    FULL = "full"


@dataclass(frozen=True)
class Standing:
    """What decides an open site's lane.

    Parameters
    ----------
    probability : float or None
        The calibrated chance of a yes; None while there is none.
    unusual : bool
        Whether the site is unlike what the judge was trained on.
    decidable : bool
        Whether a yes can be turned into an edit without a person.
    drawn : bool
        Whether the audit would look at it.
    """

    probability: float | None
    unusual: bool = False
    decidable: bool = True
    drawn: bool = False

    @property
    def risk(self) -> float | None:
        """The chance that the judge's answer is wrong."""
        return None if self.probability is None else min(self.probability, 1 - self.probability)


@dataclass(frozen=True)
class LaneCounts:
    """How many open sites fall in each lane at one accepted error.

    Parameters
    ----------
    error_rate : float
        The accepted error: the step of the dial at or below what was asked.
    accepted, rejected : int
        The automatic lane, by the judge's answer, sites of the audit included.
    audited : int
        How many of these a person looks at all the same.
    wrong, wrong_accepted : Expected
        How many of the automatic answers, and of the automatic yes, would be wrong if the
        calibration holds here.
    unjudged, unusual : int
        How many of the full reviews have no verdict, and how many are unlike the training.
    """

    error_rate: float
    accepted: int
    rejected: int
    audited: int
    quick: int
    full: int
    unjudged: int
    unusual: int
    wrong: Expected
    wrong_accepted: Expected

    @property
    def automatic(self) -> int:
        """Number of sites in the automatic lane."""
        return self.accepted + self.rejected

    @property
    def open(self) -> int:
        """Number of open sites."""
        return self.automatic + self.quick + self.full


@dataclass(frozen=True)
class Worth:
    """What looking at the likely sites alone would bring.

    Parameters
    ----------
    looks : int
        Sites to look at.
    found : float
        Errors expected among them.
    left : float
        Errors expected among the other judged sites.
    """

    looks: int
    found: float
    left: float


@dataclass(frozen=True)
class Audit:
    """What the person's look at the automatic lane has found so far."""

    error: Share

    @property
    def looked(self) -> int:
        """Number of sites looked at."""
        return self.error.count

    def exceeds(self, error_rate: float) -> bool:
        """Tell whether the lane is certainly (97.5 %) worse than what the person accepts."""
        return self.error.low > error_rate


def lane_of(standing: Standing, error_rate: float) -> Lane:
    """Return the lane of an open site at an accepted error."""
    risk = standing.risk
    if risk is None or standing.unusual or risk > QUICK_LIMIT + _SLACK:
        return Lane.FULL
    if standing.decidable and risk <= error_rate + _SLACK:
        return Lane.AUTOMATIC
    return Lane.QUICK


def step_below(error_rate: float) -> float:
    """Return the greatest step of the dial that accepts no more than this error."""
    place = bisect_left(_BORDERS, error_rate, hi=len(STEPS))
    within = place < len(STEPS) and error_rate + _SLACK >= STEPS[place]
    return STEPS[max(0, place if within else place - 1)]


class Tally:
    """Counts of open sites, from which the lanes at every step of the dial follow at once."""

    def __init__(self) -> None:
        self._sites = np.zeros(len(_ROWS) * _ROW, np.int64)
        self._risk = np.zeros(len(_ROWS) * _ROW, np.int64)
        self._drawn = np.zeros(len(_ROWS) * _ROW, np.int64)
        self.unjudged = 0

    def places(
        self,
        probabilities: NDArray[np.float64],
        unusual: NDArray[np.bool_],
        decidable: NDArray[np.bool_],
        drawn: NDArray[np.bool_],
    ) -> NDArray[np.int64]:
        """Return where sites count, each as one number for `add` and `remove`.

        The columns are those of `Standing`; NaN where there is no probability.
        """
        risk = np.minimum(probabilities, 1 - probabilities)
        rows = np.where(probabilities > 0.5, _YES, _NO)
        rows += np.where(unusual, _OTHER_YES, np.where(decidable, 0, _PERSON_YES))
        cells = rows * _ROW + np.searchsorted(_BORDERS, risk)
        known = ~np.isnan(probabilities)
        billionths = np.rint(np.where(known, risk, 0.0) * _UNIT).astype(np.int64)
        return np.where(known, (cells << 1 | drawn) << 30 | billionths, -1)

    def place(self, standing: Standing) -> int:
        """Return where one site counts."""
        chance = np.array([standing.probability], np.float64)
        flags = (standing.unusual, standing.decidable, standing.drawn)
        return int(self.places(chance, *(np.array([flag]) for flag in flags))[0])

    def are_audited(self, places: NDArray[np.int64], error_rate: float) -> NDArray[np.bool_]:
        """Tell which sites are in the automatic lane and drawn for the audit."""
        keys = places >> 30
        rows, columns = np.divmod(keys >> 1, _ROW)
        automatic = (rows <= _NO) & (columns <= STEPS.index(step_below(error_rate)))
        audited: NDArray[np.bool_] = (places >= 0) & automatic & (keys & 1 == 1)
        return audited

    def add(self, *places: int) -> None:
        """Count sites."""
        self.add_all(np.array(places, np.int64))

    def remove(self, *places: int) -> None:
        """Count sites no more: they were answered, or have other verdicts."""
        self.remove_all(np.array(places, np.int64))

    def add_all(self, places: NDArray[np.int64]) -> None:
        """Count many sites."""
        self._change(places, 1)

    def remove_all(self, places: NDArray[np.int64]) -> None:
        """Count many sites no more."""
        self._change(places, -1)

    @property
    def unusual_share(self) -> float:
        """Share of the judged open sites that are unlike the judge's training."""
        judged = int(self._sites.sum())
        return int(self._sites[_OTHER_YES * _ROW :].sum()) / judged if judged else 0.0

    def at(self, error_rate: float) -> LaneCounts:
        """Return the lanes at the step of the dial at or below an accepted error."""
        step = step_below(error_rate)
        end = STEPS.index(step) + 1
        yes, yes_risk, yes_drawn = self._sum(_YES, 0, end)
        no, no_risk, no_drawn = self._sum(_NO, 0, end)
        quick = sum(self._sum(row, end, _ROW - 1)[0] for row in (_YES, _NO))
        quick += sum(self._sum(row, 0, _ROW - 1)[0] for row in (_PERSON_YES, _PERSON_NO))
        unusual = sum(self._sum(row, 0, _ROW)[0] for row in (_OTHER_YES, _OTHER_NO))
        full = sum(int(self._sites[row * _ROW + _ROW - 1]) for row in range(_OTHER_YES))
        return LaneCounts(
            error_rate=step,
            accepted=yes,
            rejected=no,
            audited=yes_drawn + no_drawn,
            quick=quick,
            full=full + unusual + self.unjudged,
            unjudged=self.unjudged,
            unusual=unusual,
            wrong=expected_count((yes_risk + no_risk) / _UNIT, yes + no),
            wrong_accepted=expected_count(yes_risk / _UNIT, yes),
        )

    def worth(self, least: float) -> Worth:
        """Return what open sites promise whose chance of a yes is at least a step's.

        Raises
        ------
        ValueError
            If `least` is no step of the dial: only these are counted apart.
        """
        start = STEPS.index(least) + 1
        looks = found = left = 0
        for row in (_YES, _PERSON_YES, _OTHER_YES):
            sites, risk, _ = self._sum(row, 0, _ROW)
            looks, found = looks + sites, found + sites * _UNIT - risk
        for row in (_NO, _PERSON_NO, _OTHER_NO):
            sites, risk, _ = self._sum(row, start, _ROW)
            looks, found = looks + sites, found + risk
            left += self._sum(row, 0, start)[1]
        return Worth(looks, found / _UNIT, left / _UNIT)

    def _change(self, places: NDArray[np.int64], sign: int) -> None:
        judged = places[places >= 0]
        self.unjudged += sign * (places.size - judged.size)
        keys, risk = judged >> 30, judged & (1 << 30) - 1
        np.add.at(self._sites, keys >> 1, sign)
        np.add.at(self._risk, keys >> 1, sign * risk)
        np.add.at(self._drawn, keys >> 1, sign * (keys & 1))

    def _sum(self, row: int, start: int, end: int) -> tuple[int, int, int]:
        cells = slice(row * _ROW + start, row * _ROW + end)
        columns: tuple[NDArray[Any], ...] = (self._sites, self._risk, self._drawn)
        sites, risk, drawn = (int(column[cells].sum()) for column in columns)
        return sites, risk, drawn


class AuditTally:
    """The same, kept up to date, for every step of the dial at once.

    Parameters
    ----------
    seed, share
        Which sites the audit draws.
    """

    def __init__(self, seed: int, share: float) -> None:
        self._seed, self._share = seed, share
        self._looked = [0] * _ROW
        self._wrong = [0] * _ROW

    def add(self, decision: Decision) -> None:
        """Count a standing decision, if it is one of the audit."""
        self._change(decision, 1)

    def remove(self, decision: Decision) -> None:
        """Count it no more."""
        self._change(decision, -1)

    def at(self, error_rate: float) -> Audit:
        """Return what was found in the lane at the step of the dial at or below an error."""
        end = STEPS.index(step_below(error_rate)) + 1
        return Audit(share_of(sum(self._wrong[:end]), sum(self._looked[:end])))

    def _change(self, decision: Decision, sign: int) -> None:
        chance = decision.probability
        if chance is None or decision.verdict_visible or not looked_at(decision):
            return
        if told(decision) and is_drawn(Purpose.AUDIT, self._seed, decision.site_id, self._share):
            column = column_of(chance)
            self._looked[column] += sign
            self._wrong[column] += sign * ((decision.answer is Answer.ACCEPT) != (chance > 0.5))


def column_of(probability: float) -> int:
    """Return between which steps of the dial the judge's chance of being wrong lies."""
    return bisect_left(_BORDERS, min(probability, 1 - probability))


def lane_of_column(column: int | None, error_rate: float) -> Lane:
    """Return the lane of a usual, decidable site; a site without a verdict has no column."""
    if column is None or column == _ROW - 1:
        return Lane.FULL
    return Lane.AUTOMATIC if column <= STEPS.index(step_below(error_rate)) else Lane.QUICK
