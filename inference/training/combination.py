"""How much each of several judges' logits counts when they answer together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from connectome.errors import InputError

__all__ = ["Combination", "fit_combination"]


@dataclass(frozen=True)
class Combination:
    """``logit = bias + sum(weights * logits)``, a logit that is calibrated as fitted."""

    weights: tuple[float, ...]
    bias: float

    def logits(self, logits: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the joint logits (n,) of judges' logits (n, k)."""
        return np.asarray(np.asarray(logits, np.float64) @ np.array(self.weights) + self.bias)


def fit_combination(
    logits: NDArray[np.floating],
    truth: NDArray[np.bool_],
    *,
    balanced: bool = True,
    ridge: float = 1e-3,
) -> Combination:
    """Fit a logistic regression on the logits of judges, with weights that are never negative.

    Stacked generalisation (Wolpert 1992, doi:10.1016/S0893-6080(05)80023-1), with the
    non-negative weights of Breiman 1996 (doi:10.1007/BF00117832).

    Parameters
    ----------
    logits : ndarray, shape (n, k)
        Scores of pairs that none of the judges was trained on.
    truth : ndarray of bool, shape (n,)
        Their answers.
    balanced : bool
        Whether yes and no count equally, so that 0.5 is the balanced threshold.
    ridge : float
        Keeps the weights of judges that always agree near each other.

    Raises
    ------
    InputError
        If a class is missing.
    """
    scores, yes = np.asarray(logits, np.float64), np.asarray(truth, np.bool_)
    if not yes.any() or yes.all():
        raise InputError(
            "A combination cannot be fitted on answers that are all the same.",
            "Give pairs of one neuron and pairs of two.",
        )
    share = yes.mean() if balanced else 0.5
    counts = np.where(yes, 0.5 / share, 0.5 / (1 - share)) / len(yes)
    signs = np.where(yes, 1.0, -1.0)
    start = np.append(np.full(scores.shape[1], 1.0 / scores.shape[1]), 0.0)

    def loss(numbers: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        margin = signs * (scores @ numbers[:-1] + numbers[-1])
        pull = -counts * signs * expit(-margin)
        away = numbers[:-1] - start[:-1]
        slope = np.append(scores.T @ pull + 2 * ridge * away, pull.sum())
        return float(counts @ np.logaddexp(0.0, -margin) + ridge * away @ away), slope

    bounds = [(0.0, None)] * scores.shape[1] + [(None, None)]
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds)
    *weights, bias = (round(float(v), 6) for v in found.x)
    return Combination(tuple(weights), bias)
