"""Skeletons of a segmentation by TEASAR (Sato et al. 2000), as kimimaro implements it.

Objects are traced one by one, largest first, so that whoever listens has the first
skeletons within seconds. https://github.com/seung-lab/kimimaro
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from connectome.datastack import Segmentation, Skeleton
from connectome.errors import MissingPackageError
from connectome.space import PointNm

__all__ = ["KimimaroSkeletons", "SkeletonSettings", "skeletonize"]


@dataclass(frozen=True)
class SkeletonSettings:
    """How skeletons are traced.

    Parameters
    ----------
    scale, const_nm : float
        A path clears the voxels within ``scale * radius + const_nm`` around it; twigs
        shorter than that make no branch.
    dust_nm3 : float
        Connected pieces of less volume are passed over.
    fix_branching : bool
        Put branch points closer to where paths part, at about twice the time.
    max_voxels : int
        The finest resolution level with at most this many voxels is traced.
    """

    scale: float = 1.5
    const_nm: float = 300.0
    dust_nm3: float = 1e6
    fix_branching: bool = False
    max_voxels: int = 64_000_000


class KimimaroSkeletons:
    """The skeletons of any segmentation that fits into memory at one of its scales.

    A root never changes, so that what was read serves until somebody asks for a root that
    was not in it; a scan asks for a few roots at a time.
    """

    def __init__(
        self, segmentation: Segmentation, *, settings: SkeletonSettings | None = None
    ) -> None:
        self._segmentation = segmentation
        self._settings = settings or SkeletonSettings()
        self._lock = threading.Lock()
        self._read: _Objects | None = None
        self._known: set[int] = set()

    def skeletons(self, roots: Iterable[int] | None = None) -> Iterator[Skeleton]:
        """Yield the skeletons of these roots (of all if None), largest first, as they are made.

        Roots smaller than the dust threshold yield nothing.

        Raises
        ------
        MissingPackageError
            If kimimaro is not installed.
        """
        wanted = None if roots is None else {int(root) for root in roots}
        if wanted is not None and not wanted:
            return
        with self._lock:
            objects = self._objects(wanted)
        scale = self._segmentation.scales[self._level()]
        yield from _skeletons(
            objects, scale.voxel_nm, scale.bounds_nm.lower, wanted, self._settings
        )

    def _objects(self, wanted: set[int] | None) -> _Objects:
        """Return what was read, read anew where it may lack a wanted root."""
        if self._read is None or wanted is None or not wanted <= self._known:
            self._read = None  # two volumes at a time may be more than fits
            level = self._level()
            bounds = self._segmentation.scales[level].bounds_nm
            self._read = _Objects(self._segmentation.read_roots(bounds, level).data)
            # Roots that are too thin for this level are not looked for again.
            self._known |= set(self._read.ids.values()) | (wanted or set())
        return self._read

    def _level(self) -> int:
        scales = self._segmentation.scales
        for level, scale in enumerate(scales):
            if math.prod(scale.shape) <= self._settings.max_voxels:
                return level
        return len(scales) - 1


def skeletonize(
    labels: NDArray[np.unsignedinteger[Any]],
    voxel_nm: tuple[float, float, float],
    origin_nm: PointNm = (0.0, 0.0, 0.0),
    *,
    roots: Iterable[int] | None = None,
    settings: SkeletonSettings | None = None,
) -> Iterator[Skeleton]:
    """Trace the objects of a label volume, largest first.

    Parameters
    ----------
    labels : ndarray, shape (z, y, x)
        Unsigned ids; 0 is background.
    voxel_nm : tuple of float
        Edge lengths (x, y, z) of a voxel in nm.
    origin_nm : tuple of float
        Lower corner of ``labels[0, 0, 0]``, xyz in nm.
    roots : iterable of int, optional
        Trace these only.

    Yields
    ------
    Skeleton
        Vertices lie on voxel centres.

    Raises
    ------
    MissingPackageError
        If kimimaro is not installed.
    """
    wanted = None if roots is None else {int(root) for root in roots}
    chosen = settings or SkeletonSettings()
    yield from _skeletons(_Objects(labels), voxel_nm, origin_nm, wanted, chosen)


def _skeletons(
    objects: _Objects,
    voxel_nm: tuple[float, float, float],
    origin_nm: PointNm,
    wanted: set[int] | None,
    settings: SkeletonSettings,
) -> Iterator[Skeleton]:
    dust = max(1, round(settings.dust_nm3 / math.prod(voxel_nm)))
    for root, mask, corner in objects.masks(wanted, dust):
        yield from _trace(root, mask, voxel_nm, _shifted(origin_nm, corner, voxel_nm), settings)


class _Objects:
    """A volume (z, y, x) in which every object has a small number and a known box."""

    def __init__(self, labels: NDArray[np.unsignedinteger[Any]]) -> None:
        fastremap = _packages()[1]
        # 64-bit ids become small numbers first: everything below indexes by them.
        small, names = fastremap.renumber(labels, preserve_zero=True, in_place=False)
        self.ids = {int(number): int(root) for root, number in names.items() if number}
        self._labels = small
        self._sizes = np.bincount(small.ravel(), minlength=len(self.ids) + 1)
        self._boxes = ndimage.find_objects(small, max_label=len(self.ids))

    def masks(
        self, wanted: set[int] | None, dust: int
    ) -> Iterator[tuple[int, NDArray[np.uint8], tuple[int, int, int]]]:
        """Yield each object's id, its mask and the mask's first voxel (x, y, z), largest first."""
        for number in sorted(self.ids, key=lambda n: (-int(self._sizes[n]), self.ids[n])):
            root, box = self.ids[number], self._boxes[number - 1]
            if box is None or self._sizes[number] < dust:
                continue
            if wanted is None or root in wanted:
                mask, corner = _padded(self._labels[box] == number, box, self._labels.shape)
                yield root, mask, corner


def _padded(
    mask: NDArray[np.bool_], box: tuple[slice, ...], shape: tuple[int, ...]
) -> tuple[NDArray[np.uint8], tuple[int, int, int]]:
    """Pad a cropped mask by a voxel wherever the crop does not end at the volume's face.

    Kimimaro puts a tip in the middle of every patch on the faces of what it is given;
    only the volume's own faces deserve that.
    """
    before = [int(part.start > 0) for part in box]
    after = [int(part.stop < size) for part, size in zip(box, shape, strict=True)]
    padded = np.pad(mask, list(zip(before, after, strict=True)))
    z, y, x = (part.start - pad for part, pad in zip(box, before, strict=True))
    return padded.view(np.uint8), (x, y, z)


def _trace(
    root: int,
    mask: NDArray[np.uint8],
    voxel_nm: tuple[float, float, float],
    corner_nm: PointNm,
    settings: SkeletonSettings,
) -> Iterator[Skeleton]:
    """Yield the skeleton of one mask, or nothing."""
    kimimaro = _packages()[0]
    found = kimimaro.skeletonize(
        mask.T,  # x first, in Fortran order without a copy
        teasar_params={
            "scale": settings.scale,
            "const": settings.const_nm,
            "pdrf_scale": 100_000,
            "pdrf_exponent": 4,
            "soma_detection_threshold": 750,
            "soma_acceptance_threshold": 3500,
            "soma_invalidation_scale": 2,
            "soma_invalidation_const": 300,
        },
        anisotropy=voxel_nm,
        dust_threshold=max(1, round(settings.dust_nm3 / math.prod(voxel_nm))),
        fix_branching=settings.fix_branching,
        fix_borders=True,
        progress=False,
        parallel=1,
    )
    for skeleton in found.values():
        # Kimimaro's positions are index * voxel size, the voxel's lower corner.
        center = np.asarray(corner_nm) + np.asarray(voxel_nm) / 2
        yield Skeleton(
            root,
            (skeleton.vertices + center).astype(np.float32),
            skeleton.edges.astype(np.uint32).reshape(-1, 2),
            skeleton.radii.astype(np.float32),
        )


def _shifted(
    origin_nm: PointNm, voxel: tuple[int, int, int], voxel_nm: tuple[float, float, float]
) -> PointNm:
    x, y, z = (o + i * v for o, i, v in zip(origin_nm, voxel, voxel_nm, strict=True))
    return (x, y, z)


def _packages() -> tuple[Any, Any]:
    """Return kimimaro and fastremap, imported late because they are heavy and optional."""
    try:
        import fastremap
        import kimimaro
    except ImportError as error:
        raise MissingPackageError(
            "Skeletons need the package kimimaro, which is not installed.",
            'Install it with: pip install "proofdesk[offline]"',
        ) from error
    return kimimaro, fastremap
