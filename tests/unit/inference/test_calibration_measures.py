from __future__ import annotations

import numpy as np
import pytest

from connectome.errors import InputError
from inference.calibration import (
    adaptive_calibration_error,
    brier_parts,
    calibrated,
    calibration_error,
    calibration_floor,
    fit_calibration,
    fit_isotonic,
    log_loss,
    maximum_calibration_error,
    probabilities,
    reliability,
)
from inference.calibration.measures import wilson_interval

CHANCE = np.array([0.9, 0.9, 0.9, 0.9, 0.1, 0.1])
TRUTH = np.array([True, True, False, False, False, False])


def crooked(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Scores that are certain of yes too early: no temperature makes them right."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, count)
    truth = rng.random(count) < np.where(logits > 0, 0.75, probabilities(logits, 1.0))
    return logits, truth


def test_measures_by_hand() -> None:
    assert maximum_calibration_error(CHANCE, TRUTH, fewest=1) == pytest.approx(0.4)
    assert maximum_calibration_error(CHANCE, TRUTH, fewest=3) == pytest.approx(0.4)
    assert maximum_calibration_error(CHANCE, TRUTH, fewest=5) == 0.0
    assert adaptive_calibration_error(CHANCE, TRUTH, bins=3) == pytest.approx(
        (2 * 0.1 + 2 * 0.9 + 2 * 0.1) / 6
    )
    assert log_loss(CHANCE, TRUTH) == pytest.approx(
        -(2 * np.log(0.9) + 2 * np.log(0.1) + 2 * np.log(0.9)) / 6
    )
    assert np.isfinite(log_loss(np.array([0.0, 1.0]), np.array([True, False])))


def test_parts_of_the_brier_score_add_up() -> None:
    parts = brier_parts(CHANCE, TRUTH)
    assert parts.score == pytest.approx(float(((CHANCE - TRUTH) ** 2).mean()))
    assert parts.score == pytest.approx(parts.reliability - parts.resolution + parts.uncertainty)


def test_reliability_counts_every_answer_once() -> None:
    rng = np.random.default_rng(0)
    chance = rng.random(500)
    truth = rng.random(500) < chance
    points = reliability(chance, truth)
    assert sum(p.count for p in points) == 500
    assert all(p.low <= p.was <= p.high for p in points)
    assert wilson_interval(0, 100)[1] == pytest.approx(0.037, abs=0.001)
    assert wilson_interval(0, 0) == (0.0, 1.0)


def test_a_curve_mends_what_a_temperature_cannot() -> None:
    logits, truth = crooked(8000, 0)
    calibration = fit_calibration(logits, truth, "invented", 0.1)
    assert calibration.isotonic is not None
    assert calibration.method == "temperature, then isotonic"
    fresh, answers = crooked(8000, 1)
    straight = probabilities(fresh, calibration.temperature)
    told = calibrated(fresh, calibration)
    assert calibration_error(told, answers) < 0.03 < calibration_error(straight, answers)
    assert (np.diff(told[np.argsort(fresh)]) >= 0).all()


def test_no_curve_where_there_is_little_or_nothing_to_mend() -> None:
    logits, truth = crooked(999, 0)
    assert fit_calibration(logits, truth, "few", 0.1).isotonic is None
    rng = np.random.default_rng(2)
    honest = rng.normal(0, 2, 3000)
    right = rng.random(3000) < probabilities(honest, 1.0)
    fitted = fit_calibration(honest, right, "honest", 0.1, groups=np.arange(3000) // 7)
    assert fitted.isotonic is None
    np.testing.assert_allclose(
        calibrated(honest, fitted), probabilities(honest, fitted.temperature)
    )


def test_the_curve_rises_and_is_never_certain() -> None:
    said = np.concatenate([np.full(50, 0.01), np.linspace(0.1, 0.9, 30), np.full(60, 0.99)])
    truth = np.concatenate([np.zeros(50), np.arange(30) % 2, np.ones(60)]).astype(bool)
    curve = fit_isotonic(said, truth)
    assert (np.diff(curve.said) > 0).all()
    assert (np.diff(curve.was) >= 0).all()
    assert 0 < curve.was[0] < 0.03
    assert 0.97 < curve.was[-1] < 1
    with pytest.raises(InputError, match="all the same"):
        fit_isotonic(said, np.ones(len(said), np.bool_))


def test_the_curve_is_that_of_scikit_learn() -> None:
    isotonic = pytest.importorskip("sklearn.isotonic")
    rng = np.random.default_rng(3)
    said = rng.integers(1, 12, 20_000) / 12
    truth = rng.random(20_000) < np.where(said == 5 / 12, 0.1, said**2)
    curve = fit_isotonic(said, truth)
    theirs = (
        isotonic.IsotonicRegression(out_of_bounds="clip")
        .fit(said, truth)
        .predict(np.array(curve.said))
    )
    np.testing.assert_allclose(curve.was, theirs, atol=0.002)
    assert len(curve.said) < 11  # the one that was out of order was pooled with its neighbour


def test_a_perfect_judge_has_a_calibration_error_too() -> None:
    rng = np.random.default_rng(3)
    chance = rng.random(4000)
    truth = rng.random(4000) < chance
    few, many = calibration_floor(chance[:200]), calibration_floor(chance)
    assert many[0] < many[1] < few[0] < few[1]
    assert calibration_error(chance, truth) < many[1]
    assert calibration_error(chance[:200], truth[:200]) < few[1]
    # The mean gap of a bin of n answers is about the deviation of a share, times 0.8.
    assert many[0] == pytest.approx(0.8 * float(np.sqrt(1 / 6 / (4000 / 15))), rel=0.15)
