"""Supervoxels from EM alone: a watershed that cuts segments at their dark membranes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["oversegment"]

_SMOOTH_NM = 20.0
_SEED_NM = 140.0


def oversegment(
    em: NDArray[np.uint8], mask: NDArray[np.bool_], voxel_nm: tuple[float, float, float]
) -> NDArray[np.uint32]:
    """Return supervoxels that a watershed of the darkness grows from bright seeds.

    Parameters
    ----------
    em : ndarray, shape (z, y, x), uint8
        The microscopy; membranes are dark.
    mask : ndarray, shape (z, y, x), bool
        Voxels that belong to a segment.
    voxel_nm : tuple of float
        Voxel size (x, y, z) in nm.

    Returns
    -------
    ndarray, shape (z, y, x), uint32
        Labels from 1; 0 outside the mask and where no seed reached.
    """
    from scipy import ndimage
    from skimage.segmentation import watershed

    zyx = voxel_nm[::-1]
    smooth = ndimage.gaussian_filter(em, [_SMOOTH_NM / v for v in zyx], output=np.float32)
    size = [max(3, 2 * round(_SEED_NM / 2 / v) + 1) for v in zyx]
    peak = (smooth == ndimage.maximum_filter(smooth, size=size)) & mask
    seeds, _ = ndimage.label(peak, structure=np.ones((3, 3, 3)))
    labels = watershed(-smooth, markers=seeds, mask=mask)  # type: ignore[no-untyped-call]
    return np.asarray(labels, dtype=np.uint32)
