from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import binom

from connectome.errors import InputError
from inference.evaluation.lanes import audit, error_bound, grouped_bound, lanes


def answers(count: int, seed: int, spread: float = 5.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    chance = expit(rng.normal(0, spread, count))
    return chance, rng.random(count) < chance


def test_the_bound_is_the_exact_binomial_one() -> None:
    assert error_bound(0, 299, 0.05) == pytest.approx(0.01, abs=1e-4)
    bound = error_bound(4, 500, 0.05)
    assert binom.cdf(4, 500, bound) == pytest.approx(0.05, abs=1e-9)
    assert error_bound(0, 0, 0.05) == 1.0
    assert error_bound(3, 3, 0.05) == 1.0


def test_lanes_keep_their_promise_on_fresh_answers() -> None:
    broken, covered = 0, []
    for seed in range(40):
        chosen = lanes(*answers(3000, seed), 0.02)
        for lane in (chosen.accept, chosen.reject):
            assert lane.threshold is None or lane.bound <= 0.02
        found = audit(chosen, *answers(20_000, 1000 + seed))
        covered.append(found.automatic.coverage)
        broken += sum(
            lane.error is not None and lane.error.value > 0.02
            for lane in (found.accepted, found.rejected)
        )
    # Each of the 80 lanes may break its promise with a chance of one in twenty.
    assert broken <= 8
    assert np.mean(covered) > 0.15


def test_an_error_no_lane_can_keep_leaves_everything_to_the_person() -> None:
    chance, truth = answers(200, 0)
    few = lanes(chance, truth, 0.01)
    assert few.accept_above is None
    assert few.reject_below is None
    assert few.coverage == 0
    found = audit(few, chance, truth)
    assert found.automatic.count == 0
    assert found.automatic.error is None
    blind = lanes(np.full(5000, 0.5), np.arange(5000) % 2 == 0, 0.01)
    assert blind.accept_above is None
    assert blind.reject_below is None


def test_all_equal_answers_are_in_one_lane_only() -> None:
    chosen = lanes(np.full(5000, 0.9), np.ones(5000, np.bool_), 0.01)
    assert chosen.accept_above == 0.9
    assert chosen.reject_below is None
    assert chosen.coverage == 1
    half = lanes(np.full(400, 0.5), np.arange(400) % 2 == 0, 0.7)
    assert half.accept_above is not None
    assert half.reject_below is None


def test_an_audit_counts_what_was_wrong() -> None:
    chance = np.concatenate([np.full(1000, 0.99), np.full(1000, 0.01), np.full(50, 0.5)])
    truth = (chance > 0.6) | ((chance == 0.5) & (np.arange(2050) % 2 == 0))
    chosen = lanes(chance, truth, 0.01)
    assert chosen.coverage == pytest.approx(2000 / 2050)
    assert chosen.expected_error == pytest.approx(0.01)
    found = audit(chosen, np.array([0.995, 0.99, 0.3, 0.01]), np.array([True, False, True, False]))
    assert (found.accepted.count, found.accepted.errors) == (2, 1)
    assert (found.rejected.count, found.rejected.errors) == (1, 0)
    assert found.automatic.coverage == 0.75
    assert found.accepted.error is not None
    assert found.accepted.error.low < 0.5 < found.accepted.error.high
    assert found.rejected.error is not None
    assert found.rejected.error.low == 0


@pytest.mark.parametrize(("target", "confidence"), [(0.0, 0.95), (0.01, 1.0), (1.5, 0.9)])
def test_targets_that_mean_nothing_are_refused(target: float, confidence: float) -> None:
    with pytest.raises(InputError, match="means nothing"):
        lanes(*answers(100, 0), target, confidence=confidence)


def test_answers_of_few_bodies_prove_less() -> None:
    wrong = np.zeros(2000, np.bool_)
    wrong[::250] = True
    alone = np.arange(2000)
    spread, gathered = alone % 40, np.where(wrong, 0, alone % 39 + 1)
    plain = error_bound(int(wrong.sum()), 2000, 0.05)
    assert grouped_bound(wrong, alone, 0.05) == pytest.approx(plain, rel=0.01)
    assert plain < grouped_bound(wrong, spread, 0.05) < grouped_bound(wrong, gathered, 0.05)
    assert grouped_bound(wrong, np.zeros(2000), 0.05) == 1.0


def test_lanes_of_grouped_answers_keep_their_promise_where_plain_ones_do_not() -> None:
    """Bodies differ in how often their answers are wrong."""
    rng = np.random.default_rng(0)

    def drawn() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        body = rng.integers(0, 40, 4000)
        shift = rng.normal(0, 2.5, 40)[body]
        logit = rng.normal(0, 6, 4000)
        return expit(logit), rng.random(4000) < expit(logit + shift), body

    broken = {True: 0, False: 0}
    for _ in range(40):
        chance, truth, body = drawn()
        fresh = [drawn() for _ in range(5)]
        for grouped in broken:
            made = lanes(chance, truth, 0.05, groups=body if grouped else None)
            asked, right = (np.concatenate([each[k] for each in fresh]) for k in (0, 1))
            found = audit(made, asked, right)
            error = found.accepted.error
            broken[grouped] += error is not None and error.value > 0.05
    assert broken[True] <= 6
    assert broken[True] < broken[False]
