"""A block of voxels that can be asked what lies at many places at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from inference.features.spec import FeatureSpec

__all__ = ["GREY", "Block", "gaps_filled_nm", "prepared"]

Floats = NDArray[np.float32]
Greys = NDArray[np.uint16]

GREY = 128
"""Steps of a stored grey value per grey value of the microscopy."""


@dataclass(frozen=True)
class Block:
    """Labels and filtered microscopy of one box of voxels, all (z, y, x).

    The arrays are padded so far that every place looked at lies inside them: with label 0
    and with the grey of the nearest face.

    Parameters
    ----------
    labels : ndarray
        Segments, small gaps filled, 0 where unassigned or outside.
    fine, coarse : ndarray of uint16
        Grey values smoothed by the spec's two Gaussians, in `GREY` steps.
    dark : ndarray of uint16
        Black top-hat in `GREY` steps: high on dark structures that are thin.
    voxel_nm : ndarray, shape (3,)
        Voxel size, zyx.
    padding : ndarray, shape (3,)
        Voxels added before the first and after the last, zyx.
    """

    labels: NDArray[Any]
    fine: Greys
    coarse: Greys
    dark: Greys
    voxel_nm: NDArray[np.float64]
    padding: NDArray[np.int64]

    @property
    def shape(self) -> NDArray[np.int64]:
        """Voxels of the box itself, zyx."""
        return np.asarray(self.labels.shape - 2 * self.padding)

    def flat(self, voxels: NDArray[np.integer]) -> NDArray[np.int32]:
        """Return the flat indices (...) of voxels (..., 3) of the box."""
        return self._dot(np.asarray(voxels + self.padding, np.int32))

    def steps(self, offsets_nm: NDArray[np.floating]) -> NDArray[np.int32]:
        """Return what to add (...) to a flat index to go so far (..., 3), zyx in nm."""
        # Relative to a voxel, so that a cutout rounds exactly as the whole volume does.
        scaled = offsets_nm / self.voxel_nm
        scaled += 0.5
        return self._dot(np.floor(scaled, out=scaled).astype(np.int32))

    def _dot(self, index: NDArray[np.int32]) -> NDArray[np.int32]:
        _, ny, nx = self.labels.shape
        flat: NDArray[np.int32] = (index[..., 0] * np.int32(ny) + index[..., 1]) * np.int32(nx)
        flat += index[..., 2]
        return flat

    def labels_at(self, indices: NDArray[np.int32]) -> NDArray[Any]:
        """Return the labels at flat indices."""
        return np.asarray(self.labels.ravel()[indices])


def prepared(
    em: NDArray[np.uint8],
    labels: NDArray[Any],
    centers: NDArray[np.int64],
    voxel_nm: tuple[float, float, float],
    spec: FeatureSpec,
    *,
    filled: bool = False,
) -> Block:
    """Return a block in which everything around some voxels (n, 3) can be looked at.

    ``voxel_nm`` is (x, y, z); arrays and ``centers`` are zyx. ``filled`` tells that the
    gaps between the labels were filled before.
    """
    size = np.asarray(voxel_nm[::-1], np.float64)
    grey = em.astype(np.float32)
    fine, coarse = (ndimage.gaussian_filter(grey, s / size) for s in spec.smoothing_nm)
    dark = _top_hat(fine, size, spec.membrane_nm)
    padding = _padding(np.asarray(em.shape), centers, np.ceil(spec.looked_at_nm / size) + 2)
    around = [(int(n), int(n)) for n in padding]
    whole = labels if filled else gaps_filled_nm(labels, size, spec.gap_nm)
    return Block(
        labels=np.pad(whole, around),
        fine=_stored(fine, around),
        coarse=_stored(coarse, around),
        dark=_stored(dark, around),
        voxel_nm=size,
        padding=padding,
    )


def _stored(field: Floats, around: list[tuple[int, int]]) -> Greys:
    return np.pad(np.rint(field * GREY).astype(np.uint16), around, mode="edge")


def _padding(
    shape: NDArray[np.int64], centers: NDArray[np.int64], reach: NDArray[np.float64]
) -> NDArray[np.int64]:
    if not len(centers):
        return np.zeros(3, np.int64)
    room = np.minimum(centers.min(axis=0), shape - 1 - centers.max(axis=0))
    return np.asarray(np.maximum(reach - room, 0), np.int64)


def gaps_filled_nm(
    labels: NDArray[Any], voxel_nm: NDArray[np.float64], reach_nm: float
) -> NDArray[Any]:
    """Return the labels with unassigned voxels given to the nearest label within reach.

    As `inference.datasets.contacts.gaps_filled`, for voxels of any size (zyx).
    """
    empty = labels == 0
    if not empty.any() or empty.all():
        return labels
    distance, nearest = ndimage.distance_transform_edt(
        empty, sampling=voxel_nm, return_indices=True
    )
    filled: NDArray[Any] = labels[tuple(nearest)]
    return np.where(distance <= reach_nm + 1e-6, filled, labels.dtype.type(0))


def _top_hat(grey: Floats, voxel_nm: NDArray[np.float64], half_nm: float) -> Floats:
    """Return what a grey closing adds, see `connectome.offline.membranes`."""
    # Along an axis with voxels longer than the window a membrane is no thin structure.
    half = [round(half_nm / v) for v in voxel_nm]
    window = tuple(2 * n + 1 for n in half)
    closed = ndimage.grey_closing(grey, size=window, mode="nearest")
    return np.asarray(closed - grey, np.float32)
