"""Turning logits into probabilities that mean what they say.

Temperature scaling and the expected calibration error of Guo et al. 2017,
"On Calibration of Modern Neural Networks".
"""

from __future__ import annotations

import hashlib
import json

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import expit

from inference.models.manifest import Calibration

__all__ = ["calibration_error", "fit_temperature", "probabilities"]

Floats = NDArray[np.float64]


def probabilities(logits: NDArray[np.floating], temperature: float) -> Floats:
    """Return ``sigmoid(logit / temperature)``, shape (n,)."""
    return np.asarray(expit(np.asarray(logits, np.float64) / temperature))


def fit_temperature(
    logits: NDArray[np.floating], truth: NDArray[np.bool_], held_out: str
) -> Calibration:
    """Return the temperature that makes held-out answers most likely.

    Parameters
    ----------
    logits : ndarray, shape (n,)
        Scores of pairs that the model was not trained on.
    truth : ndarray of bool, shape (n,)
        Their answers.
    held_out : str
        Where these pairs lie, in words.
    """
    scores = np.asarray(logits, np.float64)
    signs = np.where(truth, 1.0, -1.0)

    def loss(log_temperature: float) -> float:
        margins = signs * scores / np.exp(log_temperature)
        return float(np.logaddexp(0.0, -margins).mean())

    found = minimize_scalar(loss, bounds=(-3.0, 3.0), method="bounded")
    temperature = round(float(np.exp(found.x)), 6)
    return Calibration(
        id=_calibration_id(temperature, scores, truth),
        temperature=temperature,
        samples=len(scores),
        held_out=held_out,
    )


def _calibration_id(temperature: float, scores: Floats, truth: NDArray[np.bool_]) -> str:
    digest = hashlib.sha256(json.dumps(["temperature", temperature]).encode())
    digest.update(scores.tobytes())
    digest.update(np.packbits(truth).tobytes())
    return digest.hexdigest()[:16]


def calibration_error(
    probability: NDArray[np.floating], truth: NDArray[np.bool_], bins: int = 15
) -> float:
    """Return the expected calibration error of "yes" over equally wide bins (ECE-15)."""
    index = np.minimum((np.asarray(probability) * bins).astype(np.int64), bins - 1)
    count = np.bincount(index, minlength=bins)
    said = np.bincount(index, weights=probability, minlength=bins)
    was = np.bincount(index, weights=truth.astype(np.float64), minlength=bins)
    return float(np.abs(said - was).sum() / max(count.sum(), 1))
