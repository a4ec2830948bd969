"""Grey values of microscopy: a piece of tissue to measure, and 8 bits from other types."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from connectome.errors import OutsideVolumeError
from connectome.space import BoxNm, Cutout, Scale

__all__ = ["Stretch", "measure_stretch", "tissue_values"]

_BLOCK = 64
_ENOUGH = 0.5
_TRIES = 16
_LOW_PERCENTILE, _HIGH_PERCENTILE = 0.5, 99.5


@dataclass(frozen=True)
class Stretch:
    """How stored values become 8 bits: ``low`` becomes 0 and ``high`` 255."""

    low: float
    high: float

    def to_8_bit(self, values: NDArray[Any]) -> NDArray[np.uint8]:
        """Return the values as 8 bits; those that are not numbers become 0."""
        scaled = (values.astype(np.float32) - self.low) * (255.0 / (self.high - self.low))
        clipped = np.clip(np.rint(scaled), 0, 255)
        return np.where(np.isnan(clipped), 0, clipped).astype(np.uint8)

    def stored(self, grey: float) -> float:
        """Return the stored value of an 8-bit one."""
        return self.low + grey / 255.0 * (self.high - self.low)


def measure_stretch(scale: Scale, read: Callable[[BoxNm], Cutout]) -> Stretch:
    """Return the stretch from the 0.5th to the 99.5th percentile of a piece of tissue.

    Parameters
    ----------
    scale : Scale
        The finest scale.
    read : callable
        Gives its voxels of a box, as they are stored.
    """
    values = tissue_values(scale, read)
    low, high = np.percentile(values.astype(np.float64), [_LOW_PERCENTILE, _HIGH_PERCENTILE])
    # A flat piece says nothing about the range; one step of the type keeps its value.
    return Stretch(float(low), float(high) if high > low else float(low) + 1.0)


def tissue_values(scale: Scale, read: Callable[[BoxNm], Cutout]) -> NDArray[Any]:
    """Return the values of one block of tissue, shape (n,).

    The one in the middle, or where that is mostly padding or all of one value, the first
    of 16 spread over the volume that is not; the fullest, if none is. Padding is what is
    exactly 0, as writers leave it, and what is not a number. The finest scale tells the
    range of the values: coarser ones hold means, which are never as dark or as bright.

    Parameters
    ----------
    scale : Scale
        The finest scale.
    read : callable
        Gives its voxels of a box.
    """
    best: NDArray[Any] = np.zeros(1)
    for box in _blocks(scale):
        try:
            values = read(box).data.reshape(-1)
        except OutsideVolumeError:
            continue
        tissue: NDArray[Any] = values[np.isfinite(values) & (values != 0)]
        if len(tissue) >= _ENOUGH * len(values) and tissue.min() < tissue.max():
            return tissue
        if len(tissue) > len(best):
            best = tissue
    return best


def _blocks(scale: Scale) -> Iterator[BoxNm]:
    """Yield boxes of one block each: the middle, then others spread over the volume."""
    seen: set[tuple[int, ...]] = set()
    for number in range(_TRIES):
        # Spread by the plastic number's sequence (M. Roberts, 2018), which starts in
        # the middle and fills space evenly however many are taken.
        share = [(0.5 + number * step) % 1.0 for step in _STEPS]
        block = tuple(
            min(int(part * size / _BLOCK), (size - 1) // _BLOCK)
            for part, size in zip(share, scale.shape, strict=True)
        )
        if block in seen:
            continue
        seen.add(block)
        low = [o + b * _BLOCK for o, b in zip(scale.offset, block, strict=True)]
        lower = [i * v for i, v in zip(low, scale.voxel_nm, strict=True)]
        upper = [(i + _BLOCK) * v for i, v in zip(low, scale.voxel_nm, strict=True)]
        yield BoxNm((lower[0], lower[1], lower[2]), (upper[0], upper[1], upper[2]))


_PLASTIC = 1.2207440846057596
_STEPS = (1 / _PLASTIC, 1 / _PLASTIC**2, 1 / _PLASTIC**3)
