"""Skeletons of a segmentation, traced from its voxels (`connectome.tracing`)."""

from __future__ import annotations

import math
import os
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from connectome.datastack import Segmentation, Skeleton
from connectome.errors import MissingPackageError
from connectome.space import PointNm, Scale
from connectome.tracing import TracedVolume, Tracing

__all__ = ["SkeletonSettings", "VoxelSkeletons", "skeletonize"]

_AHEAD = 256
"""Objects handed out before they are asked for: the largest come first, and take longest."""


@dataclass(frozen=True)
class SkeletonSettings:
    """How skeletons are traced.

    Parameters
    ----------
    scale, const_nm : float
        A path clears what lies within ``scale * radius + const_nm`` around it; twigs
        shorter than that make no branch.
    dust_nm3 : float
        Connected pieces of less volume are passed over.
    max_voxels : int
        The finest resolution level with at most this many voxels is traced.
    threads : int
        How many trace; 0 for as many as `OMP_NUM_THREADS` allows (1 in a worker of Dask), or as
        there are processors.
    """

    scale: float = 1.5
    const_nm: float = 300.0
    dust_nm3: float = 1e6
    max_voxels: int = 64_000_000
    threads: int = 0


class VoxelSkeletons:
    """The skeletons of any segmentation that fits into memory at one of its scales.

    A root never changes, so that the prepared volume serves until somebody asks for a root
    that it does not hold.
    """

    def __init__(
        self, segmentation: Segmentation, *, settings: SkeletonSettings | None = None
    ) -> None:
        self._segmentation = segmentation
        self._settings = settings or SkeletonSettings()
        self._lock = threading.Lock()
        self._prepared: TracedVolume | None = None
        self._known: set[int] = set()

    def skeletons(self, roots: Iterable[int] | None = None) -> Iterator[Skeleton]:
        """Yield the skeletons of these roots (of all if None), largest first, as they are made.

        Roots smaller than the dust threshold yield nothing.

        Raises
        ------
        MissingPackageError
            If the packages that trace are not installed.
        """
        wanted = None if roots is None else {int(root) for root in roots}
        if wanted is not None and not wanted:
            return
        scale = self._segmentation.scales[self._level()]
        with self._lock:
            volume = self._volume(wanted)
        yield from _skeletons(volume, scale.voxel_nm, _corner(scale), wanted, self._settings)

    def _volume(self, wanted: set[int] | None) -> TracedVolume:
        if self._prepared is None or wanted is None or not wanted <= self._known:
            self._prepared = None
            level = self._level()
            scale = self._segmentation.scales[level]
            labels = self._segmentation.read_roots(scale.bounds_nm, level).data
            self._prepared = _prepared(labels, scale.voxel_nm, self._settings)
            # Roots that are too thin for this level are not looked for again.
            self._known |= set(self._prepared.labels.tolist()) | (wanted or set())
        return self._prepared

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
        If the packages that trace are not installed.
    """
    settings = settings or SkeletonSettings()
    wanted = None if roots is None else {int(root) for root in roots}
    volume = _prepared(labels, voxel_nm, settings)
    yield from _skeletons(volume, voxel_nm, origin_nm, wanted, settings)


def _prepared(
    labels: NDArray[np.unsignedinteger[Any]],
    voxel_nm: tuple[float, float, float],
    settings: SkeletonSettings,
) -> TracedVolume:
    try:
        how = Tracing(settings.scale, settings.const_nm)
        return TracedVolume(labels, voxel_nm, how, threads=settings.threads or _threads())
    except ImportError as error:
        raise MissingPackageError(
            f"Skeletons need the package {error.name}, which is not installed.",
            'Install it with: pip install "proofdesk[offline]"',
        ) from error


def _skeletons(
    volume: TracedVolume,
    voxel_nm: tuple[float, float, float],
    origin_nm: PointNm,
    wanted: set[int] | None,
    settings: SkeletonSettings,
) -> Iterator[Skeleton]:
    dust = max(1, round(settings.dust_nm3 / math.prod(voxel_nm)))

    def trace(found: tuple[int, list[int]]) -> Skeleton | None:
        root, pieces = found
        large = [piece for piece in pieces if volume.voxels[piece] > dust]
        paths = [path for piece in large for path in volume.trace(piece)]
        return _skeleton(root, volume, paths, voxel_nm, origin_nm) if paths else None

    todo = (each for each in volume.objects() if wanted is None or each[0] in wanted)
    with ThreadPoolExecutor(volume.threads) as pool:
        going = deque(pool.submit(trace, each) for each in islice(todo, _AHEAD))
        try:
            while going:
                skeleton = going.popleft().result()
                going.extend(pool.submit(trace, each) for each in islice(todo, 1))
                if skeleton is not None:
                    yield skeleton
        finally:
            # Whoever stops listening does not wait for the rest.
            pool.shutdown(wait=False, cancel_futures=True)


def _threads() -> int:
    given = os.environ.get("OMP_NUM_THREADS", "")
    return max(1, int(given)) if given.isdecimal() else os.cpu_count() or 1


def _skeleton(
    root: int,
    volume: TracedVolume,
    paths: list[NDArray[np.int32]],
    voxel_nm: tuple[float, float, float],
    origin_nm: PointNm,
) -> Skeleton:
    voxels = np.unique(np.concatenate(paths))
    steps = [np.stack([path[:-1], path[1:]], axis=1) for path in paths]
    edges = np.searchsorted(voxels, np.concatenate(steps))
    places = volume.positions(voxels)[:, ::-1] + np.asarray(origin_nm) + np.asarray(voxel_nm) / 2
    return Skeleton(root, places.astype(np.float32), edges.astype(np.uint32), volume.radii[voxels])


def _corner(scale: Scale) -> PointNm:
    return scale.bounds_nm.lower
