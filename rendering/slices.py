"""What a cut through a site gives: pictures, ids, and all that was used to make them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from connectome.errors import InputError
from connectome.greys import Stretch
from connectome.space import PointNm
from rendering.oblique import BestPlane
from rendering.sampling import Frame, plane_of
from rendering.spec import BEST, EMSpec

__all__ = ["Slices", "other_boundaries"]


@dataclass(frozen=True)
class Slices:
    """Slices through one point.

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
    best : BestPlane or None
        The oblique plane, if there is one.
    em_voxel_nm, id_voxel_nm : tuple of float or None
        Voxels (x, y, z) that grey values and ids were read from, in nm.
    contrast : tuple of float
        The values that became black and white, as `Imagery` gives them (8 bits).
    stretch : Stretch or None
        How those 8 bits were made of stored values of another type.
    """

    em: NDArray[np.uint8]
    ids: NDArray[np.uint64]
    present: NDArray[np.bool_]
    center_nm: PointNm
    spec: EMSpec
    best: BestPlane | None = None
    em_voxel_nm: PointNm | None = None
    id_voxel_nm: PointNm | None = None
    contrast: tuple[float, float] = (0.0, 255.0)
    stretch: Stretch | None = None

    @property
    def nm_per_px(self) -> float:
        """Edge length of a pixel in nm."""
        return 2 * self.spec.half_extent_nm / self.spec.size_px

    def mask(self, segment: int) -> NDArray[np.bool_]:
        """Return where a segment is, shape (planes, size, size)."""
        return np.equal(self.ids, np.uint64(segment))

    def boundaries(self, *pair: int) -> NDArray[np.bool_]:
        """Return the outlines of all segments but these; see `other_boundaries`."""
        return other_boundaries(self.ids, pair)

    def frame(self, plane: str) -> Frame:
        """Return where right and down of a plane point.

        Raises
        ------
        InputError
            If there is no such plane here.
        """
        if plane not in self.spec.planes:
            raise InputError(f"There is no plane {plane!r} among {', '.join(self.spec.planes)}.")
        if plane == BEST and self.best is not None:
            return self.best.frame
        return plane_of(plane).frame

    def position_nm(self, plane: str, column: float, row: float) -> PointNm:
        """Return the point (x, y, z) that a pixel's middle shows, in nm."""
        half, step = self.spec.half_extent_nm, self.nm_per_px
        offsets = np.array([column + 0.5, row + 0.5]) * step - half
        x, y, z = self.frame(plane).positions(self.center_nm, offsets[0], offsets[1])
        return (float(x), float(y), float(z))

    def record(self) -> dict[str, object]:
        """Return all that was used to make the slices, ready for JSON."""
        return {
            "spec": asdict(self.spec),
            "spec_hash": self.spec.hash,
            "center_nm": self.center_nm,
            "window_nm": 2 * self.spec.half_extent_nm,
            "nm_per_px": self.nm_per_px,
            "em_voxel_nm": self.em_voxel_nm,
            "id_voxel_nm": self.id_voxel_nm,
            "contrast": self.contrast,
            "stretch": None if self.stretch is None else asdict(self.stretch),
            "frames": {plane: asdict(self.frame(plane)) for plane in self.spec.planes},
            "best_areas_nm2": None if self.best is None else self.best.areas_nm2,
        }


def other_boundaries(ids: NDArray[np.uint64], pair: Sequence[int]) -> NDArray[np.bool_]:
    """Return the outlines of all segments but these in pictures of ids (..., size, size).

    One pixel wide between two others; background has no outline of its own.
    """
    other = ids != 0
    for segment in pair:
        other &= ids != np.uint64(segment)
    found = np.zeros(ids.shape, np.bool_)
    for axis in (-2, -1):
        near, others, out = (np.moveaxis(array, axis, 0) for array in (ids, other, found))
        differ = near[:-1] != near[1:]
        out[:-1] |= differ & others[:-1]
        out[1:] |= differ & others[1:] & ~others[:-1]
    return found
