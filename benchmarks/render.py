"""Speed and memory of pictures: 40 touching pairs of real meshes at 2,500 nm."""

from __future__ import annotations

import math
import multiprocessing
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measured import Measured
from benchmarks.pairs import PINKY40, Pair, touching_pairs
from connectome.errors import MachineError

if TYPE_CHECKING:
    from rendering.backend import GeometryBackend
    from rendering.meshes import MeshFetcher
    from rendering.octarine_views import OctarineViews
    from rendering.spec import RenderSpec
    from rendering.surfaces import Surface

__all__ = ["memory_row", "render_rows"]

HALF_EXTENT_NM = 2500.0
PAIRS = 40
ROUNDS = 5
"""How often each pair is drawn; all drawings count."""
_TENSOR_GOAL_MS = 20.0
_VIEWS_GOAL_MS = 150.0
_MEMORY_GOAL_GIB = 1.5
_MEMORY_PAIRS = 2000
_VIEW_PX = 512


def render_rows(
    data: Path = PINKY40, pairs: int = PAIRS, memory_pairs: int = _MEMORY_PAIRS
) -> Iterator[Measured]:
    """Measure the tensor, the views, and what 2,000 pairs leave in memory."""
    if not (data / "info").is_file():
        for measure, unit, goal in _PROMISED:
            yield Measured(measure, None, unit, goal, note="the data set pinky40 is not there")
        return
    chosen = touching_pairs(pairs, data)
    desk = _Desk.open(data)
    yield Measured("load before", os.getloadavg()[0], "", note="processes that want to run")
    yield from _fetch_rows(desk, chosen)
    yield from _tensor_rows(desk, chosen)
    yield from _view_rows(desk, chosen)
    yield Measured("load after", os.getloadavg()[0], "", note="processes that want to run")
    yield memory_row(data, chosen, memory_pairs)


_TENSOR, _VIEWS = "tensor 3 × 7 × 224 × 224", f"three views at {_VIEW_PX} px"
_PROMISED = (
    (f"{_TENSOR}, median", "ms", f"<= {_TENSOR_GOAL_MS:g}"),
    (f"{_VIEWS}, median", "ms", f"<= {_VIEWS_GOAL_MS:g}"),
    (f"memory over {_MEMORY_PAIRS} pairs", "GiB", f"< {_MEMORY_GOAL_GIB:g}"),
)


@dataclass
class _Desk:
    """What draws pairs of one dataset."""

    meshes: MeshFetcher
    spec: RenderSpec
    views: OctarineViews

    @classmethod
    def open(cls, data: Path) -> _Desk:
        from connectome.precomputed.datastack import PrecomputedDatastack
        from rendering.meshes import MeshFetcher
        from rendering.octarine_views import OctarineViews
        from rendering.spec import RenderSpec

        spec = RenderSpec(half_extent_nm=HALF_EXTENT_NM, size_px=_VIEW_PX)
        return cls(MeshFetcher(PrecomputedDatastack(str(data))), spec, OctarineViews())

    def surfaces(self, pair: Pair, detail_nm: float = 0.0) -> list[Surface]:
        reach = HALF_EXTENT_NM * self.spec.crop_factor
        colors = (self.spec.color_a, self.spec.color_b)
        return [
            self.meshes.around(root, pair.center_nm, reach, color=color, detail_nm=detail_nm)
            for root, color in zip((pair.a, pair.b), colors, strict=True)
        ]

    @property
    def view_detail_nm(self) -> float:
        return self.spec.detail_px * 2 * HALF_EXTENT_NM / self.spec.size_px


def _fetch_rows(desk: _Desk, pairs: list[Pair]) -> Iterator[Measured]:
    """Measure a first look at every pair, which reads, decodes and sorts its meshes."""
    for what, detail in (("tensor", 0.0), ("views", desk.view_detail_nm)):
        took = []
        for pair in pairs:
            desk.meshes.forget()
            begun = time.perf_counter()
            desk.surfaces(pair, detail)
            took.append(time.perf_counter() - begun)
        note = "both meshes, whole, from this machine's disk, caches empty; crop included"
        yield from _rows(f"{what}: fetch", took, note)


def _tensor_rows(desk: _Desk, pairs: list[Pair]) -> Iterator[Measured]:
    from rendering.backend import best_geometry_backend
    from rendering.geometry import GeometrySpec

    goal = f"<= {_TENSOR_GOAL_MS:g}"
    try:
        backend = best_geometry_backend()
    except MachineError as error:
        yield Measured(f"{_TENSOR}, median", None, "ms", goal, note=str(error))
        return
    spec = GeometrySpec(half_extent_nm=HALF_EXTENT_NM)
    first = _timed(lambda: backend.draw(desk.surfaces(pairs[0]), spec))
    yield Measured("tensor: start", 1000 * first, "ms", note=f"{backend.name}; once a process")
    crop, draw = [], []
    for pair in pairs * (1 + ROUNDS):
        begun = time.perf_counter()
        surfaces = desk.surfaces(pair)
        ready = time.perf_counter()
        backend.draw(surfaces, spec, pair.center_nm)
        draw.append(time.perf_counter() - ready)
        crop.append(ready - begun)
    crop, draw = crop[len(pairs) :], draw[len(pairs) :]  # the first round fills the caches
    total = [a + b for a, b in zip(crop, draw, strict=True)]
    yield from _rows(_TENSOR, total, f"{backend.name}; crop and draw", _TENSOR_GOAL_MS)
    yield from _rows("tensor: crop", crop, "of both meshes")
    yield from _rows("tensor: draw", draw, backend.name)
    for part in ("upload", "read back"):
        yield _inside_draw(part, backend)


