"""Imagery and segmentations over precomputed volumes."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import numpy as np

from connectome.datastack import Segmentation
from connectome.errors import DatastackError, ServiceError
from connectome.graph import Ids
from connectome.greys import Stretch, measure_stretch
from connectome.precomputed.volume import PrecomputedVolume
from connectome.space import BoxNm, Cutout, PointNm, Scale

__all__ = [
    "MappedSegmentation",
    "PrecomputedImagery",
    "PrecomputedSegmentation",
    "supervoxel_at",
]

_LIST_VOXELS = 1 << 27
"""Roots of a flat segmentation are listed from a scale of at most this many voxels."""
_BLOCK = 256
_GREY_TYPES = ("uint8", "int8", "uint16", "int16", "float16", "float32", "float64")


class PrecomputedImagery:
    """Electron microscopy, stretched to 8 bits where it is stored as 16 bits or floats."""

    def __init__(self, volume: PrecomputedVolume) -> None:
        if volume.dtype.name not in _GREY_TYPES:
            raise DatastackError(
                f"The images at {volume.url} are {volume.dtype}: not 8-bit, 16-bit or floats.",
                "Give the address of images, or convert them to uint8 first.",
            )
        self._volume = volume

    @cached_property
    def stretch(self) -> Stretch | None:
        """How stored values become 8 bits; None where they are 8 bits already.

        Measured once, on tissue at the finest scale, so that every scale and every place
        gets the same.
        """
        if self._volume.dtype == np.uint8:
            return None
        return measure_stretch(self.scales[0], self._volume.read)

    @property
    def scales(self) -> tuple[Scale, ...]:
        """The resolution levels, finest first."""
        return self._volume.scales

    def read(self, box: BoxNm, scale: int = 0) -> Cutout:
        """Return uint8 voxels of the box cut at the volume's faces."""
        cutout = self._volume.read(box, scale)
        if self.stretch is None:
            return cutout
        return Cutout(self.stretch.to_8_bit(cutout.data), cutout.first_voxel, cutout.scale)


class MappedSegmentation:
    """Supervoxels of a volume, with their roots from elsewhere.

    Parameters
    ----------
    volume : PrecomputedVolume
        The supervoxels.
    to_roots : callable
        From unique supervoxel ids to their current roots.
    list_roots : callable
        Gives every current root.
    """

    def __init__(
        self,
        volume: PrecomputedVolume,
        to_roots: Callable[[Ids], Ids],
        list_roots: Callable[[], Ids],
    ) -> None:
        if volume.dtype.kind != "u":
            raise DatastackError(
                f"The segmentation at {volume.url} is {volume.dtype}, not unsigned integers.",
                "Give the address of a segmentation.",
            )
        self._volume = volume
        self._to_roots = to_roots
        self._list_roots = list_roots

    @property
    def scales(self) -> tuple[Scale, ...]:
        """The resolution levels, finest first."""
        return self._volume.scales

    def read_supervoxels(self, box: BoxNm, scale: int = 0) -> Cutout:
        """Return uint64 supervoxel ids of the box cut at the volume's faces."""
        cutout = self._volume.read(box, scale)
        return Cutout(cutout.data.astype(np.uint64, copy=False), cutout.first_voxel, cutout.scale)

    def read_roots(self, box: BoxNm, scale: int = 0) -> Cutout:
        """Return uint64 current root ids of the box cut at the volume's faces."""
        import fastremap

        cutout = self.read_supervoxels(box, scale)
        # Renumbering by hashing is ten times faster than numpy's sort of every voxel.
        numbers, numbered = fastremap.renumber(cutout.data, preserve_zero=True)
        ids = np.zeros(len(numbered) + 1, np.uint64)
        for supervoxel, number in numbered.items():
            ids[int(number)] = supervoxel
        return Cutout(self._to_roots(ids)[numbers], cutout.first_voxel, cutout.scale)

    def roots(self) -> Ids:
        """Return every current root; raises `ServiceError` where they cannot be listed."""
        return self._list_roots()


class PrecomputedSegmentation(MappedSegmentation):
    """A flat segmentation: every supervoxel is its own root."""

    def __init__(self, volume: PrecomputedVolume) -> None:
        super().__init__(volume, lambda ids: ids, self._list)

    def read_roots(self, box: BoxNm, scale: int = 0) -> Cutout:
        """Return uint64 segment ids of the box cut at the volume's faces."""
        return self.read_supervoxels(box, scale)

    def _list(self) -> Ids:
        """List ids from the finest scale that is not too large.

        Objects too thin for that scale are missing.
        """
        for level, scale in enumerate(self.scales):
            if np.prod(scale.shape, dtype=np.int64) <= _LIST_VOXELS:
                return self._unique(level)
        raise ServiceError(
            f"The segmentation at {self._volume.url} is too large to list its segments.",
            "Name the segments you want.",
        )

    def _unique(self, level: int) -> Ids:
        scale = self.scales[level]
        found = {0}
        for z in range(scale.offset[2], scale.offset[2] + scale.shape[2], _BLOCK):
            first = (scale.offset[0], scale.offset[1], z)
            end = min(z + _BLOCK, scale.offset[2] + scale.shape[2])
            last = (scale.offset[0] + scale.shape[0], scale.offset[1] + scale.shape[1], end)
            found.update(np.unique(self._volume.read_voxels(first, last, level)).tolist())
        return np.array(sorted(found - {0}), np.uint64)


def supervoxel_at(segmentation: Segmentation, point: PointNm) -> int:
    """Return the supervoxel under a point at the finest scale, 0 for background.

    Raises
    ------
    OutsideVolumeError
        If the point lies outside the volume.
    """
    scale = segmentation.scales[0]
    center = scale.center_of(scale.voxel_at(point))
    # A quarter of a voxel on each side stays inside this one voxel.
    reach = [v / 4 for v in scale.voxel_nm]
    low = tuple(c - r for c, r in zip(center, reach, strict=True))
    high = tuple(c + r for c, r in zip(center, reach, strict=True))
    box = BoxNm((low[0], low[1], low[2]), (high[0], high[1], high[2]))
    return int(segmentation.read_supervoxels(box).data[0, 0, 0])
