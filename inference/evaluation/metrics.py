"""Figures with intervals: balanced accuracy, area under the ROC curve, calibration error."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from inference.calibration import calibration_error

__all__ = ["Figure", "Figures", "area_under_curve", "balanced_accuracy", "measure"]

Probabilities = NDArray[np.float64]
Truth = NDArray[np.bool_]


@dataclass(frozen=True)
class Figure:
    """A figure and its 95 % bootstrap interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}–{self.high:.3f}]"


@dataclass(frozen=True)
class Figures:
    """What was measured on one group of pairs; None where a class is missing."""

    pairs: int
    positives: int
    balanced_accuracy: Figure | None
    auc: Figure | None
    ece_15: Figure | None


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
    probability: Probabilities, truth: Truth, *, resamples: int = 1000, seed: int = 0
) -> Figures:
    """Measure calibrated probabilities (n,) against the truth (n,).

    Intervals are the 2.5 and 97.5 percentiles over ``resamples`` bootstrap samples of
    pairs, drawn within each class so that none is ever empty.
    """
    positives = int(truth.sum())
    if not 0 < positives < len(truth):
        return Figures(len(truth), positives, None, None, None)
    draws = list(_draws(truth, resamples, seed))

    def figure(of: Callable[[Probabilities, Truth], float]) -> Figure:
        values = [of(probability[rows], truth[rows]) for rows in draws]
        low, high = np.percentile(values, [2.5, 97.5])
        return Figure(of(probability, truth), float(low), float(high))

    return Figures(
        pairs=len(truth),
        positives=positives,
        balanced_accuracy=figure(balanced_accuracy),
        auc=figure(area_under_curve),
        ece_15=figure(calibration_error),
    )


def _draws(truth: Truth, resamples: int, seed: int) -> list[NDArray[np.int64]]:
    rng = np.random.default_rng(seed)
    yes, no = np.flatnonzero(truth), np.flatnonzero(~truth)
    return [
        np.concatenate([rng.choice(yes, len(yes)), rng.choice(no, len(no))])
        for _ in range(resamples)
    ]
