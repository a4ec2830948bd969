"""Which answers need no person: thresholds whose errors are bounded, and their audit.

A threshold is chosen on calibration answers so that an upper confidence bound of the error
beyond it, and not the error seen there, stays at the target: exact binomial bounds
(Clopper and Pearson 1934) at a list of thresholds that is fixed beforehand, tried from the
strictest on until the first fails. Tested in a fixed sequence, all of them together keep the
confidence of one (Angelopoulos et al. 2021, "Learn then Test", section 2). The strictest
holds as many answers as prove the target with three of them wrong, where there are that
many: with fewer, one odd answer among the surest would end the sequence at once.

Answers about one body are not independent. With groups, the bound counts as many answers
as are worth that many independent ones (Korn and Graubard 1998, "Confidence Intervals for
Proportions with Small Expected Number of Positive Counts Estimated from Survey Data"). The
promise holds where new answers are like the calibration answers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta, norm, t

from connectome.errors import InputError
from inference.evaluation.bootstrap import Figure

__all__ = [
    "Audit",
    "Lane",
    "LaneAudit",
    "Lanes",
    "audit",
    "error_bound",
    "grouped_bound",
    "lanes",
]

Probabilities = NDArray[np.float64]
Truth = NDArray[np.bool_]
Groups = NDArray[Any]

_TRIED = 8
"""Thresholds tried for a lane, at most."""
_ROOM = 3
"""Wrong answers that the strictest threshold can bear."""
_SPARE = 1.15
"""So many times more answers than independent ones prove the target with."""


@dataclass(frozen=True)
class Lane:
    """One side of the automatic lane, as it was on the calibration answers.

    Parameters
    ----------
    threshold : float or None
        Accept at or above it, or reject at or below it; None where no threshold keeps
        the target.
    count, errors : int
        Calibration answers beyond it, and how many were wrong.
    bound : float
        Upper confidence bound of the error; 1 without a threshold.
    """

    threshold: float | None
    count: int
    errors: int
    bound: float


@dataclass(frozen=True)
class Lanes:
    """Thresholds between which a person decides.

    Parameters
    ----------
    expected_error : float
        What the probabilities themselves promise for the automatic lane.
    coverage : float
        Share of the calibration answers in the automatic lane.
    """

    target_error: float
    confidence: float
    accept: Lane
    reject: Lane
    expected_error: float
    coverage: float

    @property
    def accept_above(self) -> float | None:
        """Accept at or above this; None if nothing may be accepted unseen."""
        return self.accept.threshold

    @property
    def reject_below(self) -> float | None:
        """Reject at or below this; None if nothing may be rejected unseen."""
        return self.reject.threshold

    def accepts(self, probability: Probabilities) -> NDArray[np.bool_]:
        """Tell which answers (n,) are accepted."""
        border = np.inf if self.accept_above is None else self.accept_above
        return np.asarray(probability >= border)

    def rejects(self, probability: Probabilities) -> NDArray[np.bool_]:
        """Tell which answers (n,) are rejected."""
        border = -np.inf if self.reject_below is None else self.reject_below
        return np.asarray(probability <= border)


@dataclass(frozen=True)
class LaneAudit:
    """What was found in a lane: `error` has its exact 95 % interval, None in an empty lane."""

    count: int
    errors: int
    error: Figure | None
    coverage: float


@dataclass(frozen=True)
class Audit:
    """What was found on answers that had no part in choosing the thresholds."""

    accepted: LaneAudit
    rejected: LaneAudit
    automatic: LaneAudit


def lanes(
    probability: Probabilities,
    truth: Truth,
    target_error: float,
    *,
    groups: Groups | None = None,
    confidence: float = 0.95,
) -> Lanes:
    """Choose both thresholds on calibration answers.

    Parameters
    ----------
    probability : ndarray, shape (n,)
        Calibrated probabilities of answers on which the judge was not trained.
    truth : ndarray of bool, shape (n,)
        Whether each is a yes.
    target_error : float
        Largest share of wrong answers in either lane.
    groups : ndarray, shape (n,), optional
        What answers have in common, such as a true body; independent if None.
    confidence : float
        Of each lane's bound.

    Raises
    ------
    InputError
        If the target or the confidence is not between 0 and 1.
    """
    if not (0 < target_error < 1 and 0 < confidence < 1):
        raise InputError(
            f"An error of {target_error:g} at a confidence of {confidence:g} means nothing.",
            "Both lie between 0 and 1.",
        )
    of = np.arange(len(truth)) if groups is None else np.unique(groups, return_inverse=True)[1]
    accept = _lane(probability, ~truth, of, target_error, 1 - confidence)
    reject = _lane(-probability, truth, of, target_error, 1 - confidence)
    if reject.threshold is not None and accept.threshold is not None:
        # Both bounds hold, but an answer can be in one lane only.
        overlap = -reject.threshold >= accept.threshold
        reject = Lane(None, 0, 0, 1.0) if overlap else reject
    reject = Lane(
        None if reject.threshold is None else -reject.threshold,
        reject.count,
        reject.errors,
        reject.bound,
    )
    made = Lanes(target_error, confidence, accept, reject, 0.0, 0.0)
    yes, no = made.accepts(probability), made.rejects(probability)
    risk = np.concatenate([1 - probability[yes], probability[no]])
    expected = float(risk.mean()) if len(risk) else 0.0
    coverage = len(risk) / max(len(truth), 1)
    return Lanes(target_error, confidence, accept, reject, expected, coverage)


def audit(chosen: Lanes, probability: Probabilities, truth: Truth) -> Audit:
    """Count the errors of both lanes on held-out answers (n,)."""
    yes, no = chosen.accepts(probability), chosen.rejects(probability)
    wrong = (yes & ~truth) | (no & truth)
    return Audit(*(_audited(rows, wrong) for rows in (yes, no, yes | no)))


def error_bound(errors: float, count: float, chance: float) -> float:
    """Return the error that is exceeded with at most this chance (Clopper and Pearson)."""
    return 1.0 if errors >= count else float(beta.ppf(1 - chance, errors + 1, count - errors))


def grouped_bound(wrong: Truth, groups: Groups, chance: float) -> float:
    """Return `error_bound` for answers (n,) of which those of one group depend on each other.

    Errors and answers are divided by how much wider groups make the error's deviation than
    independent answers would, and by what so few groups leave unknown of it; never less
    than 1. Where no answer is wrong, nothing is known of the former.
    """
    counts = np.unique(groups, return_inverse=True)[1]
    size, errors = np.bincount(counts), np.bincount(counts, weights=wrong)
    count, number, share = len(wrong), len(size), float(wrong.mean())
    if number < 2:
        return 1.0
    effect = 1.0
    if 0 < share < 1:
        off = float(((errors - share * size) ** 2).sum()) * number / (number - 1)
        effect = max(1.0, off / (count * share * (1 - share)))
    effect *= float((t.ppf(1 - chance, number - 1) / norm.ppf(1 - chance)) ** 2)
    return error_bound(float(wrong.sum()) / effect, count / effect, chance)


def _lane(score: Probabilities, wrong: Truth, groups: Groups, target: float, chance: float) -> Lane:
    """Return the lane of highest scores that widens as long as its bound keeps the target."""
    found = Lane(None, 0, 0, 1.0)
    fewest = _fewest(len(score), target, chance)
    if fewest is None:
        return found
    order = np.argsort(-score, kind="stable")
    ranked, missed, of = score[order], wrong[order], groups[order]
    for wanted in np.unique(np.geomspace(fewest, len(score), _TRIED).round().astype(np.int64)):
        border = ranked[wanted - 1]
        count = int(np.searchsorted(-ranked, -border, side="right"))
        bound = grouped_bound(missed[:count], of[:count], chance)
        if bound > target:
            break
        found = Lane(float(border), count, int(missed[:count].sum()), bound)
    return found


def _fewest(count: int, target: float, chance: float) -> int | None:
    """Return how many answers the strictest threshold holds; None where all prove nothing."""
    for errors in (_ROOM, 0):
        sizes = np.arange(errors + 1, count + 1)
        enough = sizes[beta.ppf(1 - chance, errors + 1, sizes - errors) <= target]
        if len(enough) and enough[0] * _SPARE <= count:
            return int(enough[0] * _SPARE)
    return None


def _audited(rows: NDArray[np.bool_], wrong: NDArray[np.bool_]) -> LaneAudit:
    count, errors = int(rows.sum()), int(wrong[rows].sum())
    coverage = count / max(len(rows), 1)
    if not count:
        return LaneAudit(0, 0, None, coverage)
    low = 0.0 if errors == 0 else float(beta.ppf(0.025, errors, count - errors + 1))
    high = error_bound(errors, count, 0.025)
    return LaneAudit(count, errors, Figure(errors / count, low, high), coverage)
