"""EM slices through a site, with the masks of its two segments.

Orientation is Neuroglancer's: ``xy`` shows x to the right and y down, ``xz`` shows x
to the right and z down, ``yz`` shows z to the right and y down. Sampling is isotropic
(anisotropic voxels are stretched, linearly for grey values and by nearest neighbour
for ids). Outside the volume is absent, never black tissue.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from connectome.datastack import Imagery, Segmentation
from connectome.space import BoxNm, Cutout, PointNm
from rendering.spec import EMSpec

__all__ = ["Slices", "cut_slices", "slice_cutouts"]

_AXES = {"xy": (0, 1, 2), "xz": (0, 2, 1), "yz": (2, 1, 0)}
"""Per plane: the xyz axis to the right, the one downwards, and the one looked along."""


@dataclass(frozen=True)
class Slices:
    """Three slices through one point.

    Parameters
    ----------
    em : ndarray, shape (planes, size, size), uint8
        Grey values after contrast; 0 where absent.
    ids : ndarray, shape (planes, size, size), uint64
        Segment ids, 0 where absent or background.
    present : ndarray, shape (planes, size, size), bool
        Whether the pixel lies inside the volume.
    center_nm : tuple of float
        The point in the middle of every slice (between the four central pixels).
    """

    em: NDArray[np.uint8]
    ids: NDArray[np.uint64]
    present: NDArray[np.bool_]
    center_nm: PointNm
    spec: EMSpec

    def mask(self, segment: int) -> NDArray[np.bool_]:
        """Return where a segment is, shape (planes, size, size)."""
        return np.equal(self.ids, np.uint64(segment))


def cut_slices(
    imagery: Imagery, segmentation: Segmentation, center_nm: PointNm, spec: EMSpec
) -> Slices:
    """Read and sample the slices of a site from a datastack, at its finest scale.

    Raises
    ------
    OutsideVolumeError
        If the field of view holds no voxel.
    """
    # One voxel more than needed, so that interpolation at the rim has neighbours.
    margin = max(imagery.scales[0].voxel_nm)
    box = BoxNm.around(center_nm, spec.half_extent_nm + margin)
    return slice_cutouts(imagery.read(box), segmentation.read_roots(box), center_nm, spec)


def slice_cutouts(em: Cutout, ids: Cutout, center_nm: PointNm, spec: EMSpec) -> Slices:
    """Sample the slices of a site from voxels that were read already."""
    planes = len(spec.planes)
    shape = (planes, spec.size_px, spec.size_px)
    grey = np.zeros(shape, np.float32)
    segments = np.zeros(shape, np.uint64)
    present = np.zeros(shape, np.bool_)
    for index, plane in enumerate(spec.planes):
        points = _plane_points(plane, center_nm, spec)
        grey[index], present[index] = _sample_linear(em, points)
        segments[index] = _sample_nearest(ids, points)
    return Slices(_contrast(grey, present, spec), segments, present, center_nm, spec)


def _plane_points(plane: str, center_nm: PointNm, spec: EMSpec) -> NDArray[np.float64]:
    """Return the positions (size, size, 3) xyz in nm of a plane's pixel centres."""
    right, down, _ = _AXES[plane]
    step = 2 * spec.half_extent_nm / spec.size_px
    offsets = (np.arange(spec.size_px) + 0.5) * step - spec.half_extent_nm
    points = np.empty((spec.size_px, spec.size_px, 3))
    points[:] = center_nm
    points[..., right] += offsets[None, :]
    points[..., down] += offsets[:, None]
    return points


def _voxel_coordinates(cutout: Cutout, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return zyx array coordinates (3, size, size) where voxel centres are whole numbers."""
    local = (points - np.asarray(cutout.origin_nm)) / np.asarray(cutout.scale.voxel_nm) - 0.5
    return np.moveaxis(local[..., ::-1], -1, 0)


def _inside(cutout: Cutout, coordinates: NDArray[np.float64]) -> NDArray[np.bool_]:
    limits = np.asarray(cutout.data.shape, float)[:, None, None] - 0.5
    return np.asarray(((coordinates >= -0.5) & (coordinates < limits)).all(axis=0))


def _sample_linear(
    cutout: Cutout, points: NDArray[np.float64]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    coordinates = _voxel_coordinates(cutout, points)
    values = ndimage.map_coordinates(
        cutout.data, coordinates, output=np.float32, order=1, mode="nearest"
    )
    inside = _inside(cutout, coordinates)
    return np.where(inside, values, np.float32(0)), inside


def _sample_nearest(cutout: Cutout, points: NDArray[np.float64]) -> NDArray[np.uint64]:
    coordinates = _voxel_coordinates(cutout, points)
    inside = _inside(cutout, coordinates)
    # Plain indexing: an interpolating sampler would pass ids through float64 and
    # damage those beyond 2**53.
    index = np.floor(coordinates + 0.5).astype(np.int64)
    for axis, size in enumerate(cutout.data.shape):
        np.clip(index[axis], 0, size - 1, out=index[axis])
    values = cutout.data[index[0], index[1], index[2]].astype(np.uint64)
    return np.where(inside, values, np.uint64(0))


def _contrast(
    grey: NDArray[np.float32], present: NDArray[np.bool_], spec: EMSpec
) -> NDArray[np.uint8]:
    if not present.any():
        return np.zeros(grey.shape, np.uint8)
    low, high = np.percentile(grey[present], [spec.low_percentile, spec.high_percentile])
    span = max(float(high) - float(low), 1.0)
    scaled = np.clip((grey - low) * (255.0 / span), 0, 255).astype(np.uint8)
    return np.where(present, scaled, np.uint8(0))
