"""Values of voxels at the pixels of a plane, isotropic however long the voxels are.

Grey values are interpolated linearly and ids taken from the nearest voxel. What lies
outside the voxels is absent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from connectome.errors import InputError
from connectome.space import Cutout, PointNm
from rendering.spec import BEST, EMSpec

__all__ = [
    "PLANES",
    "Frame",
    "Plane",
    "PlanePoints",
    "ScatteredPoints",
    "offsets_nm",
    "plane_of",
    "plane_points",
]


@dataclass(frozen=True)
class Plane:
    """The axes of a slice: xyz axis and sign to the right and downwards, and the one across."""

    right: int
    right_sign: int
    down: int
    down_sign: int
    across: int

    @property
    def frame(self) -> Frame:
        """The same as vectors."""
        right, down = np.zeros(3), np.zeros(3)
        right[self.right], down[self.down] = self.right_sign, self.down_sign
        return Frame.of(right, down)


@dataclass(frozen=True)
class Frame:
    """Any plane: the unit vectors (x, y, z) to the right and downwards."""

    right: PointNm
    down: PointNm

    @classmethod
    def of(cls, right: NDArray[np.float64], down: NDArray[np.float64]) -> Frame:
        """Return the frame of two arrays."""
        (rx, ry, rz), (dx, dy, dz) = right.tolist(), down.tolist()
        return cls((rx, ry, rz), (dx, dy, dz))

    @property
    def normal(self) -> PointNm:
        """The unit vector away from the viewer."""
        x, y, z = np.cross(self.right, self.down).tolist()
        return (x, y, z)

    def positions(
        self, center_nm: PointNm, right_nm: NDArray[np.float64], down_nm: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Return x, y and z in nm of the points that lie so far to the right and down."""
        x, y, z = (
            (start + right_nm * right) + down_nm * down
            for start, right, down in zip(center_nm, self.right, self.down, strict=True)
        )
        return (x, y, z)


PLANES = {
    "xy": Plane(right=0, right_sign=1, down=1, down_sign=1, across=2),
    "xz": Plane(right=0, right_sign=1, down=2, down_sign=1, across=1),
    "yz": Plane(right=2, right_sign=-1, down=1, down_sign=1, across=0),
}
"""Neuroglancer's cross-section panels."""


def plane_of(name: str) -> Plane:
    """Return one of `PLANES`.

    Raises
    ------
    InputError
        If there is no such plane.
    """
    if name not in PLANES:
        raise InputError(
            f"There is no plane {name!r}.", f"Choose from {', '.join([*PLANES, BEST])}."
        )
    return PLANES[name]


def offsets_nm(spec: EMSpec) -> NDArray[np.float64]:
    """Return how far from the centre the middles of a row of pixels are, shape (size_px,)."""
    step = 2 * spec.half_extent_nm / spec.size_px
    return np.asarray((np.arange(spec.size_px) + 0.5) * step - spec.half_extent_nm)


def plane_points(name: str, center_nm: PointNm, spec: EMSpec) -> PlanePoints:
    """Return the positions of the pixels of one of `PLANES`."""
    plane = plane_of(name)
    offsets = offsets_nm(spec)
    axes = [np.array([value], float) for value in center_nm]
    axes[plane.right] = axes[plane.right] + plane.right_sign * offsets
    axes[plane.down] = axes[plane.down] + plane.down_sign * offsets
    return PlanePoints((axes[0], axes[1], axes[2]), plane)


