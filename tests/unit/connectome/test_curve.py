from __future__ import annotations

import numpy as np

from connectome.space import curve_order


def test_neighbours_on_the_curve_are_near() -> None:
    points = np.random.default_rng(0).uniform(0, 10_000, (500, 3))
    ordered = points[curve_order(points, 250.0)]
    steps = [np.linalg.norm(np.diff(each, axis=0), axis=1).mean() for each in (ordered, points)]
    assert steps[0] < 0.4 * steps[1]
    assert curve_order(np.zeros((0, 3)), 250.0).tolist() == []
    same = np.zeros((3, 3))
    assert curve_order(same, 250.0).tolist() == [0, 1, 2]
