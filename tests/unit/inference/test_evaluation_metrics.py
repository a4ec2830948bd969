from __future__ import annotations

import numpy as np
import pytest

from inference.calibration import (
    adaptive_calibration_error,
    calibration_error,
    log_loss,
    maximum_calibration_error,
)
from inference.evaluation.bootstrap import draws
from inference.evaluation.metrics import (
    area_under_curve,
    balanced_accuracy,
    difference,
    measure,
)


def answers(count: int = 600, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = rng.random(count) < 0.4
    chance = np.clip(rng.normal(0.4 + 0.25 * truth, 0.2), 0, 1).round(2)
    return chance, truth


def test_every_figure_is_the_one_of_its_own_function() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    chance, truth = answers()
    found = measure(chance, truth, resamples=5)
    assert found.auc is not None
    assert found.balanced_accuracy is not None
    assert found.ece_15 is not None
    assert found.auc.value == pytest.approx(area_under_curve(chance, truth))
    assert found.balanced_accuracy.value == pytest.approx(balanced_accuracy(chance, truth))
    assert found.ece_15.value == pytest.approx(calibration_error(chance, truth))
    expected = {
        "average_precision": metrics.average_precision_score(truth, chance),
        "brier": metrics.brier_score_loss(truth, chance),
        "log_loss": log_loss(chance, truth),
        "mce_15": maximum_calibration_error(chance, truth),
        "adaptive_ece_15": adaptive_calibration_error(chance, truth),
    }
    for name, value in expected.items():
        assert found.more[name].value == pytest.approx(value, abs=0.01), name


def test_precision_at_recall_by_hand() -> None:
    chance = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4])
    truth = np.array([True, True, False, True, False, True])
    more = measure(chance, truth, resamples=2).more
    assert more["precision_at_recall_0.5"].value == 1.0
    assert more["precision_at_recall_0.8"].value == pytest.approx(4 / 6)
    assert more["recall_at_precision_0.98"].value == 0.5


def test_answers_of_one_group_widen_the_interval() -> None:
    chance, truth = answers(200)
    # Twenty copies of each answer: no more is known than from one.
    many, same = np.repeat(chance, 20), np.repeat(truth, 20)
    group = np.repeat(np.arange(200), 20)
    alone = measure(many, same, resamples=200).auc
    grouped = measure(many, same, groups=group, resamples=200).auc
    single = measure(chance, truth, resamples=200).auc
    assert alone is not None
    assert grouped is not None
    assert single is not None
    assert grouped.high - grouped.low > 3 * (alone.high - alone.low)
    assert grouped.high - grouped.low == pytest.approx(single.high - single.low, rel=0.35)


def test_draws_keep_classes_or_groups_whole() -> None:
    truth = np.arange(30) < 4
    for weights in draws(truth, resamples=20):
        assert weights[truth].sum() == 4
        assert weights[~truth].sum() == 26
    group = np.arange(30) // 3
    for weights in draws(truth, group, resamples=20):
        assert (weights.reshape(10, 3) == weights.reshape(10, 3)[:, :1]).all()


def test_a_better_judge_is_better_in_nearly_every_draw() -> None:
    rng = np.random.default_rng(1)
    truth = rng.random(800) < 0.5
    hard = rng.normal(0, 1, 800)
    good = 1 / (1 + np.exp(-(hard + np.where(truth, 1.5, -1.5))))
    poor = 1 / (1 + np.exp(-(hard + np.where(truth, 1.0, -1.0))))
    apart = difference(good, poor, truth, resamples=200)
    assert apart["auc"].figure.low > 0
    assert apart["auc"].above == 1.0
    assert apart["brier"].above == 0.0
    none = difference(good, good, truth, resamples=20)["auc"]
    assert none.figure.value == 0
    assert none.above == 0


def test_one_class_has_no_figures() -> None:
    found = measure(np.array([0.1, 0.9]), np.array([False, False]))
    assert found.auc is None
    assert found.more == {}


def test_answers_may_be_ranked_by_something_else() -> None:
    """Two models whose shares of yes differ: each ranks perfectly, their chances do not."""
    truth = np.array([True, False, True, False])
    chance = np.array([0.3, 0.1, 0.9, 0.6])
    rank = np.array([0.8, 0.2, 0.8, 0.2])
    plain, ranked = (measure(chance, truth, rank=by, resamples=5) for by in (None, rank))
    assert plain.auc is not None
    assert ranked.auc is not None
    assert (plain.auc.value, ranked.auc.value) == (0.75, 1.0)
    assert plain.ece_15 == ranked.ece_15
    assert plain.more["adaptive_ece_15"] == ranked.more["adaptive_ece_15"]
    found = difference(chance, chance, truth, rank=(rank, chance), resamples=5)
    assert found["auc"].figure.value == 0.25
    assert found["brier"].figure.value == 0.0
