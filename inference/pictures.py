"""From slices to the numbers a model takes: one way for training and for judging.

A pair's pictures are nine channels: for each plane the grey values and the masks of A
and B. Stored pictures keep two bytes a pixel (grey, and 1 for A or 2 for B).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rendering.em import Slices
from rendering.spec import EMSpec

__all__ = ["NORMALISATION", "channel_names", "pack_pair", "unpack_pairs"]

NORMALISATION = "grey / 255 after the EMSpec's contrast; masks 0 or 1"
MASK_A, MASK_B = 1, 2


def channel_names(spec: EMSpec) -> tuple[str, ...]:
    """Return the names of the channels, in order."""
    return tuple(f"{plane}.{kind}" for plane in spec.planes for kind in ("em", "a", "b"))


def pack_pair(slices: Slices, segment_a: int, segment_b: int) -> NDArray[np.uint8]:
    """Return the stored picture of a pair, shape (planes, 2, size, size)."""
    code = np.zeros(slices.em.shape, np.uint8)
    code[slices.mask(segment_a)] = MASK_A
    code[slices.mask(segment_b)] = MASK_B
    return np.stack([slices.em, code], axis=1)


def unpack_pairs(packed: Sequence[NDArray[np.uint8]] | NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the model's input of stored pictures, shape (n, planes * 3, size, size)."""
    stored = np.asarray(packed)
    n, planes, _, height, width = stored.shape
    out = np.empty((n, planes, 3, height, width), np.float32)
    np.divide(stored[:, :, 0], 255.0, out=out[:, :, 0], dtype=np.float32)
    out[:, :, 1] = stored[:, :, 1] == MASK_A
    out[:, :, 2] = stored[:, :, 1] == MASK_B
    return out.reshape(n, planes * 3, height, width)
