"""A scan with one and two workers: sites a second, efficiency, and the same results."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from app.services.scan_runners import Runner, open_runner
from app.services.scanning import ScanRequest, ScanSummary, scan
from benchmarks.measured import Measured
from proofreading.scan.folder import ResultFolder
from proofreading.scan.record import read_present
from proofreading.scan.rows import read_sites, read_verdicts
from proofreading.verdicts import Verdict

__all__ = ["scan_rows"]

_EFFICIENCY = 0.7


@dataclass(frozen=True)
class _Run:
    summary: ScanSummary
    detecting: float
    judging: float
    found: frozenset[object]


def scan_rows(datastack: Path | None = None) -> Iterator[Measured]:
    """Measure a scan of a datastack, the bundled demo's if None, on workers of this machine.

    The judges are the quick ones. Before the time begins, the same workers scan it once.
    """
    with tempfile.TemporaryDirectory(prefix="proofdesk-bench-") as scratch:
        folder = Path(scratch)
        address = datastack or _demo(folder / "datastack")
        runs = {workers: _run(address, folder, workers) for workers in (1, 2)}
        yield from _rows(runs)


def _rows(runs: dict[int, _Run]) -> Iterator[Measured]:
    for workers, run in runs.items():
        sites, name = run.summary.sites, f"{workers} worker{'s' * (workers > 1)}"
        yield Measured(f"detect, {name}", sites / run.detecting, "sites/s", n=sites)
        yield Measured(f"judge, {name}", sites / run.judging, "sites/s", n=sites)
    for what in ("detecting", "judging"):
        share = getattr(runs[1], what) / getattr(runs[2], what) / 2
        goal = f"> {_EFFICIENCY}"
        yield Measured(f"efficiency of {what}, 2 workers", share, "", goal, share > _EFFICIENCY)
    same = runs[1].found == runs[2].found
    yield Measured(
        "the same sites and probabilities", float(same), "", "1", same, len(runs[1].found)
    )


def _run(address: Path, folder: Path, workers: int) -> _Run:
    runner = open_runner("local", workers)
    try:
        # What is measured is the work, not the import of what it needs.
        _scan(address, folder / f"warm {workers}", runner)
        began = time.perf_counter()
        _scan(address, folder / f"scan {workers}", runner, judged=False)
        detected = time.perf_counter()
        summary = _scan(address, folder / f"scan {workers}", runner)
        judged = time.perf_counter()
    finally:
        runner.close()
    found = _found(folder / f"scan {workers}")
    return _Run(summary, detected - began, judged - detected, found)


def _scan(address: Path, out: Path, runner: Runner, *, judged: bool = True) -> ScanSummary:
    return scan(ScanRequest(str(address), out, judged=judged, quick=True), _quiet, runner)


def _found(folder: Path) -> frozenset[object]:
    present, results = read_present(folder), ResultFolder(folder)
    found: set[object] = set()
    for name in present.sites:
        found |= set(read_sites(results, "sites", name))
    for file in present.verdicts:
        judge, _, name = file.partition("/")
        for each in read_verdicts(results, f"verdicts/{judge}", name):
            chance = each.probability if isinstance(each, Verdict) else None
            found.add((each.site_id, each.task, each.partner_supervoxel, chance))
    return frozenset(found)


def _demo(out: Path) -> Path:
    from connectome.offline.ingest import IngestRequest, ingest
    from connectome.offline.synthetic.recipe import load_recipe
    from connectome.offline.synthetic.volume import make_demo

    volumes = make_demo(load_recipe())
    request = IngestRequest(
        em=volumes.em,
        segmentation=volumes.segmentation,
        supervoxels=volumes.supervoxels,
        resolution_nm=volumes.resolution_nm,
        name="offline_bench",
        out=out,
    )
    ingest(request, _quiet)
    return out


def _quiet(_label: str, _fraction: float | None) -> None:
    """Report nothing: a benchmark writes one table at its end."""
