"""The voxels around a site, the same from arrays in memory and from a datastack."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from connectome.datastack import Datastack
from connectome.errors import InputError, OutsideVolumeError, VolumeError
from connectome.offline.membranes import openness
from connectome.space import BoxNm, Cutout, PointNm

__all__ = ["SNAP_NM", "SiteView", "site_view", "view_at"]

Mask = NDArray[np.bool_]
Floats = NDArray[np.float64]

WORKING_VOXEL_NM = 10.0
"""Voxels finer than half of this are strided over."""
SNAP_NM = 150.0
"""How far a site's point may lie from its segment."""


@dataclass(frozen=True, eq=False)
class SiteView:
    """A cube of tissue around a point of one segment; arrays (z, y, x) of one shape.

    Parameters
    ----------
    em : ndarray of uint8
        Grey values.
    labels : ndarray of int32
        Segments, numbered anew; 0 is background.
    own : ndarray of bool
        The part of the site's segment that hangs together with the point inside the cube.
    seed : tuple of int
        The own voxel (z, y, x) nearest to the point.
    axes_nm : tuple of ndarray
        Positions of the voxel centres along z, y and x.
    step_nm : tuple of float
        Voxel size (z, y, x).
    room_nm : float
        Distance from the point to the nearest face of the whole volume.
    window : tuple of (int, int, int)
        First voxel, past-the-end voxel and stride along z, y and x, in the volume's grid.
    """

    em: NDArray[np.uint8]
    labels: NDArray[np.int32]
    own: Mask
    seed: tuple[int, int, int]
    axes_nm: tuple[Floats, Floats, Floats]
    step_nm: tuple[float, float, float]
    room_nm: float
    window: tuple[tuple[int, int, int], ...]

    @cached_property
    def open(self) -> NDArray[np.uint8]:
        """How surely each voxel lies on no membrane, 0 to 255."""
        z, y, x = self.step_nm
        return openness(self.em, (x, y, z))

    @cached_property
    def depth_nm(self) -> NDArray[np.float32]:
        """Distance of each own voxel from the surface; the cube's faces are no surface."""
        depth: NDArray[np.float32] = np.zeros(self.own.shape, np.float32)
        # The nearest voxel outside always touches the segment, so its box and a rim suffice.
        box = ndimage.find_objects(self.own.view(np.uint8))[0]
        part = tuple(slice(max(0, s.start - 1), s.stop + 1) for s in box)
        depth[part] = ndimage.distance_transform_edt(self.own[part], sampling=self.step_nm)
        return depth

    @cached_property
    def point_nm(self) -> Floats:
        """Where the seed lies, zyx in nm."""
        return self.position(np.asarray(self.seed))

    @cached_property
    def away_nm(self) -> NDArray[np.float32]:
        """Distance of every voxel from the seed."""
        z, y, x = (axis - p for axis, p in zip(self.axes_nm, self.point_nm, strict=True))
        flat = (y**2)[:, None] + (x**2)[None, :]
        return np.asarray(np.sqrt((z**2)[:, None, None] + flat[None]), np.float32)

    @property
    def voxel_nm3(self) -> float:
        """Volume of a voxel."""
        return float(np.prod(self.step_nm))

    def position(self, voxels: NDArray[Any]) -> Floats:
        """Return the centres (..., 3) zyx in nm of voxels (..., 3) zyx."""
        parts = [axis[voxels[..., k]] for k, axis in enumerate(self.axes_nm)]
        return np.asarray(np.stack(parts, axis=-1), np.float64)

    def aligned(self, cutout: Cutout) -> NDArray[Any]:
        """Return the voxels of another cutout of the same grid that covers the cube."""
        parts = []
        for (start, stop, stride), first in zip(
            self.window, reversed(cutout.first_voxel), strict=True
        ):
            parts.append(slice(start - first, stop - first, stride))
        return np.asarray(cutout.data[tuple(parts)])

    def sampled(
        self, values: NDArray[Any], points_nm: Floats, outside: float = np.nan
    ) -> NDArray[np.float64]:
        """Return the values at points (..., 3) zyx in nm; `outside` beyond the cube."""
        low = np.array([axis[0] for axis in self.axes_nm])
        index = np.rint((points_nm - low) / np.asarray(self.step_nm)).astype(np.int64)
        inside = ((index >= 0) & (index < values.shape)).all(axis=-1)
        kept = np.where(inside[..., None], index, 0)
        found = values[kept[..., 0], kept[..., 1], kept[..., 2]].astype(np.float64)
        return np.where(inside, found, outside)


