"""Small labels for 64-bit ids."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["renumbered"]


def renumbered(ids: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    """Return labels that count from 1, 0 kept, and the id of each label."""
    # A plain 0 would turn the array into floats, in which ids beyond 2^53 are not exact.
    names, labels = np.unique(np.append(np.uint64(0), ids.ravel()), return_inverse=True)
    return labels[1:].reshape(ids.shape).astype(np.int64), names
