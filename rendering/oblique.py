"""The plane in which a pair shows most: cut along both segments, not across them.

The measure is that of ConnectomeBench2: the geometric mean of the areas of both masks
near the centre. Its maximum over all planes through the centre is searched from coarse
to fine over a hemisphere of normals.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from connectome.space import Cutout, PointNm
from rendering.sampling import PLANES, Frame
from rendering.spec import EMSpec

__all__ = ["BestPlane", "best_plane", "frame_of", "search_step_nm"]

_Array = NDArray[np.float64]

# The hemisphere that holds the normals of the three panels.
_POLE = np.array([1.0, -1.0, 1.0]) / math.sqrt(3.0)
_COARSE_NORMALS = 150
_COARSE_PX, _FINE_PX = 32, 64
# Angle of each ring of tries in degrees, and around how many of the best it is laid.
_RINGS = ((8.0, 4), (4.0, 2), (2.0, 2), (1.0, 1))
_RING_TRIES = 6
_TIE = 1e-6


@dataclass(frozen=True)
class BestPlane:
    """A plane through the centre, and how much of the pair lies in it.

    Parameters
    ----------
    frame : Frame
        Where right and down point.
    areas_nm2 : tuple of float
        The area of each segment near the centre, in the order asked for.
    """

    frame: Frame
    areas_nm2: tuple[float, ...]


def frame_of(normal: Sequence[float] | _Array) -> Frame:
    """Return the frame of a plane: the xy panel turned the shortest way.

    For the normals of the panels, (0, 0, 1), (0, -1, 0) and (1, 0, 0), these are the
    panels' own frames.

    Parameters
    ----------
    normal : sequence of float
        Unit vector away from the viewer; not (0, 0, -1).
    """
    right, down = _axes(np.asarray(normal, float)[None])
    return Frame.of(right[0], down[0])


def search_step_nm(spec: EMSpec) -> float:
    """Return how finely planes are searched: voxels need not be finer."""
    return 2 * spec.oblique_inner * spec.half_extent_nm / _FINE_PX


def best_plane(
    ids: Cutout, segments: Sequence[int], center_nm: PointNm, radius_nm: float
) -> BestPlane:
    """Return the plane through a point in which the segments show most near it.

    Where no plane shows all of them, it is the one with the largest area of any.

    Parameters
    ----------
    ids : Cutout
        Segment ids around the point; what lies outside counts as nothing.
    segments : sequence of int
        One or two segments.
    radius_nm : float
        How far from the point areas count.
    """
    search = _Search.around(ids, segments, center_nm)
    coarse, fine = (_Disc.of(radius_nm, pixels) for pixels in (_COARSE_PX, _FINE_PX))
    normals = _hemisphere(_COARSE_NORMALS)
    ranked = normals[np.argsort(-search.scores(normals, coarse), kind="stable")]
    for angle, around in _RINGS:
        tries = np.concatenate([ranked[:around], _ring(ranked[:around], math.radians(angle))])
        ranked = tries[np.argsort(-search.scores(tries, fine), kind="stable")]
    areas = search.areas_nm2(ranked[:1], fine)[0]
    return BestPlane(frame_of(ranked[0]), tuple(areas.tolist()))


@dataclass(frozen=True)
class _Disc:
    """Points (2, n), right and down in nm, with `step_nm` between neighbours."""

    points: _Array
    step_nm: float

    @classmethod
    def of(cls, radius_nm: float, pixels: int) -> _Disc:
        step = 2 * radius_nm / pixels
        row = (np.arange(pixels) + 0.5) * step - radius_nm
        grid = np.stack(np.meshgrid(row, row)).reshape(2, -1)
        return cls(grid[:, np.hypot(*grid) <= radius_nm], step)


@dataclass(frozen=True)
class _Search:
    """The voxels of the segments around the centre.

    Parameters
    ----------
    code : ndarray of uint8, shape (z, y, x)
        1, 2, ... for the segments; with a rim of zeros.
    start, voxel : ndarray, shape (3,)
        The centre in voxels xyz of `code`, and the edges of a voxel in nm.
    """

    code: NDArray[np.uint8]
    start: _Array
    voxel: _Array
    segments: int

    @classmethod
    def around(cls, ids: Cutout, segments: Sequence[int], center_nm: PointNm) -> _Search:
        code = np.zeros(tuple(n + 2 for n in ids.data.shape), np.uint8)
        inner = code[1:-1, 1:-1, 1:-1]
        for number, segment in enumerate(segments, 1):
            inner[np.equal(ids.data, np.uint64(segment))] = number
        voxel = np.asarray(ids.scale.voxel_nm, float)
        start = (np.asarray(center_nm) - np.asarray(ids.origin_nm)) / voxel + 1
        return cls(code, start, voxel, len(segments))

    def areas_nm2(self, normals: _Array, disc: _Disc) -> _Array:
        """Return the area of each segment in each plane, shape (normals, segments)."""
        right, down = _axes(normals)
        flat = np.zeros((len(normals), disc.points.shape[1]), np.int32)
        for axis in range(3):
            # From here on single precision: a hundredth of a voxel is enough to count.
            along = np.stack([right[:, axis], down[:, axis]], axis=1) / self.voxel[axis]
            index = along.astype(np.float32) @ disc.points.astype(np.float32)
            index += np.float32(self.start[axis])
            # What is beyond the rim of zeros is moved onto it; towards zero is down then.
            np.clip(index, 0, self.code.shape[2 - axis] - 1, out=index)
            flat += index.astype(np.int32) * np.int32(math.prod(self.code.shape[3 - axis :]))
        found = self.code.reshape(-1).take(flat)
        counts = [(found == number).sum(axis=1) for number in range(1, self.segments + 1)]
        return np.stack(counts, axis=1) * disc.step_nm**2

    def scores(self, normals: _Array, disc: _Disc) -> _Array:
        """Return what is to be large, shape (normals,): area in nm²."""
        areas = self.areas_nm2(normals, disc)
        mean = np.prod(areas, axis=1) ** (1.0 / self.segments)
        # The sum decides between equals, above all where no plane holds all segments.
        return np.asarray(mean + _TIE * areas.sum(axis=1))


def _axes(normals: _Array) -> tuple[_Array, _Array]:
    """Return right and down, each (n, 3), of the xy panel turned the shortest way."""
    x, y, z = normals.T
    shrink = 1.0 / (1.0 + z)
    right = np.stack([1 - x * x * shrink, -x * y * shrink, -x], axis=1)
    down = np.stack([-x * y * shrink, 1 - y * y * shrink, -y], axis=1)
    return right, down


def _hemisphere(count: int) -> _Array:
    """Return evenly spread unit vectors (n, 3) around `_POLE`, the panels' normals first.

    A spiral with the golden angle (Á. González, Mathematical Geosciences 42, 2010).
    """
    steps = np.arange(count)
    height = 1 - (steps + 0.5) / count
    angle = steps * math.pi * (3 - math.sqrt(5))
    ring = np.sqrt(1 - height**2)
    local = np.stack([ring * np.cos(angle), ring * np.sin(angle), height], axis=1)
    panels = np.array([plane.frame.normal for plane in PLANES.values()])
    return np.concatenate([panels, local @ np.stack(_around(_POLE))])


def _ring(normals: _Array, angle: float) -> _Array:
    """Return unit vectors at an angle around each normal, those of the hemisphere only."""
    tries = []
    for normal in normals:
        one, two, axis = _around(normal)
        for turn in np.arange(_RING_TRIES) * (2 * math.pi / _RING_TRIES):
            side = math.cos(turn) * one + math.sin(turn) * two
            tries.append(math.cos(angle) * axis + math.sin(angle) * side)
    found = np.array(tries)
    return np.asarray(found * np.where(found @ _POLE < 0, -1.0, 1.0)[:, None])


def _around(axis: _Array) -> tuple[_Array, _Array, _Array]:
    """Return two unit vectors square to an axis and to each other, and the axis."""
    helper = np.eye(3)[int(np.argmin(np.abs(axis)))]
    one = np.cross(axis, helper)
    one /= np.linalg.norm(one)
    return one, np.cross(axis, one), axis
