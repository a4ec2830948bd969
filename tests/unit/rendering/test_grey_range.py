"""The grey values that Neuroglancer shows as black and white."""

from __future__ import annotations

import numpy as np

from rendering.em import grey_range
from tests.arrays import ArrayDatastack


def _imagery(em: np.ndarray) -> ArrayDatastack:
    labels = np.ones(em.shape, np.uint64)
    return ArrayDatastack(em, labels, labels, (8.0, 8.0, 40.0))


def test_the_middle_of_the_values_is_stretched() -> None:
    em = np.full((20, 40, 40), 120, np.uint8)
    em[:10] = 80
    em[0, 0, 0], em[0, 0, 1] = 0, 255
    imagery = _imagery(em).imagery
    assert imagery is not None
    assert grey_range(imagery) == (80.0, 120.0)


def test_a_flat_volume_still_has_a_range() -> None:
    imagery = _imagery(np.full((8, 8, 8), 7, np.uint8)).imagery
    assert imagery is not None
    assert grey_range(imagery) == (7.0, 8.0)
