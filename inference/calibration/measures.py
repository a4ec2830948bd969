"""How far probabilities are from what happened.

ECE and MCE with equally wide bins are those of Guo et al. 2017; the adaptive error has
bins of equally many answers (Nixon et al. 2019, "Measuring Calibration in Deep Learning");
the parts of the Brier score are Murphy's 1973.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "BrierParts",
    "ReliabilityBin",
    "adaptive_calibration_error",
    "brier_parts",
    "calibration_error",
    "calibration_floor",
    "log_loss",
    "maximum_calibration_error",
    "reliability",
    "wilson_interval",
]

Probabilities = NDArray[np.floating]
Truth = NDArray[np.bool_]
Floats = NDArray[np.float64]

_SMALLEST = 1e-12


@dataclass(frozen=True)
class BrierParts:
    """Mean squared error of probabilities, and what it is made of.

    ``score = reliability - resolution + uncertainty`` up to the spread of probabilities
    inside a bin. A small reliability is good calibration, a large resolution sharpness;
    the uncertainty is that of the answers alone.
    """

    score: float
    reliability: float
    resolution: float
    uncertainty: float


@dataclass(frozen=True)
class ReliabilityBin:
    """Answers with about the same probability: what was said, and how often it was yes.

    `low` and `high` are the 95 % Wilson interval of the share of yes.
    """

    count: int
    said: float
    was: float
    low: float
    high: float


def calibration_error(probability: Probabilities, truth: Truth, bins: int = 15) -> float:
    """Return the expected calibration error of "yes" over equally wide bins (ECE-15)."""
    count, said, was = _bins(probability, truth, bins)
    return float(np.abs(said - was).sum() / max(count.sum(), 1))


def calibration_floor(
    probability: Probabilities, bins: int = 15, *, draws: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """Return the ECE of a judge that is right as often as it says: mean and 95th percentile.

    Few answers in many bins never agree with their probabilities exactly, so that an ECE
    is above 0 by chance alone; answers are drawn from the probabilities themselves
    (Vaicenavicius et al. 2019, "Evaluating model calibration in classification").
    """
    chance = np.asarray(probability, np.float64)
    rng = np.random.default_rng(seed)
    found = [
        calibration_error(chance, rng.random(len(chance)) < chance, bins) for _ in range(draws)
    ]
    return float(np.mean(found)), float(np.percentile(found, 95))


def maximum_calibration_error(
    probability: Probabilities, truth: Truth, bins: int = 15, fewest: int = 10
) -> float:
    """Return the largest gap of any equally wide bin that holds at least ``fewest`` answers."""
    count, said, was = _bins(probability, truth, bins)
    kept = count >= fewest
    return float((np.abs(said - was)[kept] / count[kept]).max(initial=0.0))


def adaptive_calibration_error(probability: Probabilities, truth: Truth, bins: int = 15) -> float:
    """Return the mean gap over bins of equally many answers."""
    parts = [p for p in np.array_split(np.argsort(probability, kind="stable"), bins) if len(p)]
    gaps = [len(p) * abs(probability[p].mean() - truth[p].mean()) for p in parts]
    return float(sum(gaps) / max(len(truth), 1))


def log_loss(probability: Probabilities, truth: Truth) -> float:
    """Return the mean negative log likelihood of the answers, in nats."""
    right = np.where(truth, probability, 1 - np.asarray(probability, np.float64))
    return float(-np.log(np.maximum(right, _SMALLEST)).mean())


def brier_parts(probability: Probabilities, truth: Truth, bins: int = 15) -> BrierParts:
    """Return the Brier score and its parts over equally wide bins."""
    count, said, was = _bins(probability, truth, bins)
    kept = count > 0
    weight = count[kept] / count.sum()
    share, told = was[kept] / count[kept], said[kept] / count[kept]
    mean = float(truth.mean())
    return BrierParts(
        score=float(((probability - truth) ** 2).mean()),
        reliability=float((weight * (told - share) ** 2).sum()),
        resolution=float((weight * (share - mean) ** 2).sum()),
        uncertainty=mean * (1 - mean),
    )


def reliability(
    probability: Probabilities, truth: Truth, bins: int = 15
) -> tuple[ReliabilityBin, ...]:
    """Return the points of a reliability diagram; empty bins are left out."""
    count, said, was = _bins(probability, truth, bins)
    return tuple(
        ReliabilityBin(int(n), float(s / n), float(w / n), *wilson_interval(int(w), int(n)))
        for n, s, w in zip(count, said, was, strict=True)
        if n
    )


def wilson_interval(yes: int, count: int, z: float = 1.96) -> tuple[float, float]:
    """Return the interval of a share (Wilson 1927); (0, 1) of nothing."""
    if count == 0:
        return 0.0, 1.0
    share, room = yes / count, z * z / count
    middle = (share + room / 2) / (1 + room)
    half = z * float(np.sqrt(share * (1 - share) / count + room / (4 * count))) / (1 + room)
    return max(0.0, middle - half), min(1.0, middle + half)


def _bins(probability: Probabilities, truth: Truth, bins: int) -> tuple[Floats, Floats, Floats]:
    """Return count, sum of probabilities and number of yes in equally wide bins."""
    index = np.minimum((np.asarray(probability) * bins).astype(np.int64), bins - 1)
    count = np.asarray(np.bincount(index, minlength=bins), np.float64)
    said, was = (
        np.asarray(np.bincount(index, weights=weights, minlength=bins), np.float64)
        for weights in (probability, truth)
    )
    return count, said, was
