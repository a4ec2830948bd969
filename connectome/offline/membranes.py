"""Where the microscopy shows no membrane: the evidence behind the affinities.

A membrane is a dark structure that is thin. Brightness alone does not find it: mitochondria,
dense cytoplasm and vesicles are as dark. A grey closing (a maximum followed by a minimum
filter) fills what is dark and thinner than its window, and what it adds, the black top-hat,
is high on membranes and low elsewhere. On FIB-SEM of the fly's medulla this orders the
contacts of supervoxels by whether both sides are one neuron with an AUC of 0.90 (0.97
weighted by area), where the mean brightness has 0.56 (0.42).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["contrast", "openness", "rim_voxels"]

_REACH_NM = 22.0
"""Half the closing's window: membranes and clefts of up to about 40 nm are thinner."""
_THICKEST_VOXEL_NM = 45.0
"""Along an axis with longer voxels than this a membrane is no thin structure."""
_MEMBRANE_CONTRAST = 0.1
"""A top-hat of this share of the volume's contrast is a membrane for certain."""
_SLAB = 64

_Grey = NDArray[np.uint8]


def contrast(em: _Grey) -> tuple[float, float]:
    """Return the 2nd and the 98th percentile of a volume's grey values."""
    low, high = np.percentile(em[:: max(1, em.shape[0] // 64)], (2, 98))
    return float(low), float(high)


def openness(
    em: _Grey,
    voxel_nm: tuple[float, float, float],
    grey_range: tuple[float, float] | None = None,
) -> _Grey:
    """Return for each voxel how surely it lies on no membrane.

    Parameters
    ----------
    em : ndarray, shape (z, y, x), uint8
        The microscopy; membranes are dark.
    voxel_nm : tuple of float
        Voxel size (x, y, z) in nm.
    grey_range : tuple of float, optional
        The `contrast` of the volume that the array is a part of; its own if None.

    Returns
    -------
    ndarray, shape (z, y, x), uint8
        255 where the black top-hat of the slightly smoothed EM is 0, falling linearly to 0
        where it reaches a tenth of the contrast (2nd to 98th percentile of the volume).
    """
    reach = [_reach(v) for v in voxel_nm[::-1]]
    low, high = grey_range or contrast(em)
    steps = np.arange(256) / max(1.0, _MEMBRANE_CONTRAST * (high - low))
    table = np.rint(255 * np.clip(1 - steps, 0, 1)).astype(np.uint8)
    out = np.empty_like(em)
    # In slabs, because the filters need several copies; the rim is what they look at.
    rim = 2 * reach[0] + 1
    for start in range(0, em.shape[0], _SLAB):
        end = min(start + _SLAB, em.shape[0])
        first = max(0, start - rim)
        slab = _smooth(em[first : end + rim])
        hat = (_closed(slab, reach) - slab)[start - first : end - first]
        out[start:end] = table[hat]
    return out


def rim_voxels(voxel_nm: tuple[float, float, float]) -> tuple[int, int, int]:
    """Return how far (x, y, z) beyond a voxel `openness` looks, in voxels."""
    x, y, z = (2 * _reach(v) + 1 for v in voxel_nm)
    return (x, y, z)


def _reach(voxel_nm: float) -> int:
    return max(1, round(_REACH_NM / voxel_nm)) if voxel_nm <= _THICKEST_VOXEL_NM else 0


def _smooth(em: _Grey) -> _Grey:
    """Return the mean with weights 1, 2, 1 along each axis."""
    wide: NDArray[np.uint16] = em.astype(np.uint16)
    for axis in range(3):
        pad = [(1, 1) if k == axis else (0, 0) for k in range(3)]
        far = np.moveaxis(np.pad(wide, pad, mode="edge"), axis, 0)
        mean = (far[:-2] + 2 * far[1:-1] + far[2:] + 2) >> 2
        wide = np.moveaxis(mean.astype(np.uint16, copy=False), 0, axis)
    return wide.astype(np.uint8)


def _closed(grey: _Grey, reach: list[int]) -> _Grey:
    """Return the grey closing with a box of ``2 * reach + 1`` voxels (z, y, x)."""
    for axis, n in enumerate(reach):
        grey = _window(grey, n, axis, np.maximum, 0)
    for axis, n in enumerate(reach):
        grey = _window(grey, n, axis, np.minimum, 255)
    return grey


def _window(grey: _Grey, reach: int, axis: int, best: np.ufunc, outside: int) -> _Grey:
    """Return the maximum or minimum of ``2 * reach + 1`` neighbours along an axis.

    Windows are doubled, so a window of w needs about log2(w) passes, each as quick as
    numpy compares bytes; that is several times faster than a general filter.
    """
    pad = [(reach, reach) if k == axis else (0, 0) for k in range(3)]
    found = np.moveaxis(np.pad(grey, pad, constant_values=outside), axis, 0)
    width, wanted = 1, 2 * reach + 1
    while width < wanted:
        step = min(width, wanted - width)
        found = best(found[:-step], found[step:])
        width += step
    return np.moveaxis(found, 0, axis)
