"""What a judge's answers are worth: ranking, decisions, calibration, and A against B."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from inference.evaluation.bootstrap import Figure, draws, intervals

__all__ = [
    "PRECISION",
    "RECALLS",
    "Difference",
    "Figure",
    "Figures",
    "area_under_curve",
    "balanced_accuracy",
    "difference",
    "measure",
]

Probabilities = NDArray[np.float64]
Truth = NDArray[np.bool_]
Weights = NDArray[np.float64]

RECALLS = (0.5, 0.8, 0.9, 0.95)
"""Recalls at which the precision is reported."""
PRECISION = 0.98
"""Precision at which the recall is reported."""
_BINS = 15


@dataclass(frozen=True)
class Figures:
    """What was measured on one group of answers; None where a class is missing.

    Parameters
    ----------
    more : mapping
        ``average_precision``, ``precision_at_recall_0.5`` and so on,
        ``recall_at_precision_0.98``, ``brier``, ``log_loss``, ``mce_15``,
        ``adaptive_ece_15``; empty where a class is missing.
    """

    pairs: int
    positives: int
    balanced_accuracy: Figure | None
    auc: Figure | None
    ece_15: Figure | None
    more: Mapping[str, Figure] = field(default_factory=dict)


@dataclass(frozen=True)
class Difference:
    """By how much one judge's figure is above another's on the same answers.

    ``above`` is the share of bootstrap samples in which it is.
    """

    figure: Figure
    above: float


def balanced_accuracy(probability: Probabilities, truth: Truth) -> float:
    """Return the mean of the recalls of yes and no, answering yes above 0.5."""
    yes = probability > 0.5
    return float((yes[truth].mean() + (~yes[~truth]).mean()) / 2)


def area_under_curve(probability: Probabilities, truth: Truth) -> float:
    """Return the chance that a yes scores above a no, ties counted half (Mann and Whitney)."""
    positives = int(truth.sum())
    ranks = rankdata(probability)
    above = float(ranks[truth].sum()) - positives * (positives + 1) / 2
    return above / (positives * (len(truth) - positives))


def measure(
    probability: Probabilities,
    truth: Truth,
    *,
    groups: NDArray[Any] | None = None,
    even: Probabilities | None = None,
    rank: Probabilities | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> Figures:
    """Measure calibrated probabilities (n,) against the truth (n,).

    Parameters
    ----------
    even : ndarray, shape (n,), optional
        The same answers as they would be if yes and no were equally frequent: above 0.5
        they count as a yes in balanced accuracy, which weighs both alike. The
        probabilities themselves if None.
    rank : ndarray, shape (n,), optional
        What answers are ranked by where that is not their probability.
    groups : ndarray, shape (n,), optional
        What answers have in common, such as a true body: intervals are then over groups.
        Else they are over answers, drawn within each class.
    """
    positives = int(truth.sum())
    if not 0 < positives < len(truth):
        return Figures(len(truth), positives, None, None, None)
    samples = draws(truth, groups, resamples=resamples, seed=seed)
    found = intervals(_Answers(probability, truth, even, rank).figures, len(truth), samples)
    first = {name: found.pop(name) for name in ("balanced_accuracy", "auc", "ece_15")}
    return Figures(len(truth), positives, **first, more=found)


def difference(
    one: Probabilities,
    other: Probabilities,
    truth: Truth,
    *,
    even: tuple[Probabilities, Probabilities] | None = None,
    rank: tuple[Probabilities, Probabilities] | None = None,
    groups: NDArray[Any] | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> dict[str, Difference]:
    """Return every figure of one judge less that of another, drawing both samples alike.

    Both judged the same answers, so what is hard for both does not widen the interval.
    What is ``even``, ``rank`` and what ``groups`` are, `measure` says.
    """
    evens, ranks = even or (one, other), rank or (one, other)
    judges = (
        _Answers(one, truth, evens[0], ranks[0]),
        _Answers(other, truth, evens[1], ranks[1]),
    )

    def apart(weights: Weights) -> dict[str, float]:
        first, second = (judge.figures(weights) for judge in judges)
        return {name: value - second[name] for name, value in first.items()}

    seen: dict[str, list[float]] = {}

    def kept(weights: Weights) -> dict[str, float]:
        found = apart(weights)
        for name, value in found.items():
            seen.setdefault(name, []).append(value)
        return found

    samples = draws(truth, groups, resamples=resamples, seed=seed)
    figures = intervals(kept, len(truth), samples)
    return {
        name: Difference(figure, float(np.mean(np.array(seen[name][1:]) > 0)))
        for name, figure in figures.items()
    }


class _Answers:
    """Answers sorted and binned once, to be measured under many weights."""

    def __init__(
        self,
        probability: Probabilities,
        truth: Truth,
        even: Probabilities | None = None,
        rank: Probabilities | None = None,
    ) -> None:
        by = probability if rank is None else rank
        order = np.argsort(-by, kind="stable")
        self._order = order
        self._yes = truth[order].astype(np.float64)
        said = probability[order]
        # Equal scores cannot be told apart by any threshold.
        self._ends = np.append(np.flatnonzero(np.diff(by[order])), len(order) - 1)
        self._called = (probability if even is None else even)[order] > 0.5
        self._gap = said - self._yes
        right = np.where(truth[order], said, 1 - said)
        self._surprise = -np.log(np.maximum(right, 1e-12))
        self._wide = np.minimum((said * _BINS).astype(np.int64), _BINS - 1)
        place = np.argsort(np.argsort(-said, kind="stable"), kind="stable")
        self._even = place * _BINS // len(said)

    def figures(self, weights: Weights) -> dict[str, float]:
        w = weights[self._order]
        yes, no = w * self._yes, w * (1 - self._yes)
        positives, negatives = yes.sum(), no.sum()
        if not positives or not negatives:
            return dict.fromkeys(_NAMES, float("nan"))
        hit = np.cumsum(yes)[self._ends]
        false = np.cumsum(no)[self._ends]
        found = {
            "balanced_accuracy": float(
                (yes[self._called].sum() / positives + no[~self._called].sum() / negatives) / 2
            ),
            **_ranking(hit, false, float(positives), float(negatives)),
            **self._calibration(w),
        }
        return {name: found[name] for name in _NAMES}

    def _calibration(self, w: Weights) -> dict[str, float]:
        total = w.sum()
        count = np.bincount(self._wide, weights=w, minlength=_BINS)
        off = np.abs(np.bincount(self._wide, weights=w * self._gap, minlength=_BINS))
        even = np.abs(np.bincount(self._even, weights=w * self._gap, minlength=_BINS))
        full = count >= 10
        return {
            "ece_15": float(off.sum() / total),
            "mce_15": float((off[full] / count[full]).max(initial=0.0)),
            "adaptive_ece_15": float(even.sum() / total),
            "brier": float((w * self._gap**2).sum() / total),
            "log_loss": float((w * self._surprise).sum() / total),
        }


def _ranking(hit: Weights, false: Weights, positives: float, negatives: float) -> dict[str, float]:
    """Return figures of the thresholds from strict to lax: yes and no above each."""
    recall = hit / positives
    precision = hit / np.maximum(hit + false, 1e-12)
    steps = np.diff(recall, prepend=0.0)
    heights = np.append(0.0, recall)
    widths = np.diff(false / negatives, prepend=0.0)
    found = {
        "auc": float((widths * (heights[1:] + heights[:-1]) / 2).sum()),
        "average_precision": float((steps * precision).sum()),
    }
    for wanted in RECALLS:
        # The sum of many weights may end a hair below 1.
        at = int(np.searchsorted(recall, wanted - 1e-9))
        found[f"precision_at_recall_{wanted:g}"] = float(precision[min(at, len(recall) - 1)])
    good = recall[precision >= PRECISION]
    found[f"recall_at_precision_{PRECISION:g}"] = float(good.max(initial=0.0))
    return found


_NAMES = (
    "balanced_accuracy",
    "auc",
    "ece_15",
    "average_precision",
    *(f"precision_at_recall_{recall:g}" for recall in RECALLS),
    f"recall_at_precision_{PRECISION:g}",
    "brier",
    "log_loss",
    "mce_15",
    "adaptive_ece_15",
)
