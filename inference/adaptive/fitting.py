"""Fitting a small correction to few answers, so strongly held back that it cannot do harm.

The correction is the most probable one under normal priors (ridge): the slope of the base
logit is expected near 1, the shift near 0 and the weights of the features near 0. With few
answers the priors win and the base stands; each answer moves it a little.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from inference.adaptive.model import AdaptiveModel, Floats, Rows

__all__ = ["Ridge", "best_ridge", "fitted", "log_losses"]


@dataclass(frozen=True)
class Ridge:
    """How strongly a correction is held back.

    Parameters
    ----------
    slope, shift : float
        Precision (one over variance) of the priors on the slope and on the shift.
    weights : float or None
        Precision of the prior on every weight, times the square root of their number, so
        that many features move an answer as far as few; None leaves all weights at 0.
    """

    slope: float = 8.0
    shift: float = 0.5
    weights: float | None = None


def fitted(start: AdaptiveModel, rows: Rows, yes: NDArray[np.bool_], ridge: Ridge) -> AdaptiveModel:
    """Return the most probable correction given answers; where it starts does not matter.

    Parameters
    ----------
    start : AdaptiveModel
        Gives the scaling.
    yes : ndarray of bool, shape (n,)
        The answers.
    """
    held = ridge.weights is None
    columns = np.zeros((len(rows), 0)) if held else start.scaling.standard(rows.features)
    table = np.concatenate([rows.base[:, None], np.ones((len(rows), 1)), columns], axis=1)
    width = columns.shape[1]
    strength = (ridge.weights or 0.0) * max(width, 1) ** 0.5
    precision = np.concatenate([[ridge.slope, ridge.shift], np.full(width, strength)])
    middle = np.concatenate([[1.0, 0.0], np.zeros(width)])
    found = minimize(
        _loss, middle, args=(table, yes, middle, precision), jac=True, method="L-BFGS-B"
    ).x
    weights = np.zeros(len(start.scaling.names)) if held else found[2:]
    return start.corrected(found[0], found[1], weights)


def best_ridge(
    start: AdaptiveModel,
    rows: Rows,
    yes: NDArray[np.bool_],
    choices: Sequence[Ridge],
    folds: int = 5,
) -> Ridge:
    """Return the first choice that no later one beats in cross-validation by a standard error.

    Order the choices from the most held back to the least: a freer correction has to earn it.
    """
    part = np.arange(len(rows)) % folds
    losses = [_crossed(start, rows, yes, ridge, part) for ridge in choices]
    best = 0
    for number, loss in enumerate(losses[1:], 1):
        gain = losses[best] - loss
        if gain.mean() > gain.std() / max(len(gain), 1) ** 0.5:
            best = number
    return choices[best]


def log_losses(model: AdaptiveModel, rows: Rows, yes: NDArray[np.bool_]) -> Floats:
    """Return minus the log of the probability given to each answer, in nats, shape (n,)."""
    margins = np.where(yes, 1.0, -1.0) * model.logits(rows)
    return np.asarray(np.logaddexp(0.0, -margins), np.float64)


def _crossed(
    start: AdaptiveModel,
    rows: Rows,
    yes: NDArray[np.bool_],
    ridge: Ridge,
    part: NDArray[np.integer],
) -> Floats:
    losses = np.zeros(len(rows))
    for number in np.unique(part):
        out = part == number
        model = fitted(start, rows.take(~out), yes[~out], ridge)
        losses[out] = log_losses(model, rows.take(out), yes[out])
    return losses


def _loss(
    values: Floats, table: Floats, yes: NDArray[np.bool_], middle: Floats, precision: Floats
) -> tuple[float, Floats]:
    logits = table @ values
    margins = np.where(yes, 1.0, -1.0) * logits
    away = values - middle
    loss = np.logaddexp(0.0, -margins).sum() + 0.5 * (precision * away**2).sum()
    return float(loss), table.T @ (expit(logits) - yes) + precision * away
