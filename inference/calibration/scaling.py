"""Turning logits into probabilities that mean what they say.

Temperature scaling of Guo et al. 2017, "On Calibration of Modern Neural Networks".
"""

from __future__ import annotations

import hashlib
import json

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import expit, logit

from inference.models.manifest import Calibration

__all__ = [
    "calibrated",
    "candidate_probability",
    "fit_temperature",
    "probabilities",
    "yes_share",
]

Floats = NDArray[np.float64]


def probabilities(logits: NDArray[np.floating], temperature: float) -> Floats:
    """Return ``sigmoid(logit / temperature)``, shape (n,)."""
    return np.asarray(expit(np.asarray(logits, np.float64) / temperature))


def calibrated(logits: NDArray[np.floating], calibration: Calibration) -> Floats:
    """Return what logits (n,) mean by a calibration: its temperature, then its curve if any.

    This is among pairs as they were in calibration; `candidate_probability` turns it
    into the chance among candidates.
    """
    chance = probabilities(logits, calibration.temperature)
    curve = calibration.isotonic
    return chance if curve is None else np.interp(chance, curve.said, curve.was)


def candidate_probability(probability: NDArray[np.floating], calibration: Calibration) -> Floats:
    """Return probabilities for candidate sites, among which yes is rarer, shape (n,).

    The odds are multiplied by the ratio of the prior odds: what the pictures say about
    a pair is kept, what the calibration pairs said about all pairs is replaced.
    """
    shift = logit(calibration.candidate_yes_share) - logit(calibration.yes_share)
    # A probability of exactly 0 or 1 has no finite odds.
    inside = np.clip(np.asarray(probability, np.float64), 1e-12, 1 - 1e-12)
    return np.asarray(expit(logit(inside) + shift))


def fit_temperature(
    logits: NDArray[np.floating],
    truth: NDArray[np.bool_],
    held_out: str,
    candidate_yes_share: float,
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
    candidate_yes_share : float
        Share of yes among the candidates that the model will be asked about.
    """
    scores = np.asarray(logits, np.float64)
    signs = np.where(truth, 1.0, -1.0)

    def loss(log_temperature: float) -> float:
        margins = signs * scores / np.exp(log_temperature)
        return float(np.logaddexp(0.0, -margins).mean())

    found = minimize_scalar(loss, bounds=(-3.0, 3.0), method="bounded")
    temperature = round(float(np.exp(found.x)), 6)
    return Calibration(
        id=_calibration_id([temperature, candidate_yes_share], scores, truth),
        temperature=temperature,
        samples=len(scores),
        held_out=held_out,
        yes_share=yes_share(truth),
        candidate_yes_share=candidate_yes_share,
    )


def yes_share(truth: NDArray[np.bool_]) -> float:
    """Return the share of yes by Laplace's rule, so that it is never quite 0 or 1."""
    return round((int(truth.sum()) + 1) / (truth.size + 2), 6)


def _calibration_id(numbers: list[float], scores: Floats, truth: NDArray[np.bool_]) -> str:
    digest = hashlib.sha256(json.dumps(["temperature", *numbers]).encode())
    digest.update(scores.tobytes())
    digest.update(np.packbits(truth).tobytes())
    return digest.hexdigest()[:16]
