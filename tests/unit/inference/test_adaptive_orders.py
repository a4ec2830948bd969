"""In which order pairs are asked about."""

from __future__ import annotations

import numpy as np
import pytest

from inference.adaptive.orders import Order, merge_gain, priorities

PROBABILITY = np.array([0.99, 0.5, 0.05, 0.6])
GAIN = np.array([0.1, 0.001, 0.5, 0.3])
CHANCE = np.array([0.2, 0.9, 0.1, 0.4])


@pytest.mark.parametrize(
    ("order", "first"),
    [
        (Order.PROBABILITY, 0),
        (Order.UNCERTAINTY, 1),
        (Order.VALUE, 2),
        (Order.VALUE_UNCERTAINTY, 3),
        (Order.RANDOM, 1),
    ],
)
def test_each_order_asks_something_else_first(order: Order, first: int) -> None:
    assert priorities(order, PROBABILITY, GAIN, CHANCE).argmax() == first


def test_the_gain_is_the_fall_of_vi_when_two_halves_are_joined() -> None:
    gain = merge_gain(np.array([[500, 500], [1, 999], [0, 1000]]), 1000)
    assert gain[0] == pytest.approx(np.log(2))
    assert 0 < gain[1] < 0.01
    assert gain[2] == pytest.approx(0)


def test_a_sure_large_error_comes_before_a_doubtful_small_one() -> None:
    chance = np.zeros(2)
    order = priorities(Order.VALUE_UNCERTAINTY, np.array([1.0, 0.5]), np.array([0.2, 0.02]), chance)
    assert order[0] > order[1]