def view_at(datastack: Datastack, root: int, point_nm: PointNm, half_nm: float) -> SiteView:
    """Read the cube around a point of a segment.

    Raises
    ------
    VolumeError
        If the datastack has no microscopy.
    InputError
        If the segment is not near the point.
    OutsideVolumeError
        If no voxel lies there.
    """
    if datastack.imagery is None:
        raise VolumeError(
            "This datastack shows no microscopy.",
            "Judges look at the microscopy; answer these sites without one.",
        )
    box = BoxNm.around(point_nm, half_nm)
    roots = datastack.segmentation.read_roots(box)
    em = datastack.imagery.read(roots.bounds_nm)
    return site_view(em, roots, root, point_nm, half_nm)


def site_view(em: Cutout, roots: Cutout, root: int, point_nm: PointNm, half_nm: float) -> SiteView:
    """Cut the cube around a point of a segment out of larger arrays of one grid.

    Raises
    ------
    InputError
        If the segment is not within 150 nm of the point, or the grids differ.
    OutsideVolumeError
        If no voxel lies there.
    """
    if em.data.shape != roots.data.shape or em.scale.voxel_nm != roots.scale.voxel_nm:
        raise InputError(
            "Microscopy and segmentation lie on different grids.",
            "Read both at the resolution of the segmentation.",
        )
    scale = roots.scale
    first, last = scale.clip(BoxNm.around(point_nm, half_nm))
    steps = [max(1, int(WORKING_VOXEL_NM / voxel + 0.5)) for voxel in scale.voxel_nm]
    spans, axes, window = [], [], []
    for axis in (2, 1, 0):
        start = max(first[axis], roots.first_voxel[axis])
        stop = min(last[axis], roots.first_voxel[axis] + roots.data.shape[2 - axis])
        if stop <= start:
            raise OutsideVolumeError("The place lies outside the cutout.", "Read more around it.")
        spans.append(
            slice(start - roots.first_voxel[axis], stop - roots.first_voxel[axis], steps[axis])
        )
        axes.append((np.arange(start, stop, steps[axis]) + 0.5) * scale.voxel_nm[axis])
        window.append((start, stop, steps[axis]))
    part = tuple(spans)
    names, small = np.unique(roots.data[part], return_inverse=True)
    labels = (small.reshape(roots.data[part].shape) + (names[0] != 0)).astype(np.int32)
    step = tuple(s * v for s, v in zip(reversed(steps), reversed(scale.voxel_nm), strict=True))
    own, seed = _own(roots.data[part] == root, (axes[0], axes[1], axes[2]), point_nm)
    low, high = scale.bounds_nm.lower, scale.bounds_nm.upper
    room = min(min(p - a, b - p) for a, p, b in zip(low, point_nm, high, strict=True))
    grey = np.ascontiguousarray(em.data[part])
    return SiteView(
        grey,
        labels,
        own,
        seed,
        (axes[0], axes[1], axes[2]),
        (step[0], step[1], step[2]),
        room,
        tuple(window),
    )


def _own(
    mask: Mask, axes: tuple[Floats, Floats, Floats], point_nm: PointNm
) -> tuple[Mask, tuple[int, int, int]]:
    """Return the component of a mask nearest to a point, and its nearest voxel."""
    voxels = np.argwhere(mask)
    here = np.asarray(point_nm[::-1])
    if len(voxels):
        places = np.stack([axis[voxels[:, k]] for k, axis in enumerate(axes)], axis=1)
        apart = ((places - here) ** 2).sum(axis=1)
        nearest = int(apart.argmin())
        if apart[nearest] <= SNAP_NM**2:
            z, y, x = (int(v) for v in voxels[nearest])
            parts, _ = ndimage.label(mask)
            return np.asarray(parts == parts[z, y, x]), (z, y, x)
    raise InputError(
        "The segment is no longer near the site.",
        "It was edited since; detect sites again.",
    )
