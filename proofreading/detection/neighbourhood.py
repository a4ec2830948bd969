"""The voxels around a point, and where two segments meet in them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from connectome.datastack import Segmentation
from connectome.space import BoxNm, PointNm, Scale

__all__ = ["Faces", "Neighbourhood", "read_neighbourhood"]

Index = tuple[int, int, int]
"""A voxel (z, y, x) of the neighbourhood."""


@dataclass(frozen=True)
class Faces:
    """Voxel faces where other segments touch one segment.

    Parameters
    ----------
    voxels : ndarray, shape (n, 3), int
        The touching voxel (z, y, x) of the other segment.
    segments : ndarray, shape (n,), uint64
        Its segment.
    areas_nm2 : ndarray, shape (n,), float
    """

    voxels: NDArray[np.int64]
    segments: NDArray[np.uint64]
    areas_nm2: NDArray[np.float64]


@dataclass(frozen=True)
class Neighbourhood:
    """Roots and supervoxels (z, y, x) around a point, and their positions.

    `axes_nm` are the positions of the voxel centres along z, y and x.
    """

    roots: NDArray[np.uint64]
    supervoxels: NDArray[np.uint64]
    axes_nm: tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]
    step_nm: tuple[float, float, float]
    center_nm: PointNm
    scale: Scale

    def positions(self, voxels: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the centres (n, 3) xyz in nm of voxels (n, 3) zyx."""
        z, y, x = self.axes_nm
        return np.stack([x[voxels[:, 2]], y[voxels[:, 1]], z[voxels[:, 0]]], axis=1)

    def position(self, voxel: Index) -> PointNm:
        """Return the centre of one voxel, xyz in nm."""
        z, y, x = self.axes_nm
        return (float(x[voxel[2]]), float(y[voxel[1]]), float(z[voxel[0]]))

    def squared_distances(self) -> NDArray[np.float64]:
        """Return the squared distance of every voxel from the centre, shape (z, y, x)."""
        cx, cy, cz = self.center_nm
        z, y, x = self.axes_nm
        flat = ((y - cy) ** 2)[:, None] + ((x - cx) ** 2)[None, :]
        return np.asarray(((z - cz) ** 2)[:, None, None] + flat[None])

    def nearest(self, mask: NDArray[np.bool_], point_nm: PointNm) -> Index | None:
        """Return the voxel of a mask that lies nearest to a point."""
        voxels = np.argwhere(mask)
        if not len(voxels):
            return None
        apart = ((self.positions(voxels) - np.asarray(point_nm)) ** 2).sum(axis=1)
        return _index(voxels[int(apart.argmin())])

    def distance_from(
        self, mask: NDArray[np.bool_]
    ) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
        """Return each voxel's distance in nm from a mask, and the nearest voxel of it (3, ...)."""
        distance, nearest = ndimage.distance_transform_edt(
            ~mask, sampling=self.step_nm, return_indices=True
        )
        return distance, nearest

    def faces_around(self, grown: NDArray[np.bool_], nearest: NDArray[np.int32]) -> Faces:
        """Return the faces between a segment, grown into the background, and other segments.

        Across background only the faces count that look at the segment: those on the
        flanks of a partner, beside the contact, do not.

        Parameters
        ----------
        grown : ndarray of bool, shape (z, y, x)
        nearest : ndarray of int, shape (3, z, y, x)
            The segment's voxel nearest to each voxel.
        """
        others = (self.roots != 0) & ~grown
        voxels, areas = [], []
        for axis in range(3):
            low, high = _halves(axis)
            area = float(np.prod(self.step_nm) / self.step_nm[axis])
            for inner, outer, way in ((low, high, 1), (high, low, -1)):
                hits = np.argwhere(grown[inner] & others[outer])
                hits[:, axis] += way < 0
                hits = hits[self._looks_at(hits, nearest, axis, way)]
                hits[:, axis] += way
                voxels.append(hits)
                areas.append(np.full(len(hits), area))
        found = np.concatenate(voxels).astype(np.int64)
        segments = self.roots[found[:, 0], found[:, 1], found[:, 2]]
        return Faces(found, segments, np.concatenate(areas))

    def _looks_at(
        self, voxels: NDArray[np.int64], nearest: NDArray[np.int32], axis: int, way: int
    ) -> NDArray[np.bool_]:
        """Tell for which voxels of a grown segment the segment lies behind, along an axis."""
        z, y, x = voxels.T
        behind = (voxels - nearest[:, z, y, x].T) * np.asarray(self.step_nm)
        longest = np.abs(behind).max(axis=1, initial=0.0)
        return np.asarray((longest == 0) | (behind[:, axis] * way >= longest))

    def inner_voxel(self, mask: NDArray[np.bool_], voxel: Index, reach_nm: float) -> Index:
        """Return a voxel of a mask near the middle of its part around another voxel of it."""
        window = tuple(
            slice(max(0, i - int(reach_nm / step)), i + int(reach_nm / step) + 1)
            for i, step in zip(voxel, self.step_nm, strict=True)
        )
        first = np.asarray([part.start for part in window], np.int64)
        voxels = np.argwhere(mask[window]).astype(np.int64) + first
        places = self.positions(voxels)
        apart = ((places - places.mean(axis=0)) ** 2).sum(axis=1)
        return _index(voxels[int(apart.argmin())])

    def meets_face(self, own: NDArray[np.bool_], within_nm: float) -> bool:
        """Tell whether a mask has voxels on a face of the volume near the centre."""
        close = self.squared_distances() <= within_nm**2
        bounds = self.scale.bounds_nm
        for axis, xyz in ((0, 2), (1, 1), (2, 0)):
            voxel = self.scale.voxel_nm[xyz]
            for end, face in ((0, bounds.lower[xyz]), (-1, bounds.upper[xyz])):
                at_face = abs(float(self.axes_nm[axis][end]) - face) <= voxel
                if at_face and bool((own & close).take(end, axis=axis).any()):
                    return True
        return False


def read_neighbourhood(
    segmentation: Segmentation, center_nm: PointNm, half_nm: float, working_voxel_nm: float
) -> Neighbourhood:
    """Read the finest voxels around a point, strided where they are finer than needed.

    Raises
    ------
    OutsideVolumeError
        If no voxel lies there.
    """
    box = BoxNm.around(center_nm, half_nm)
    roots = segmentation.read_roots(box)
    supervoxels = segmentation.read_supervoxels(box)
    scale = roots.scale
    steps = [max(1, int(working_voxel_nm / voxel)) for voxel in scale.voxel_nm]
    stride = tuple(slice(None, None, step) for step in reversed(steps))
    axes: list[NDArray[np.float64]] = []
    for axis in (2, 1, 0):
        first, voxel, step = roots.first_voxel[axis], scale.voxel_nm[axis], steps[axis]
        count = roots.data.shape[2 - axis]
        axes.append((first + np.arange(0, count, step, dtype=np.float64) + 0.5) * voxel)
    step_nm = [step * voxel for step, voxel in zip(steps, scale.voxel_nm, strict=True)]
    return Neighbourhood(
        roots.data[stride],
        supervoxels.data[stride],
        (axes[0], axes[1], axes[2]),
        (step_nm[2], step_nm[1], step_nm[0]),
        center_nm,
        scale,
    )


def _halves(axis: int) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    low = [slice(None)] * 3
    high = [slice(None)] * 3
    low[axis], high[axis] = slice(None, -1), slice(1, None)
    return tuple(low), tuple(high)


def _index(voxel: NDArray[np.int64]) -> Index:
    return (int(voxel[0]), int(voxel[1]), int(voxel[2]))
