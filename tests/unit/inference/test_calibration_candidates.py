"""What a yes means among candidates, and at even odds."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, logit

from inference.calibration import (
    calibration_error,
    candidate_probability,
    fit_candidates,
    fit_temperature,
    with_share,
)


def _answers(
    count: int, share: float, sharpness: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = rng.random(count) < share
    scores = rng.normal(np.where(truth, 1.0, -1.0) * sharpness, 1.5)
    return scores, truth


def test_only_the_prior_odds_change() -> None:
    chance = np.array([0.2, 0.5, 0.9])
    there = with_share(chance, 0.6, 0.1)
    np.testing.assert_allclose(with_share(there, 0.1, 0.6), chance)
    np.testing.assert_allclose(logit(there) - logit(chance), logit(0.1) - logit(0.6))


def test_a_line_makes_candidates_honest_where_shares_do_not() -> None:
    scores, truth = _answers(4000, 0.6, 2.0, 1)
    harder, among = _answers(3000, 0.08, 0.8, 2)
    calibration = fit_temperature(scores, truth, "block", 0.08)
    said = expit(harder / calibration.temperature)
    by_shares = candidate_probability(said, calibration)
    line = fit_candidates(said[:1500], among[:1500])
    fitted = calibration.model_copy(update={"candidates": line})
    by_line = candidate_probability(said[1500:], fitted)
    assert line.samples == 1500
    assert calibration_error(by_line, among[1500:]) < 0.02
    assert calibration_error(by_shares[1500:], among[1500:]) > 0.02
    assert (np.diff(by_line[np.argsort(said[1500:])]) >= 0).all()


def test_few_or_perfectly_told_candidates_give_no_steep_line() -> None:
    line = fit_candidates(np.array([0.01, 0.02, 0.99]), np.array([False, False, True]))
    assert 0.2 < line.slope < 2.0
    nobody = fit_candidates(np.array([0.3, 0.4]), np.array([False, False]))
    assert candidate_mean(nobody, 0.35) < 0.5


def candidate_mean(line: object, chance: float) -> float:
    return float(expit(line.slope * logit(chance) + line.shift))  # type: ignore[attr-defined]


def test_even_odds_are_the_threshold_of_balanced_accuracy() -> None:
    from inference.evaluation.metrics import measure

    scores, truth = _answers(3000, 0.1, 1.2, 3)
    chance = expit(scores * 1.2 + logit(0.1))
    plain = measure(chance, truth, resamples=20)
    even = measure(chance, truth, even=with_share(chance, 0.1, 0.5), resamples=20)
    assert plain.balanced_accuracy is not None
    assert even.balanced_accuracy is not None
    assert even.balanced_accuracy.value > plain.balanced_accuracy.value + 0.05
    assert even.auc is not None
    assert plain.auc is not None
    assert even.auc.value == pytest.approx(plain.auc.value)
