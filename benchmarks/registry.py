"""Every benchmark by its name; goals are figures that were promised."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from pathlib import Path

from benchmarks.measured import Measured, Report
from connectome.errors import InputError

__all__ = ["BENCHMARKS", "ON_REQUEST", "run_benchmark"]


def run_benchmark(name: str, datastack: Path | None = None) -> Report:
    """Run one benchmark by name.

    Parameters
    ----------
    datastack : Path or None
        What ``scan`` scans, and ``pipeline`` judges, instead of the bundled demo.

    Raises
    ------
    InputError
        If there is none of this name.
    """
    known = {**BENCHMARKS, **ON_REQUEST}
    known["scan"] = partial(_scan, datastack)
    known["pipeline"] = partial(_pipeline, datastack)
    if name not in known:
        names = ", ".join([*known, "faults"])
        raise InputError(f"There is no benchmark {name!r}.", f"Choose one of: {names}.")
    return Report(name, machine(), tuple(known[name]()))


def machine() -> str:
    """Return what the figures were measured on, in a few words."""
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"


def _adaptive() -> Iterator[Measured]:
    from benchmarks.adaptive import adaptive_rows

    return adaptive_rows()


def _day() -> Iterator[Measured]:
    from benchmarks.day import day_rows

    return day_rows()


def _judge() -> Iterator[Measured]:
    from benchmarks.judge import judge_rows

    return judge_rows()


def _language() -> Iterator[Measured]:
    from benchmarks.language import language_rows

    return language_rows()


def _loop() -> Iterator[Measured]:
    from benchmarks.loop import loop_rows

    return loop_rows()


def _offline() -> Iterator[Measured]:
    from benchmarks.graph import cut_rows
    from benchmarks.offline import graph_rows, ingest_rows

    return chain(ingest_rows(), graph_rows(), cut_rows())


def _pipeline(datastack: Path | None) -> Iterator[Measured]:
    from benchmarks.pipeline import pipeline_of

    return pipeline_of(datastack)


def _render() -> Iterator[Measured]:
    from benchmarks.render import render_rows

    return render_rows()


def _scale() -> Iterator[Measured]:
    from benchmarks.scale import scale_rows

    return scale_rows()


def _scan(datastack: Path | None) -> Iterator[Measured]:
    from benchmarks.scan import scan_rows

    return scan_rows(datastack)


def _skeletons() -> Iterator[Measured]:
    from benchmarks.skeletons import skeleton_rows

    return skeleton_rows()


def _window() -> Iterator[Measured]:
    from benchmarks.window import window_rows

    return window_rows()


BENCHMARKS: dict[str, Callable[[], Iterator[Measured]]] = {
    "adaptive": _adaptive,
    "judge": _judge,
    "loop": _loop,
    "offline": _offline,
    "render": _render,
    "window": _window,
}
"""Those that `proofdesk bench all` runs; the others take longer, or need more."""

ON_REQUEST: dict[str, Callable[[], Iterator[Measured]]] = {
    "day": _day,
    "scale": _scale,
    "skeletons": _skeletons,
    "vlm": _language,
}
"""Those that are run only by name; ``scan`` and ``pipeline`` are others."""