@dataclass(frozen=True)
class PlanePoints:
    """The pixels of a plane along the axes: rows of x, y and z in nm, the one across single.

    Three rows of numbers say it all, and sampling axis by axis is ten times as fast as
    point by point.
    """

    xyz_nm: tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]
    plane: Plane

    def linear(self, cutout: Cutout) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Return interpolated values (down, right) and which of them lie inside."""
        values = cutout.data
        for axis, coordinates in self._axis_by_axis(cutout):
            last = cutout.data.shape[axis] - 1
            clamped = np.clip(coordinates, 0, last)
            low = np.minimum(clamped.astype(np.intp), max(last - 1, 0))
            weight = np.expand_dims((clamped - low).astype(np.float32), _others(axis))
            below = values.take(low, axis).astype(np.float32)
            above = values.take(np.minimum(low + 1, last), axis)
            values = below + (above - below) * weight
        inside = self._inside(cutout)
        return np.where(inside, self._as_picture(values), np.float32(0)), inside

    def nearest(self, cutout: Cutout) -> NDArray[np.uint64]:
        """Return the ids (down, right) of the nearest voxels, 0 outside."""
        # Plain indexing: an interpolating sampler would pass ids through float64 and
        # damage those beyond 2**53.
        values = cutout.data
        for axis, coordinates in self._axis_by_axis(cutout):
            index = np.floor(coordinates + 0.5).astype(np.intp)
            values = values.take(np.clip(index, 0, cutout.data.shape[axis] - 1), axis)
        ids = self._as_picture(values.astype(np.uint64))
        return np.where(self._inside(cutout), ids, np.uint64(0))

    def _as_picture(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return values (z, y, x) sampled at the rows as a picture (down, right)."""
        return values.transpose(2 - self.plane.down, 2 - self.plane.right, 2 - self.plane.across)[
            ..., 0
        ]

    def _axis_by_axis(self, cutout: Cutout) -> list[tuple[int, NDArray[np.float64]]]:
        """Return array axes with their coordinates, the one across first.

        What follows then works on a plane, however large the cutout is.
        """
        pairs = list(enumerate(_coordinates(cutout, self.xyz_nm)))
        return sorted(pairs, key=lambda pair: len(pair[1]))

    def _inside(self, cutout: Cutout) -> NDArray[np.bool_]:
        z, y, x = (
            (row >= -0.5) & (row < size - 0.5)
            for row, size in zip(_coordinates(cutout, self.xyz_nm), cutout.data.shape, strict=True)
        )
        return self._as_picture(z[:, None, None] & y[None, :, None] & x[None, None, :])


@dataclass(frozen=True)
class ScatteredPoints:
    """Points anywhere: arrays of x, y and z in nm, of one shape."""

    xyz_nm: tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]

    def linear(self, cutout: Cutout) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Return interpolated values and which of them lie inside."""
        coordinates = _coordinates(cutout, self.xyz_nm)
        # Beyond the middle of the outermost voxels their values go on, as in `PlanePoints`.
        values = ndimage.map_coordinates(
            cutout.data, coordinates, np.float32, order=1, mode="nearest", prefilter=False
        )
        inside = _all_inside(cutout, coordinates)
        return np.where(inside, values, np.float32(0)), inside

    def nearest(self, cutout: Cutout) -> NDArray[np.uint64]:
        """Return the ids of the nearest voxels, 0 outside."""
        coordinates = _coordinates(cutout, self.xyz_nm)
        index = tuple(
            np.clip(np.floor(values + 0.5).astype(np.intp), 0, size - 1)
            for values, size in zip(coordinates, cutout.data.shape, strict=True)
        )
        ids = cutout.data[index].astype(np.uint64)
        return np.where(_all_inside(cutout, coordinates), ids, np.uint64(0))


def _coordinates(
    cutout: Cutout, xyz_nm: Sequence[NDArray[np.float64]]
) -> list[NDArray[np.float64]]:
    """Return array coordinates z, y, x where voxel centres are whole numbers."""
    parts = zip(xyz_nm, cutout.origin_nm, cutout.scale.voxel_nm, strict=True)
    return [(nm - origin) / edge - 0.5 for nm, origin, edge in parts][::-1]


def _all_inside(cutout: Cutout, coordinates: Sequence[NDArray[np.float64]]) -> NDArray[np.bool_]:
    inside = np.ones(coordinates[0].shape, np.bool_)
    for values, size in zip(coordinates, cutout.data.shape, strict=True):
        inside &= (values >= -0.5) & (values < size - 0.5)
    return inside


def _others(axis: int) -> tuple[int, int]:
    first, second = (i for i in range(3) if i != axis)
    return first, second
