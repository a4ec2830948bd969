"""What makes a pair unlike the training is named in words."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from inference.judges.unusual import blamed

NAMES = ("em.ball150.mean", "em.dark.mean", "shape.area", "shape.section40.low")
USUAL = np.zeros((5, 4), np.float32)


def _from_zero(rows: NDArray[np.float32]) -> NDArray[np.float64]:
    return np.asarray(np.sqrt((rows.astype(np.float64) ** 2).sum(axis=1)))


def test_the_group_that_brings_the_distance_is_named_first() -> None:
    row = np.array([0.0, 3.0, 4.0, 0.1], np.float32)
    found = blamed(_from_zero, NAMES, row, USUAL)
    assert [each.words for each in found] == [
        "the size and form of the contact",
        "the membrane between them",
    ]
    assert np.isclose(found[0].share, 1 - np.hypot(3.0, 0.1) / np.hypot(5.0, 0.1), atol=1e-3)


def test_a_usual_pair_has_nothing_to_name_and_without_others_nothing_is_known() -> None:
    assert blamed(_from_zero, NAMES, USUAL[0], USUAL) == ()
    assert blamed(_from_zero, NAMES, np.ones(4, np.float32), USUAL[:0]) == ()
    assert blamed(lambda _rows: None, NAMES, np.ones(4, np.float32), USUAL) == ()
