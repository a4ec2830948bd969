"""What features usually are, for an out-of-distribution score."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from inference.models.manifest import OutOfDistribution

__all__ = ["feature_statistics"]


def feature_statistics(
    training: NDArray[np.float32], held_out: NDArray[np.float32]
) -> OutOfDistribution:
    """Return mean and inverse covariance of training features, and usual held-out distances.

    The Mahalanobis distance of penultimate features follows Lee et al. 2018.
    """
    mean = training.mean(axis=0, dtype=np.float64)
    covariance = np.cov(training.astype(np.float64), rowvar=False)
    # A little of the mean variance on the diagonal keeps unused directions from dominating.
    ridge = 1e-3 * np.trace(covariance) / len(covariance)
    precision = np.linalg.inv(covariance + ridge * np.eye(len(covariance)))
    away = held_out.astype(np.float64) - mean
    distance = np.sqrt(np.einsum("ni,ij,nj->n", away, precision, away))
    p95, p99 = np.percentile(distance, [95, 99])
    return OutOfDistribution(
        mean=tuple(round(float(v), 6) for v in mean),
        precision=tuple(tuple(round(float(v), 6) for v in row) for row in precision),
        percentile_95=round(float(p95), 4),
        percentile_99=round(float(p99), 4),
    )
