"""Turning logits into probabilities that mean what they say.

Temperature scaling of Guo et al. 2017, "On Calibration of Modern Neural Networks"; slope and
shift of Platt 1999, "Probabilistic Outputs for Support Vector Machines".
"""

from __future__ import annotations

import hashlib
import json

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize, minimize_scalar
from scipy.special import expit, logit

from inference.models.manifest import Calibration, CandidateLine

__all__ = [
    "calibrated",
    "candidate_probability",
    "fit_candidates",
    "fit_slope_and_shift",
    "fit_temperature",
    "probabilities",
    "with_share",
    "yes_share",
]

Floats = NDArray[np.float64]


def probabilities(logits: NDArray[np.floating], temperature: float, shift: float = 0.0) -> Floats:
    """Return ``sigmoid(logits / temperature + shift)``, shape (n,)."""
    return np.asarray(expit(np.asarray(logits, np.float64) / temperature + shift))


def calibrated(logits: NDArray[np.floating], calibration: Calibration) -> Floats:
    """Return what logits (n,) mean by a calibration: its temperature, then its curve if any.

    This is among pairs as they were in calibration; `candidate_probability` turns it
    into the chance among candidates.
    """
    chance = probabilities(logits, calibration.temperature, calibration.shift)
    curve = calibration.isotonic
    return chance if curve is None else np.interp(chance, curve.said, curve.was)


def candidate_probability(probability: NDArray[np.floating], calibration: Calibration) -> Floats:
    """Return probabilities for candidate sites, among which yes is rarer, shape (n,).

    Where a line was fitted on candidates, it says it. Else the odds are multiplied by the
    ratio of the prior odds: what the pictures say about a pair is kept, what the
    calibration pairs said about all pairs is replaced.
    """
    line = calibration.candidates
    if line is not None:
        return np.asarray(expit(line.slope * _log_odds(probability) + line.shift))
    return with_share(probability, calibration.yes_share, calibration.candidate_yes_share)


def with_share(probability: NDArray[np.floating], share: float, wanted: float) -> Floats:
    """Return probabilities (n,) among things of which another share is a yes.

    Only the prior odds change (Saerens et al. 2002, doi:10.1162/089976602753284446).
    """
    return np.asarray(expit(_log_odds(probability) + logit(wanted) - logit(share)))


def _log_odds(probability: NDArray[np.floating]) -> Floats:
    # A probability of exactly 0 or 1 has no finite odds.
    return np.asarray(logit(np.clip(np.asarray(probability, np.float64), 1e-12, 1 - 1e-12)))


def fit_candidates(probability: NDArray[np.floating], truth: NDArray[np.bool_]) -> CandidateLine:
    """Return the line from calibrated answers (n,) to the chance among candidates."""
    slope, shift = _line(_log_odds(probability), truth)
    return CandidateLine(slope=slope, shift=shift, samples=len(truth))


def _line(odds: Floats, truth: NDArray[np.bool_]) -> tuple[float, float]:
    """Return slope and shift of the log-odds (n,) that make the answers most likely.

    Maximum likelihood with a weak pull towards a slope of 1 and Platt's targets, so that
    few answers, or ones that are told apart perfectly, give no infinite slope.
    """
    yes = int(truth.sum())
    targets = np.where(truth, (yes + 1) / (yes + 2), 1 / (len(truth) - yes + 2))

    def loss(numbers: Floats) -> float:
        line = numbers[0] * odds + numbers[1]
        fit = np.logaddexp(0.0, line) - targets * line
        return float(fit.sum() + (numbers[0] - 1) ** 2)

    start = np.array([1.0, float(logit(targets.mean()) - odds.mean())])
    found = minimize(loss, start, method="L-BFGS-B", bounds=[(0.05, 5.0), (None, None)]).x
    slope, shift = (round(float(value), 6) for value in found)
    return slope, shift


def fit_slope_and_shift(
    logits: NDArray[np.floating],
    truth: NDArray[np.bool_],
    held_out: str,
    candidate_yes_share: float,
) -> Calibration:
    """Return the slope and shift that make held-out answers most likely.

    For judges whose answers lean to one side, which no temperature mends; it needs answers
    among which yes is as frequent as where the judge is asked. Parameters as for
    `fit_temperature`.
    """
    scores = np.asarray(logits, np.float64)
    slope, shift = _line(scores, truth)
    temperature = round(1 / slope, 6)
    return Calibration(
        id=_calibration_id(
            "slope and shift", [temperature, shift, candidate_yes_share], scores, truth
        ),
        method="slope and shift",
        temperature=temperature,
        shift=shift,
        samples=len(scores),
        held_out=held_out,
        yes_share=yes_share(truth),
        candidate_yes_share=candidate_yes_share,
    )


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
        id=_calibration_id("temperature", [temperature, candidate_yes_share], scores, truth),
        temperature=temperature,
        samples=len(scores),
        held_out=held_out,
        yes_share=yes_share(truth),
        candidate_yes_share=candidate_yes_share,
    )


def yes_share(truth: NDArray[np.bool_]) -> float:
    """Return the share of yes by Laplace's rule, so that it is never quite 0 or 1."""
    return round((int(truth.sum()) + 1) / (truth.size + 2), 6)


def _calibration_id(
    method: str, numbers: list[float], scores: Floats, truth: NDArray[np.bool_]
) -> str:
    digest = hashlib.sha256(json.dumps([method, *numbers]).encode())
    digest.update(scores.tobytes())
    digest.update(np.packbits(truth).tobytes())
    return digest.hexdigest()[:16]
