"""How a session goes: how fast, how well, with what outcome, and how long it will take."""

from __future__ import annotations

import random
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from proofreading.confirmation import Confirmation, confirmation_of, own_blind
from proofreading.decisions import Answer, Decider, Decision
from proofreading.edits import EditState
from proofreading.history import History, told
from proofreading.intervals import Share, share_of
from proofreading.triage import Lane, LaneCounts, Standing, Worth, lane_of

__all__ = [
    "BREAK_AFTER",
    "STOP_CHANCE",
    "Breaks",
    "CalibrationBin",
    "Forecast",
    "LanePace",
    "Pace",
    "SessionStatistics",
    "Sittings",
    "forecast",
    "session_statistics",
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


def session_statistics(
    history: History, edits: Mapping[EditState, int], error_rate: float
) -> SessionStatistics:
    """Return the figures of a session.

    Parameters
    ----------
    edits : mapping of EditState to int
        Number of edits in each state.
    error_rate : float
        The accepted error, by which past answers are sorted into lanes.
    """
    standing = history.standing
    own = [d for d in standing if d.decider is Decider.PERSON]
    counted = Counter(decision.answer for decision in own)
    judged = [d for d in own if told(d) and d.probability is not None]
    alike = sum((d.answer is Answer.ACCEPT) == ((d.probability or 0.0) > 0.5) for d in judged)
    worked = history.worked()
    return SessionStatistics(
        pace=pace_of(worked),
        lanes=tuple(_lane_pace(lane, worked, error_rate) for lane in Lane),
        answers={answer: counted[answer] for answer in Answer},
        automatic=len(standing) - len(own),
        taken_back=len(history.withdrawn),
        agreement=share_of(alike, len(judged)),
        confirmation=confirmation_of(standing),
        calibration=calibration_bins(standing),
        edits=dict(edits),
        sittings=sittings_of(history.by_person),
        seconds=tuple(d.elapsed_ms / 1000 for d in worked),
    )


def pace_of(worked: Sequence[Decision]) -> Pace:
    """Return how fast answers come whose time is work."""
    if not worked:
        return Pace(0, 0.0, None, None, None)
    seconds = sorted(decision.elapsed_ms / 1000 for decision in worked)
    hours = sum(seconds) / 3600
    slow = seconds[min(len(seconds) - 1, round(0.9 * len(seconds)))]
    median = statistics.median(seconds)
    return Pace(len(seconds), hours, len(seconds) / hours, median, slow)


def calibration_bins(decisions: Sequence[Decision]) -> tuple[CalibrationBin, ...]:
    """Return blind answers in groups of like probability and about equal number."""
    blind = sorted(own_blind(decisions), key=lambda one: one.probability)
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


def sittings_of(decisions: Sequence[Decision]) -> Sittings:
    """Return the sittings of answers in order; ten minutes without one end a sitting."""
    began: list[datetime] = []
    counts: list[int] = []
    last: datetime | None = None
    for decision in decisions:
        if last is None or decision.decided_at - last > SITTING_ENDS:
            began.append(decision.decided_at)
            counts.append(0)
        counts[-1] += 1
        last = decision.decided_at
    return Sittings(tuple(began), tuple(counts))


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


def _lane_pace(lane: Lane, worked: Sequence[Decision], error_rate: float) -> LanePace:
    seconds = [
        decision.elapsed_ms / 1000
        for decision in worked
        if lane_of(Standing(decision.probability), error_rate) is lane
    ]
    if not seconds:
        return LanePace(lane, 0, None, None)
    return LanePace(lane, len(seconds), statistics.fmean(seconds), statistics.median(seconds))


def _mean_seconds(seconds: Sequence[float]) -> tuple[float | None, float | None, float | None]:
    """Return the mean time of an answer and its bootstrap interval (95 %)."""
    if not seconds:
        return None, None, None
    mean = statistics.fmean(seconds)
    # The newest say most about what comes; a few hundred of them tell the mean well enough.
    recent = list(seconds[-BREAK_AFTER:])
    drawn = random.Random(0)
    means = sorted(
        statistics.fmean(drawn.choices(recent, k=len(recent))) for _ in range(_RESAMPLES)
    )
    low, high = means[round(0.025 * _RESAMPLES)], means[round(0.975 * _RESAMPLES) - 1]
    return mean, min(low, mean), max(high, mean)
