"""Benchmarks of the use-cases, one table each; goals are figures that were promised."""

from __future__ import annotations

import os
import platform
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from connectome.errors import InputError

Result = TypeVar("Result")

__all__ = ["BENCHMARKS", "BenchReport", "Row", "run_benchmark"]


@dataclass(frozen=True)
class Row:
    """One measure. `value` is None where it could not be measured."""

    measure: str
    value: float | None
    unit: str
    goal: str = ""
    ok: bool | None = None
    n: int = 1
    note: str = ""


@dataclass(frozen=True)
class BenchReport:
    """Everything one benchmark measured."""

    name: str
    machine: str
    rows: tuple[Row, ...]


def run_benchmark(name: str) -> BenchReport:
    """Run one benchmark by name.

    Raises
    ------
    InputError
        If there is none of this name.
    """
    if name not in BENCHMARKS:
        names = ", ".join(BENCHMARKS)
        raise InputError(f"There is no benchmark {name!r}.", f"Choose one of: {names}.")
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    return BenchReport(name, machine, tuple(BENCHMARKS[name]()))


def _loop() -> Iterator[Row]:
    """Measure the steps of the loop on the bundled demo, in a folder of their own."""
    from app.services.deciding import decide_automatically
    from app.services.detecting import detect_into
    from app.services.exporting import export_session
    from app.services.judging import judge_session
    from app.services.scoring import score_folder
    from connectome.offline.ingest import IngestRequest, ingest
    from connectome.offline.synthetic.recipe import load_recipe
    from connectome.offline.synthetic.volume import make_demo

    with tempfile.TemporaryDirectory(prefix="proofdesk-bench-") as scratch:
        out, session = Path(scratch) / "datastack", Path(scratch) / "s.proofdesk"
        volumes, seconds = _timed(lambda: make_demo(load_recipe()))
        yield Row("grow the demo", seconds, "s", "< 30", seconds < 30)
        request = IngestRequest(
            em=volumes.em,
            segmentation=volumes.segmentation,
            supervoxels=volumes.supervoxels,
            groundtruth=volumes.groundtruth,
            resolution_nm=volumes.resolution_nm,
            name="offline_bench",
            out=out,
        )
        _, seconds = _timed(lambda: ingest(request, _quiet))
        yield Row("ingest", volumes.em.size / seconds / 1e6, "Mvoxel/s", note="meshes included")
        before = score_folder(out)
        found, seconds = _timed(lambda: detect_into(str(out), session, report=_quiet))
        yield Row("detect", found.sites / seconds, "sites/s", n=found.sites)
        judged, seconds = _timed(
            lambda: judge_session(session, model=None, again=False, report=_quiet)
        )
        yield Row("judge", judged.sites_judged / seconds, "sites/s", n=judged.sites_judged)
        decide_automatically(session, accept_above=0.9, reject_below=0.0, unlock=True)
        sent, seconds = _timed(
            lambda: export_session(session, dry_run=False, tables=None, report=_quiet)
        )
        rate = sent.applied / seconds if sent.applied else None
        yield Row("export", rate, "edits/s", n=sent.applied, note="one at a time, each verified")
        after = score_folder(out)
        yield Row("VI before", before.vi, "nats")
        yield Row("VI after", after.vi, "nats", "falls", after.vi < before.vi)


def _timed(work: Callable[[], Result]) -> tuple[Result, float]:
    began = time.perf_counter()
    result = work()
    return result, time.perf_counter() - began


def _quiet(_label: str, _fraction: float | None) -> None:
    """Report nothing: a benchmark writes one table at its end."""


BENCHMARKS: dict[str, Callable[[], Iterator[Row]]] = {"loop": _loop}
