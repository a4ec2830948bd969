"""Positions in nanometres and the voxel grids they fall on.

Inside the program a position is always ``(x, y, z)`` in nm, measured from the
origin of the datastack; voxel indices exist only in adapters. Arrays are zyx.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from connectome.errors import InputError, OutsideVolumeError

__all__ = ["BoxNm", "Cutout", "PointNm", "Scale", "curve_order"]

PointNm = tuple[float, float, float]
"""A position (x, y, z) in nm."""
_CURVE_BITS = 21
"""Of each axis, so that the curve fits 64 bits: 0.5 m in steps of 250 nm."""


@dataclass(frozen=True)
class BoxNm:
    """An axis-aligned box, lower corner inclusive and upper corner exclusive, in nm."""

    lower: PointNm
    upper: PointNm

    @classmethod
    def around(cls, center: PointNm, half_extent_nm: float) -> BoxNm:
        """Return the cube of half-width ``half_extent_nm`` around a point."""
        return cls(
            (center[0] - half_extent_nm, center[1] - half_extent_nm, center[2] - half_extent_nm),
            (center[0] + half_extent_nm, center[1] + half_extent_nm, center[2] + half_extent_nm),
        )

    @property
    def size(self) -> PointNm:
        """Edge lengths (x, y, z) in nm."""
        lower, upper = self.lower, self.upper
        return (upper[0] - lower[0], upper[1] - lower[1], upper[2] - lower[2])

    def contains(self, point: PointNm) -> bool:
        """Tell whether the point lies inside."""
        return all(
            low <= value < high
            for low, value, high in zip(self.lower, point, self.upper, strict=True)
        )

    def grown(self, margin_nm: float) -> BoxNm:
        """Return the box with every face moved outwards by ``margin_nm``."""
        x0, y0, z0 = self.lower
        x1, y1, z1 = self.upper
        m = margin_nm
        return BoxNm((x0 - m, y0 - m, z0 - m), (x1 + m, y1 + m, z1 + m))


@dataclass(frozen=True)
class Scale:
    """One resolution level of a volume.

    Parameters
    ----------
    voxel_nm : tuple of float
        Edge lengths of a voxel (x, y, z) in nm.
    shape : tuple of int
        Number of voxels (x, y, z).
    offset : tuple of int
        Index (x, y, z) of the first voxel: voxel ``i`` spans
        ``i * voxel_nm`` to ``(i + 1) * voxel_nm``.
    """

    voxel_nm: tuple[float, float, float]
    shape: tuple[int, int, int]
    offset: tuple[int, int, int] = (0, 0, 0)

    def __post_init__(self) -> None:
        if not all(math.isfinite(v) and v > 0 for v in self.voxel_nm):
            raise InputError(
                f"The resolution {self.voxel_nm} is not three positive lengths in nm.",
                "Give it as X Y Z in nm, for example --resolution 8 8 40.",
            )

    @property
    def bounds_nm(self) -> BoxNm:
        """The box that all voxels fill, in nm."""
        low = [o * v for o, v in zip(self.offset, self.voxel_nm, strict=True)]
        high = [(o + s) * v for o, s, v in zip(self.offset, self.shape, self.voxel_nm, strict=True)]
        return BoxNm((low[0], low[1], low[2]), (high[0], high[1], high[2]))

    def voxel_at(self, point: PointNm) -> tuple[int, int, int]:
        """Return the index (x, y, z) of the voxel that holds the point.

        Raises
        ------
        OutsideVolumeError
            If the point lies outside the volume.
        """
        x, y, z = (math.floor(p / v) for p, v in zip(point, self.voxel_nm, strict=True))
        index = (x, y, z)
        for i, o, s in zip(index, self.offset, self.shape, strict=True):
            if not o <= i < o + s:
                raise OutsideVolumeError(
                    f"The position {tuple(round(p) for p in point)} nm lies outside the volume.",
                    "Check the position and the resolution.",
                )
        return index

    def center_of(self, voxel: tuple[int, int, int]) -> PointNm:
        """Return the centre of a voxel in nm."""
        x, y, z = ((i + 0.5) * v for i, v in zip(voxel, self.voxel_nm, strict=True))
        return (x, y, z)

    def clip(self, box: BoxNm) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
        """Return first and past-the-end voxel (x, y, z) of the box, cut at the volume's faces.

        Raises
        ------
        OutsideVolumeError
            If no voxel of the volume lies in the box.
        """
        first: list[int] = []
        last: list[int] = []
        for axis in range(3):
            v, o, s = self.voxel_nm[axis], self.offset[axis], self.shape[axis]
            # A hair of tolerance keeps 250.0000001 from taking in another voxel.
            low = max(math.floor(box.lower[axis] / v + 1e-6), o)
            high = min(math.ceil(box.upper[axis] / v - 1e-6), o + s)
            if high <= low:
                raise OutsideVolumeError(
                    "The box lies outside the volume.", "Choose a position inside it."
                )
            first.append(low)
            last.append(high)
        return (first[0], first[1], first[2]), (last[0], last[1], last[2])


@dataclass(frozen=True)
class Cutout:
    """Voxels of a box, cut at the volume's faces.

    Parameters
    ----------
    data : ndarray, shape (z, y, x)
        The values.
    first_voxel : tuple of int
        Index (x, y, z) of ``data[0, 0, 0]`` in the volume's grid.
    scale : Scale
        The grid.
    """

    data: NDArray[Any]
    first_voxel: tuple[int, int, int]
    scale: Scale

    @property
    def origin_nm(self) -> PointNm:
        """Lower corner of ``data[0, 0, 0]`` in nm."""
        x, y, z = (i * v for i, v in zip(self.first_voxel, self.scale.voxel_nm, strict=True))
        return (x, y, z)

    @property
    def bounds_nm(self) -> BoxNm:
        """The box that the data fills, in nm."""
        nz, ny, nx = self.data.shape
        vx, vy, vz = self.scale.voxel_nm
        x, y, z = self.origin_nm
        return BoxNm((x, y, z), (x + nx * vx, y + ny * vy, z + nz * vz))


def curve_order(points_nm: NDArray[np.float64], step_nm: float) -> NDArray[np.intp]:
    """Return the order of points (n, 3) along a Z-shaped curve, so that neighbours are near.

    Points in one cube of edge `step_nm` keep their order. The curve is Morton's (1966).
    """
    if not len(points_nm):
        return np.zeros(0, np.intp)
    cells = np.floor((points_nm - points_nm.min(axis=0)) / step_nm).astype(np.uint64)
    code = np.zeros(len(points_nm), np.uint64)
    for bit in range(_CURVE_BITS):
        for axis in range(3):
            here = cells[:, axis] >> np.uint64(bit) & np.uint64(1)
            code |= here << np.uint64(3 * bit + axis)
    return np.argsort(code, kind="stable")
