"""Skeletons of all objects of a real volume, and which part of the time is kimimaro itself."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from unittest.mock import patch

from benchmarks.measured import Measured
from benchmarks.pairs import PINKY40

__all__ = ["skeleton_rows"]

_GOAL = 5.0
_LEVEL = 2
"""The 32 nm level."""


def skeleton_rows(data: Path = PINKY40) -> Iterator[Measured]:
    """Measure voxels a second, from files to skeletons, in one process and in two.

    Both count: voxels of the level that is traced, and those of the finest level that it
    stands for. Two processes take every other object, as workers of a scan do.
    """
    if not (data / "info").is_file():
        note = "the data set pinky40 is not there"
        yield Measured("skeletons, 2 processes", None, "Mvoxel/s", f">= {_GOAL:g}", note=note)
        return
    from connectome.precomputed.datastack import PrecomputedDatastack

    scales = PrecomputedDatastack(str(data)).segmentation.scales
    traced, finest = (math.prod(scales[level].shape) / 1e6 for level in (_LEVEL, 0))
    yield Measured("load before", os.getloadavg()[0], "", note="processes that want to run")
    for processes in (1, 2):
        began = time.perf_counter()
        parts = _in_processes(data, processes)
        took = time.perf_counter() - began
        name = f"{processes} process{'es' * (processes > 1)}"
        inside = sum(part[1] for part in parts) / sum(part[0] for part in parts)
        goal, ok = (f">= {_GOAL:g}", traced / took >= _GOAL) if processes == 2 else ("", None)
        found = sum(part[2] for part in parts)
        note = f"{took:.0f} s, reading included"
        yield Measured(f"skeletons, {name}", traced / took, "Mvoxel/s", goal, ok, found, note)
        note = "the same time, counted in voxels of the finest level"
        yield Measured("  of the finest level", finest / took, "Mvoxel/s", note=note)
        yield Measured("  kimimaro itself", 100 * inside, "%", note="of the processes' time")
    yield Measured("load after", os.getloadavg()[0], "", note="processes that want to run")


def _in_processes(data: Path, processes: int) -> list[tuple[float, float, int]]:
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        return list(pool.map(partial(_traced, data, processes), range(processes)))


def _traced(data: Path, processes: int, turn: int) -> tuple[float, float, int]:
    """Return the seconds of a process, those inside kimimaro, and how many it traced."""
    import kimimaro

    from connectome.precomputed.datastack import PrecomputedDatastack
    from connectome.skeletonize import KimimaroSkeletons, SkeletonSettings

    segmentation = PrecomputedDatastack(str(data)).segmentation
    size = math.prod(segmentation.scales[_LEVEL].shape)
    roots = segmentation.roots()[turn::processes].tolist()
    skeletons = KimimaroSkeletons(segmentation, settings=SkeletonSettings(max_voxels=size))
    inside = [0.0]
    trace = kimimaro.skeletonize

    def timed(*args: object, **options: object) -> object:
        began = time.perf_counter()
        try:
            return trace(*args, **options)
        finally:
            inside[0] += time.perf_counter() - began

    began = time.perf_counter()
    with patch.object(kimimaro, "skeletonize", timed):
        found = sum(1 for _ in skeletons.skeletons(roots))
    return time.perf_counter() - began, inside[0], found
