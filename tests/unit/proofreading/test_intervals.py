"""Intervals hold what they promise."""

from __future__ import annotations

import numpy as np
import pytest

from proofreading.intervals import expected_count, share_of
from proofreading.sampling import Purpose, is_drawn, place_of


@pytest.mark.parametrize("chance", [0.01, 0.2, 0.5])
def test_a_share_s_interval_holds_the_truth_at_least_so_often(chance: float) -> None:
    drawn = np.random.default_rng(1).binomial(40, chance, 2000)
    inside = [
        share_of(int(hits), 40).low <= chance <= share_of(int(hits), 40).high for hits in drawn
    ]
    assert np.mean(inside) >= 0.945


def test_nothing_counted_says_nothing() -> None:
    nothing = share_of(0, 0)
    assert (nothing.value, nothing.low, nothing.high) == (None, 0.0, 1.0)
    assert share_of(0, 10).low == 0.0
    assert share_of(10, 10).high == 1.0
    with pytest.raises(ValueError, match="3 of 2"):
        share_of(3, 2)


def test_an_expected_count_s_interval_holds_nearly_all_outcomes() -> None:
    rng = np.random.default_rng(2)
    chances = rng.uniform(0, 0.05, 400)
    outcomes = (rng.random((4000, 400)) < chances).sum(axis=1)
    told = expected_count(float(chances.sum()), 400)
    assert np.mean((outcomes >= told.low) & (outcomes <= told.high)) >= 0.95
    assert expected_count(0.0, 10).high == 0
    assert expected_count(1.5, 2).high == 2


def test_a_greater_share_holds_the_smaller_one_and_is_as_large_as_it_says() -> None:
    sites = [f"{number:016x}" for number in range(5000)]
    few = {s for s in sites if is_drawn(Purpose.BLIND, 1, s, 0.1)}
    many = {s for s in sites if is_drawn(Purpose.BLIND, 1, s, 0.3)}
    assert few < many
    assert len(few) == pytest.approx(500, abs=70)
    assert few != {s for s in sites if is_drawn(Purpose.BLIND, 2, s, 0.1)}
    assert few != {s for s in sites if is_drawn(Purpose.AUDIT, 1, s, 0.1)}
    assert all(0 <= place_of(Purpose.ORDER, 0, s) < 1 for s in sites)
