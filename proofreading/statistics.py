"""How a session goes: how fast, how well, with what outcome, and how long it will take."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from proofreading.confirmation import Blind, Confirmation
from proofreading.decisions import Answer
from proofreading.edits import EditState
from proofreading.intervals import Share, share_of
from proofreading.triage import Lane, LaneCounts, Worth

__all__ = [
    "BREAK_AFTER",
    "SITTING_ENDS",
    "STOP_CHANCE",
    "Breaks",
    "CalibrationBin",
    "Forecast",
    "LanePace",
    "Pace",
    "SessionStatistics",
    "Sittings",
    "calibration_bins",
    "forecast",
    "lane_pace",
    "pace_of",
]

BREAK_AFTER = 300
"""Performance falls after about so many decisions (Haehn et al. 2017, arXiv:1704.00848)."""
SITTING_ENDS = timedelta(minutes=10)
"""After so long without an answer, the next one begins another sitting."""
STOP_CHANCE = 0.05
"""The stop rule: sites less likely than this to be an error are not looked at."""
_BINS = 8
_FEWEST_IN_BIN = 5
_RESAMPLES = 400


@dataclass(frozen=True)
class Pace:
    """How fast the person works; pauses of over a minute count as such and not as work.

    Parameters
    ----------
    answers : int
        Answers whose time was measured and was no pause.
    worked_hours : float
        Their time together.
    """

    answers: int
    worked_hours: float
    per_hour: float | None
    median_s: float | None
    slow_s: float | None
    """Nine of ten answers take less."""


@dataclass(frozen=True)
class LanePace:
    """The seconds that answers of one lane take."""

    lane: Lane
    answers: int
    mean_s: float | None
    median_s: float | None


@dataclass(frozen=True)
class CalibrationBin:
    """Blind answers of like probability: what was expected and what was answered."""

    expected: float
    observed: Share


@dataclass(frozen=True)
class Forecast:
    """What is left, at the person's own pace.

    Parameters
    ----------
    hours, hours_low, hours_high : float or None
        To look at every open site that needs a person; the interval is that of the mean
        time of an answer. None before anything was answered.
    stop_looks, stop_hours : int, float or None
        To look only at sites at least 5 % likely to be an error.
    errors_open, errors_left : float
        Errors expected among the judged open sites, and among those the stop rule leaves.
    machine_hours : float or None
        For the judge to look at what has no verdict yet.
    """

    sites: int
    hours: float | None
    hours_low: float | None
    hours_high: float | None
    stop_looks: int
    stop_hours: float | None
    errors_open: float
    errors_left: float
    machine_hours: float | None


@dataclass(frozen=True)
class Sittings:
    """How the answers fall into sittings: when each began, and how many answers it has."""

    began: tuple[datetime, ...]
    answers: tuple[int, ...]


@dataclass(frozen=True)
class SessionStatistics:
    """Everything that the dashboard and the report show of what was done."""

    pace: Pace
    lanes: tuple[LanePace, ...]
    answers: Mapping[Answer, int]
    automatic: int
    taken_back: int
    agreement: Share
    confirmation: Confirmation
    calibration: tuple[CalibrationBin, ...]
    edits: Mapping[EditState, int]
    sittings: Sittings
    seconds: tuple[float, ...]
    """The time of every measured answer, in order; pauses are left out."""


class Breaks:
    """Says once in each sitting that a break would do good."""

    def __init__(self, after: int = BREAK_AFTER) -> None:
        self._after = after
        self._count = 0
        self._last: datetime | None = None

    def take(self, decided_at: datetime) -> bool:
        """Count an answer, and tell whether this is the moment to suggest a break."""
        if self._last is not None and decided_at - self._last > SITTING_ENDS:
            self._count = 0
        self._last = decided_at
        self._count += 1
        return self._count == self._after


def pace_of(seconds: NDArray[np.float64]) -> Pace:
    """Return how fast answers come, by the seconds that they took."""
    if not len(seconds):
        return Pace(0, 0.0, None, None, None)
    hours = float(seconds.sum()) / 3600
    place = min(len(seconds) - 1, round(0.9 * len(seconds)))
    slow = float(np.partition(seconds, place)[place])
    return Pace(len(seconds), hours, len(seconds) / hours, float(np.median(seconds)), slow)


def lane_pace(lane: Lane, seconds: Sequence[float]) -> LanePace:
    """Return how fast answers of one lane come."""
    if not seconds:
        return LanePace(lane, 0, None, None)
    taken = np.array(seconds)
    return LanePace(lane, len(seconds), float(taken.mean()), float(np.median(taken)))


def calibration_bins(blind: Sequence[Blind]) -> tuple[CalibrationBin, ...]:
    """Return blind answers, sorted by probability, in groups of about equal number."""
    groups = max(1, min(_BINS, len(blind) // _FEWEST_IN_BIN))
    borders = [round(len(blind) * i / groups) for i in range(groups + 1)]
    found = []
    for start, end in pairwise(borders):
        group = blind[start:end]
        if group:
            expected = sum(one.probability for one in group) / len(group)
            observed = share_of(sum(one.accepted for one in group), len(group))
            found.append(CalibrationBin(expected, observed))
    return tuple(found)


def forecast(
    made: SessionStatistics,
    lanes: LaneCounts,
    worth: Worth,
    *,
    locked: bool,
    judge_ms: float | None,
) -> Forecast:
    """Return what is left to do.

    Parameters
    ----------
    worth : Worth
        What sites at least as likely as `STOP_CHANCE` promise.
    locked : bool
        Whether the automatic lane needs a person too.
    judge_ms : float or None
        The judge's time for one site.
    """
    alone = 0 if locked else lanes.automatic - lanes.audited
    sites = lanes.open - alone
    mean_s, low, high = _mean_seconds(made.seconds)
    scale = {Lane.QUICK: lanes.open - lanes.full - alone, Lane.FULL: lanes.full}
    known = {pace.lane: pace.mean_s for pace in made.lanes if pace.answers >= _FEWEST_IN_BIN}
    hours = hours_low = hours_high = stop_hours = None
    if mean_s is not None and low is not None and high is not None:
        seconds = sum(count * (known.get(lane) or mean_s) for lane, count in scale.items())
        hours = seconds / 3600
        hours_low, hours_high = hours * low / mean_s, hours * high / mean_s
        stop_hours = worth.looks * mean_s / 3600
    return Forecast(
        sites=sites,
        hours=hours,
        hours_low=hours_low,
        hours_high=hours_high,
        stop_looks=worth.looks,
        stop_hours=stop_hours,
        errors_open=worth.found + worth.left,
        errors_left=worth.left,
        machine_hours=None if judge_ms is None else lanes.unjudged * judge_ms / 3_600_000,
    )


def _mean_seconds(seconds: Sequence[float]) -> tuple[float | None, float | None, float | None]:
    """Return the mean time of an answer and its bootstrap interval (95 %)."""
    if not seconds:
        return None, None, None
    # The newest say most about what comes; a few hundred of them tell the mean well enough.
    recent = np.array(seconds[-BREAK_AFTER:])
    drawn = np.random.default_rng(0).integers(len(recent), size=(_RESAMPLES, len(recent)))
    means = np.sort(recent[drawn].mean(axis=1))
    mean = math.fsum(seconds) / len(seconds)
    low, high = means[round(0.025 * _RESAMPLES)], means[round(0.975 * _RESAMPLES) - 1]
    return mean, min(float(low), mean), max(float(high), mean)
