"""Calibrations fitted to answers: a temperature, and a monotone curve where data allow."""

from __future__ import annotations

import hashlib
import json

import numpy as np
from numpy.typing import NDArray

from connectome.errors import InputError
from inference.calibration.measures import log_loss
from inference.calibration.scaling import calibrated, fit_temperature
from inference.models.manifest import Calibration, Isotonic

__all__ = ["ENOUGH_FOR_A_CURVE", "fit_calibration", "fit_isotonic"]

ENOUGH_FOR_A_CURVE = 1000
"""Answers below which a monotone curve follows chance more than the judge."""
_PARTS = 5
_DECIMALS = 6


def fit_calibration(
    logits: NDArray[np.floating],
    truth: NDArray[np.bool_],
    held_out: str,
    candidate_yes_share: float,
    *,
    groups: NDArray[np.integer] | None = None,
) -> Calibration:
    """Return a temperature, and a monotone curve after it where that is shown to be better.

    The curve is kept only where there are at least 1000 answers and the temperature
    with a curve, fitted on four fifths, makes the answers of the fifth left out more
    likely than the temperature alone does, over all five fifths.

    Parameters
    ----------
    logits : ndarray, shape (n,)
        Scores of pairs that the model was not trained on.
    truth : ndarray of bool, shape (n,)
        Their answers.
    held_out : str
        Where these pairs lie, in words.
    candidate_yes_share : float
        Share of yes among the candidates that the model will be asked about.
    groups : ndarray of int, shape (n,), optional
        Answers of one group (such as one true body) are never in two parts.
    """
    plain = fit_temperature(logits, truth, held_out, candidate_yes_share)
    if len(logits) < ENOUGH_FOR_A_CURVE or not _curve_is_better(logits, truth, groups):
        return plain
    return _with_curve(plain, logits, truth)


def fit_isotonic(probability: NDArray[np.floating], truth: NDArray[np.bool_]) -> Isotonic:
    """Return the rising curve from said (n,) to true (n,) that is nearest in squares.

    Pool-adjacent-violators (Zadrozny and Elkan 2002, doi:10.1145/775047.775151); each
    pool is one point at the mean of what was said in it (Oron and Flournoy 2017,
    doi:10.1080/19466315.2017.1286256), with its share of yes by Laplace's rule, which is
    never 0 or 1.

    Raises
    ------
    InputError
        If a class is missing.
    """
    if not truth.any() or truth.all():
        raise InputError(
            "A curve cannot be fitted on answers that are all the same.",
            "Give answers that are yes and answers that are no.",
        )
    points: dict[float, float] = {}
    for said, count, yes in _pools(np.asarray(probability, np.float64), truth):
        points.setdefault(round(said / count, _DECIMALS), round((yes + 1) / (count + 2), _DECIMALS))
    return Isotonic(said=tuple(points), was=tuple(points.values()))


Pool = tuple[float, float, float]
"""Sum of what was said, number of answers, number of yes."""


def _pools(said: NDArray[np.float64], truth: NDArray[np.bool_]) -> list[Pool]:
    values, which, count = np.unique(said, return_inverse=True, return_counts=True)
    yes = np.bincount(which, weights=truth)
    single = [
        (float(v * n), float(n), float(y)) for v, n, y in zip(values, count, yes, strict=True)
    ]
    # Small pools at the ends move far by Laplace's rule, and may then no longer be in order.
    return _rising(_rising(single, 0.0), 1.0)


def _rising(pools: list[Pool], laplace: float) -> list[Pool]:
    """Join neighbours until the shares of yes rise, counted with so many more yes and no."""
    kept: list[Pool] = []
    for pool in pools:
        now = pool
        while kept and _share(kept[-1], laplace) >= _share(now, laplace):
            last = kept.pop()
            now = (last[0] + now[0], last[1] + now[1], last[2] + now[2])
        kept.append(now)
    return kept


def _share(pool: Pool, laplace: float) -> float:
    return (pool[2] + laplace) / (pool[1] + 2 * laplace)


def _curve_is_better(
    logits: NDArray[np.floating], truth: NDArray[np.bool_], groups: NDArray[np.integer] | None
) -> bool:
    keys = np.arange(len(logits)) if groups is None else np.unique(groups, return_inverse=True)[1]
    part = np.random.default_rng(0).permutation(int(keys.max()) + 1)[keys] % _PARTS
    straight, curved = np.zeros(len(logits)), np.zeros(len(logits))
    for number in range(_PARTS):
        out = part == number
        if truth[~out].all() or not truth[~out].any():
            return False
        plain = fit_temperature(logits[~out], truth[~out], "a trial", 0.5)
        straight[out] = calibrated(logits[out], plain)
        curved[out] = calibrated(logits[out], _with_curve(plain, logits[~out], truth[~out]))
    return log_loss(curved, truth) < log_loss(straight, truth)


def _with_curve(
    plain: Calibration, logits: NDArray[np.floating], truth: NDArray[np.bool_]
) -> Calibration:
    curve = fit_isotonic(calibrated(logits, plain), truth)
    content = json.dumps([plain.id, curve.said, curve.was]).encode()
    return plain.model_copy(
        update={
            "id": hashlib.sha256(content).hexdigest()[:16],
            "method": "temperature, then isotonic",
            "isotonic": curve,
        }
    )
