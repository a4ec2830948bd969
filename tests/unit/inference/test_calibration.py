from __future__ import annotations

import numpy as np
import pytest

from inference.calibration import (
    calibrated,
    calibration_error,
    candidate_probability,
    fit_slope_and_shift,
    fit_temperature,
    probabilities,
)
from inference.evaluation.metrics import area_under_curve, balanced_accuracy, measure


def test_temperature_of_overconfident_scores_is_found() -> None:
    rng = np.random.default_rng(0)
    honest = rng.normal(0, 2, 20_000)
    truth = rng.random(20_000) < probabilities(honest, 1.0)
    calibration = fit_temperature(honest * 3, truth, "invented", 0.1)
    assert calibration.temperature == pytest.approx(3.0, rel=0.05)
    assert calibration.samples == 20_000
    told = probabilities(honest * 3, calibration.temperature)
    assert (
        calibration_error(told, truth)
        < 0.02
        < calibration_error(probabilities(honest * 3, 1.0), truth)
    )


def test_scores_that_lean_to_one_side_need_a_shift() -> None:
    rng = np.random.default_rng(4)
    honest = rng.normal(-1, 2, 20_000)
    truth = rng.random(20_000) < probabilities(honest, 1.0)
    leaning = honest * 2 + 3
    found = fit_slope_and_shift(leaning, truth, "invented", 0.3)
    assert found.temperature == pytest.approx(2.0, rel=0.05)
    assert found.shift == pytest.approx(-1.5, abs=0.05)
    told = calibrated(leaning, found)
    plain = calibrated(leaning, fit_temperature(leaning, truth, "invented", 0.3))
    assert calibration_error(told, truth) < 0.02 < calibration_error(plain, truth)


def test_another_calibration_has_another_id() -> None:
    scores, truth = np.array([-1.0, 2.0, 0.3, -0.4]), np.array([False, True, False, True])
    one = fit_temperature(scores, truth, "here", 0.1)
    assert one.id == fit_temperature(scores, truth, "here", 0.1).id
    assert one.id != fit_temperature(scores * 2, truth, "here", 0.1).id


def test_a_rare_yes_lowers_every_probability_and_keeps_the_order() -> None:
    rng = np.random.default_rng(3)
    # As many yes as no when calibrated; one yes in eleven among candidates.
    calibration = fit_temperature(
        np.array([-2.0, 2.0, 1.0, -1.0]), np.array([False, True, False, True]), "x", 1 / 11
    )
    truth = rng.random(40_000) < 1 / 11
    scores = rng.normal(np.where(truth, 1.0, -1.0), 1.0)  # log-odds are twice the score
    balanced = probabilities(scores * 2, 1.0)
    told = candidate_probability(balanced, calibration)
    assert calibration_error(told, truth) < 0.02 < calibration_error(balanced, truth)
    assert (np.argsort(told) == np.argsort(balanced)).all()
    assert np.isfinite(candidate_probability(np.array([0.0, 1.0]), calibration)).all()


def test_calibration_error_by_hand() -> None:
    chance = np.array([0.9, 0.9, 0.9, 0.9, 0.1, 0.1])
    truth = np.array([True, True, False, False, False, False])
    assert calibration_error(chance, truth) == pytest.approx((4 * 0.4 + 2 * 0.1) / 6)


def test_figures_agree_with_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(1)
    truth = rng.random(500) < 0.3
    chance = np.clip(rng.normal(0.4 + 0.2 * truth, 0.2), 0, 1).round(2).astype(np.float64)
    assert area_under_curve(chance, truth) == pytest.approx(metrics.roc_auc_score(truth, chance))
    assert balanced_accuracy(chance, truth) == pytest.approx(
        metrics.balanced_accuracy_score(truth, chance > 0.5)
    )


def test_intervals_hold_their_figure_and_one_class_has_none() -> None:
    rng = np.random.default_rng(2)
    truth = rng.random(200) < 0.5
    figures = measure(np.clip(rng.normal(0.4 + 0.2 * truth, 0.2), 0, 1), truth, resamples=200)
    assert figures.auc is not None
    assert figures.balanced_accuracy is not None
    for figure in (figures.auc, figures.balanced_accuracy):
        assert figure.low < figure.value < figure.high
    assert measure(np.array([0.2, 0.3]), np.array([True, True])).auc is None
