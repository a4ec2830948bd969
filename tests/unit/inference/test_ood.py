from __future__ import annotations

import numpy as np
import pytest

from inference.distribution import Familiar, mahalanobis
from inference.models.manifest import OutOfDistribution
from tests.site_judges import scripted_manifest


def test_distance_counts_deviations_along_each_direction() -> None:
    precision = np.diag([1.0, 1 / 4.0])
    away = mahalanobis(np.array([[3.0, 1.0], [1.0, 5.0]]), np.array([1.0, 1.0]), precision)
    np.testing.assert_allclose(away, [2.0, 2.0])


def test_distances_are_told_as_shares_of_the_usual() -> None:
    statistics = OutOfDistribution(
        mean=(0.0, 0.0),
        precision=((1.0, 0.0), (0.0, 1.0)),
        percentile_95=2.0,
        percentile_99=3.0,
    )
    manifest = scripted_manifest("x").model_copy(update={"out_of_distribution": statistics})
    familiar = Familiar(manifest)
    away = familiar.distances(np.array([[3.0, 4.0]], np.float32))
    assert away[0] == pytest.approx(5.0)
    assert familiar.shares(away)[0] == pytest.approx(2.5)


def test_nothing_is_known_without_statistics() -> None:
    familiar = Familiar(scripted_manifest("x"))
    assert np.isnan(familiar.distances(np.zeros((3, 2)))).all()
    assert np.isnan(familiar.shares(np.ones(2))).all()
