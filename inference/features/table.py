"""Columns of numbers, collected by name; what is said of a pair has no first and second."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["Columns", "unit"]

Values = NDArray[np.floating]


class Columns:
    """Named columns of shape (n,), in the order in which they were added."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self.names: list[str] = []
        self.values: list[Values] = []

    def add(self, name: str, values: Values) -> None:
        """Add one column."""
        self.names.append(f"{self._prefix}.{name}")
        self.values.append(values)

    def sides(self, name: str, a: Values, b: Values) -> None:
        """Add a quantity that each of the two segments has: lower, higher, difference."""
        low, high = np.minimum(a, b), np.maximum(a, b)
        self.add(f"{name}.low", low)
        self.add(f"{name}.high", high)
        self.add(f"{name}.difference", high - low)

    def spread(self, name: str, values: Values) -> None:
        """Add what a quantity (n, k) is over the k places: mean, deviation, percentiles."""
        ordered = np.sort(values, axis=1)
        last = values.shape[1] - 1
        self.add(f"{name}.mean", ordered.mean(axis=1))
        self.add(f"{name}.deviation", ordered.std(axis=1))
        for percent in (5, 10, 25, 50, 75, 90, 95):
            self.add(f"{name}.p{percent}", ordered[:, round(percent / 100 * last)])


def unit(vectors: Values) -> NDArray[np.float64]:
    """Return vectors (..., 3) of length one; zero stays zero."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.maximum(length, 1e-9), np.float64)
