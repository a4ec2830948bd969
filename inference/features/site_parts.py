"""Small measurements that the features of tips, branch points and cuts share."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["BASELINE_PREFIXES", "Numbers", "flooded", "percentiles", "unit"]

Numbers = dict[str, float]
"""Named numbers of one site; NaN where something cannot be measured."""

BASELINE_PREFIXES = ("shape.", "contact.")
"""Features that see no microscopy: the baseline of contact and shape."""

Floats = NDArray[np.float64]


def unit(vector: Floats) -> Floats:
    """Return a vector at length 1; zero stays zero."""
    length = float(np.linalg.norm(vector))
    return vector / length if length > 0 else np.zeros_like(vector)


def flooded(
    height: NDArray[np.int16], markers: NDArray[np.int32], mask: NDArray[np.bool_]
) -> NDArray[np.int32]:
    """Return the basins of a watershed from markers, inside a mask."""
    from skimage import segmentation

    watershed: Any = segmentation.watershed
    return np.asarray(watershed(height, markers, mask=mask), np.int32)


def percentiles(values: NDArray[Any], marks: tuple[int, ...], name: str) -> Numbers:
    """Return percentiles under ``name.pN``, NaN where there are no values."""
    if not values.size:
        return {f"{name}.p{mark}": float("nan") for mark in marks}
    found = np.percentile(values, marks)
    return {f"{name}.p{m}": float(v) for m, v in zip(marks, found, strict=True)}
