"""Skeletons of all objects of a real volume, and how long kimimaro alone takes for a part of it."""

from __future__ import annotations

import hashlib
import math
import os
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from benchmarks.measured import Measured
from benchmarks.pairs import PINKY40

if TYPE_CHECKING:
    from connectome.datastack import Segmentation, Skeleton
    from connectome.space import Cutout

__all__ = ["skeleton_rows"]

T = TypeVar("T")

_GOAL = 5.0
_LEVEL = 2
"""The 32 nm level."""
_PART = 8
"""One part of so many, along z, is traced by kimimaro."""
_CORES = (1, 2)


def skeleton_rows(data: Path = PINKY40) -> Iterator[Measured]:
    """Measure voxels a second, from files to skeletons, on one and two threads."""
    if not (data / "info").is_file():
        note = "the data set pinky40 is not there"
        yield Measured("skeletons, 2 threads", None, "Mvoxel/s", f">= {_GOAL:g}", note=note)
        return
    from connectome.precomputed.datastack import PrecomputedDatastack

    segmentation = PrecomputedDatastack(str(data)).segmentation
    _trace(segmentation, 1, None)  # what is measured is the work, not the compiler
    yield Measured("load before", os.getloadavg()[0], "", note="processes that want to run")
    digests = set()
    for threads in _CORES:
        before = time.process_time()
        took, found = _timed(partial(_trace, segmentation, threads, _LEVEL))
        used = time.process_time() - before
        digests.add(_digest(found))
        rate = _million(segmentation.scales[_LEVEL].shape) / took
        goal, ok = (f">= {_GOAL:g}", rate >= _GOAL) if threads == 2 else ("", None)
        name = f"skeletons, {threads} thread{'s' * (threads > 1)}"
        note = f"{took:.1f} s, {used:.1f} s of processors; reading included"
        yield Measured(name, rate, "Mvoxel/s", goal, ok, len(found), note)
    yield Measured("the same skeletons", float(len(digests) == 1), "", "1", len(digests) == 1)
    yield from _beside_kimimaro(segmentation)
    yield Measured("load after", os.getloadavg()[0], "", note="processes that want to run")


def _beside_kimimaro(segmentation: Segmentation) -> Iterator[Measured]:
    from connectome.skeletonize import SkeletonSettings, skeletonize

    part = _part(segmentation)
    size = _million(part.data.shape)
    voxel = part.scale.voxel_nm
    ours: dict[int, float] = {}
    for cores in _CORES:
        work = partial(skeletonize, part.data, voxel, settings=SkeletonSettings(threads=cores))
        took, found = _timed(partial(_all, work))
        ours[cores] = size / took
        name = f"one part: here, {cores} thread{'s' * (cores > 1)}"
        yield Measured(name, ours[cores], "Mvoxel/s", n=len(found))
        rate = _kimimaro(part, cores)
        name = f"one part: kimimaro alone, {cores} process{'es' * (cores > 1)}"
        yield Measured(name, rate, "Mvoxel/s", note="" if rate else "kimimaro is not installed")
        if rate:
            yield Measured(f"here / kimimaro, {cores}", ours[cores] / rate, "times")


def _all(work: Callable[[], Iterator[Skeleton]]) -> list[Skeleton]:
    return list(work())


def _part(segmentation: Segmentation) -> Cutout:
    from connectome.space import BoxNm

    bounds = segmentation.scales[_LEVEL].bounds_nm
    (x, y, z), (ex, ey, ez) = bounds.lower, bounds.upper
    return segmentation.read_roots(BoxNm((x, y, z), (ex, ey, z + (ez - z) / _PART)), _LEVEL)


def _kimimaro(part: Cutout, processes: int) -> float | None:
    """Return Mvoxel/s of kimimaro by itself, with the same settings."""
    try:
        import kimimaro
    except ImportError:
        return None
    from connectome.skeletonize import SkeletonSettings

    settings = SkeletonSettings()
    voxel = part.scale.voxel_nm
    params = {
        "scale": settings.scale,
        "const": settings.const_nm,
        "pdrf_scale": 100_000,
        "pdrf_exponent": 4,
        "soma_detection_threshold": 750,
        "soma_acceptance_threshold": 3500,
        "soma_invalidation_scale": 2,
        "soma_invalidation_const": 300,
    }
    took, _ = _timed(
        lambda: kimimaro.skeletonize(
            part.data.T,
            teasar_params=params,
            anisotropy=voxel,
            dust_threshold=max(1, round(settings.dust_nm3 / math.prod(voxel))),
            fix_branching=False,
            fix_borders=True,
            progress=False,
            parallel=processes,
        )
    )
    return _million(part.data.shape) / took


def _trace(segmentation: Segmentation, threads: int, level: int | None) -> list[Skeleton]:
    """Read and trace all objects of a level; of a small block that is compiled for if None."""
    from connectome.skeletonize import SkeletonSettings, skeletonize

    settings = SkeletonSettings(threads=threads)
    if level is None:
        return list(skeletonize(np.ones((9, 9, 9), np.uint64), (32.0, 32.0, 40.0)))
    scale = segmentation.scales[level]
    labels = segmentation.read_roots(scale.bounds_nm, level).data
    return list(skeletonize(labels, scale.voxel_nm, settings=settings))


def _digest(skeletons: list[Skeleton]) -> str:
    digest = hashlib.blake2b()
    for each in skeletons:
        digest.update(each.vertices_nm.tobytes() + each.edges.tobytes())
    return digest.hexdigest()


def _million(shape: tuple[int, ...]) -> float:
    return math.prod(shape) / 1e6


def _timed(work: Callable[[], T]) -> tuple[float, T]:
    began = time.perf_counter()
    found = work()
    return time.perf_counter() - began, found
