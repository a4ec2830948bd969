"""How far an input is from what a model was trained on.

The Mahalanobis distance of penultimate features (Lee et al. 2018, "A Simple Unified
Framework for Detecting Out-of-Distribution Samples"), to the training features as a whole.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from inference.models.manifest import ModelManifest

__all__ = ["Familiar", "mahalanobis"]

Floats = NDArray[np.float64]


class Familiar:
    """What a model's training features were like; measures how unlike them others are.

    Where the manifest has no statistics, nothing is known and every distance is NaN.
    """

    def __init__(self, manifest: ModelManifest) -> None:
        statistics = manifest.out_of_distribution
        # An ensemble states what is usual, but has no features of its own.
        self._arrays = statistics.arrays() if statistics is not None and statistics.mean else None
        self.usual = float("nan") if statistics is None else statistics.percentile_95

    def distances(self, features: NDArray[np.floating]) -> Floats:
        """Return the distances (n,) of features (n, d)."""
        if self._arrays is None:
            return np.full(len(features), np.nan)
        return mahalanobis(features, *self._arrays)

    def shares(self, distances: NDArray[np.floating]) -> Floats:
        """Return distances (n,) as shares of what 95 % of usual inputs stay below."""
        return np.asarray(distances, np.float64) / self.usual


def mahalanobis(features: NDArray[np.floating], mean: Floats, precision: Floats) -> Floats:
    """Return the distance (n,) of features (n, d) from a mean (d,) by an inverse covariance."""
    away = features.astype(np.float64) - mean
    squared = np.einsum("ni,ni->n", away @ precision, away)
    return np.asarray(np.sqrt(np.maximum(squared, 0.0)))