def _inside_draw(part: str, backend: GeometryBackend) -> Measured:
    where = "nothing leaves memory" if backend.name == "numba" else "part of draw"
    return Measured(f"tensor: {part}", None, "ms", note=f"{backend.name}: {where}")


def _view_rows(desk: _Desk, pairs: list[Pair]) -> Iterator[Measured]:
    goal = f"<= {_VIEWS_GOAL_MS:g}"
    detail = desk.view_detail_nm
    try:
        first = _timed(lambda: desk.views.draw(desk.surfaces(pairs[0], detail), desk.spec))
    except MachineError as error:
        yield Measured(f"{_VIEWS}, median", None, "ms", goal, note=str(error))
        return
    yield Measured("views: start", 1000 * first, "ms", note="octarine; once a process")
    parts: dict[str, list[float]] = {"crop": [], "upload": [], "draw": [], "read back": []}
    total = []
    for count, pair in enumerate(pairs * (1 + ROUNDS)):
        begun = time.perf_counter()
        surfaces = desk.surfaces(pair, detail)
        ready = time.perf_counter()
        desk.views.draw(surfaces, desk.spec)
        done = time.perf_counter()
        if count < len(pairs):
            continue  # the first round fills the caches
        times = desk.views.times
        seconds = (ready - begun, times.upload_s, times.draw_s, times.read_s)
        for part, value in zip(parts, seconds, strict=True):
            parts[part].append(value)
        total.append(done - begun)
    note = "octarine; crop, upload, draw, read back"
    yield from _rows(_VIEWS, total, note, _VIEWS_GOAL_MS)
    notes = {"upload": "handing over; the transfer is part of draw"}
    for part, seconds_of_part in parts.items():
        yield from _rows(f"views: {part}", seconds_of_part, notes.get(part, ""))


def memory_row(data: Path, pairs: list[Pair], count: int) -> Measured:
    """Draw so many pairs, tensor and views, in a process of their own; return its peak.

    Memory caches are emptied after each round over the pairs, so that meshes are read,
    kept and dropped again and again.
    """
    measure, goal = f"memory over {count} pairs", f"< {_MEMORY_GOAL_GIB:g}"
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn) as pool:
        try:
            peak, early, late = pool.submit(_drawn_in_memory, data, pairs, count).result()
        except MachineError as error:
            return Measured(measure, None, "GiB", goal, note=str(error))
    note = f"peak of a process of its own; {early:.2f} after a tenth, {late:.2f} at the end"
    return Measured(measure, peak, "GiB", goal, peak < _MEMORY_GOAL_GIB, count, note)


def _drawn_in_memory(data: Path, pairs: Sequence[Pair], count: int) -> tuple[float, float, float]:
    """Return the peak, and what was held after a tenth and at the end, in GiB."""
    from rendering.backend import best_geometry_backend
    from rendering.geometry import GeometrySpec

    desk = _Desk.open(data)
    backend = best_geometry_backend()
    spec = GeometrySpec(half_extent_nm=HALF_EXTENT_NM)
    early = 0.0
    for number in range(count):
        pair = pairs[number % len(pairs)]
        if number % len(pairs) == 0:
            desk.meshes.forget()
        backend.draw(desk.surfaces(pair), spec, pair.center_nm)
        desk.views.draw(desk.surfaces(pair, desk.view_detail_nm), desk.spec)
        if number == count // 10:
            early = _resident_gib()
    return _peak_gib(), early, _resident_gib()


def _resident_gib() -> float:
    """Return what this process holds in memory now; nan where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return math.nan
    return float(pages * os.sysconf("SC_PAGE_SIZE") / 2**30)


def _peak_gib() -> float:
    """Return the most memory that this process held.

    Linux hands the peak of the parent, as of the fork, on to a child's ``ru_maxrss``;
    ``VmHWM`` begins anew with the program.
    """
    status = Path("/proc/self/status")
    if status.exists():
        lines = status.read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 2**20
    import resource

    # Kilobytes on Linux, bytes on macOS.
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30


def _rows(
    measure: str, seconds: Sequence[float], note: str = "", goal_ms: float | None = None
) -> Iterator[Measured]:
    """Yield the median, with the goal if there is one, and the 95th percentile."""
    milliseconds = sorted(1000 * value for value in seconds)
    median = statistics.median(milliseconds)
    high = milliseconds[min(math.ceil(0.95 * len(milliseconds)), len(milliseconds)) - 1]
    goal, ok = ("", None) if goal_ms is None else (f"<= {goal_ms:g}", median <= goal_ms)
    yield Measured(f"{measure}, median", median, "ms", goal, ok, len(milliseconds), note)
    yield Measured(f"{measure}, p95", high, "ms", n=len(milliseconds))


def _timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun
