"""A scan with one and two workers, also with workers that are killed: speed, and same results."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from app.services.scan_runners import DaskRunner, Runner, open_runner
from app.services.scan_units import Job, Outcome, Unit
from app.services.scanning import ScanRequest, ScanSummary, scan
from benchmarks.demo import ingested_demo, quiet
from benchmarks.measured import Measured
from connectome.opening import open_datastack
from connectome.space import BoxNm
from proofreading.detection.settings import DEFAULT_KINDS
from proofreading.scan.folder import ResultFolder
from proofreading.scan.record import read_present
from proofreading.scan.rows import read_sites, read_verdicts
from proofreading.sites import SiteKind
from proofreading.verdicts import Verdict

__all__ = ["scan_rows"]

_EFFICIENCY = 0.7
_JUDGED_NM = 600.0
"""Edge of the cube in the middle whose contacts are judged by everything that is bundled."""
_EVERY = 25
"""A worker is killed after so many tasks."""
_LOAD = "processes that want to run"


@dataclass(frozen=True)
class _Run:
    sites: int
    judged: int
    detecting: float
    judging: float
    digest: str
    killed: int = 0


class _Killing:
    """Kills a worker at random after some tasks, by its process id."""

    def __init__(self, runner: Runner) -> None:
        self.runner, self.killed = runner, 0
        self.workers, self.dashboard = runner.workers, runner.dashboard
        self._random = random.Random(1)
        self._seen: set[int] = set()
        self._tasks = 0

    def run(self, job: Job, units: Iterable[Unit]) -> Iterator[Outcome]:
        """Do the tasks."""
        for outcome in self.runner.run(job, units):
            self._tasks += 1
            self._seen.add(outcome.worker)
            if self._tasks % _EVERY == 0:
                self._kill()
            yield outcome

    def _kill(self) -> None:
        victim = self._random.choice(sorted(self._seen - {0, os.getpid()}) or [0])
        self._seen.discard(victim)
        if victim:
            with suppress(ProcessLookupError):
                os.kill(victim, signal.SIGKILL)
                self.killed += 1

    def close(self) -> None:
        """Give the workers back."""
        self.runner.close()


def scan_rows(datastack: Path | None = None) -> Iterator[Measured]:
    """Measure a scan of a datastack, the bundled demo's if None, on workers of this machine.

    Everything is detected; contacts in the middle are judged by all bundled judges of pairs,
    which look at pictures too. Before the time begins, the same workers do a little of both.
    """
    with tempfile.TemporaryDirectory(prefix="proofdesk-bench-") as scratch:
        folder = Path(scratch)
        address = datastack or ingested_demo(folder / "datastack")
        yield Measured("load before", os.getloadavg()[0], "", note=_LOAD)
        runs = {workers: _run(address, folder, workers) for workers in (1, 2)}
        yield from _rows(runs)
        lost = _run(address, folder, 2, killing=True)
        note = f"{lost.killed} of their processes were killed"
        same = lost.digest == runs[1].digest
        yield Measured("the same after kills", float(same), "", "1", same, lost.sites, note)
        yield Measured("load after", os.getloadavg()[0], "", note=_LOAD)


def _rows(runs: dict[int, _Run]) -> Iterator[Measured]:
    for workers, run in runs.items():
        name = f"{workers} worker{'s' * (workers > 1)}"
        yield Measured(f"detect, {name}", run.sites / run.detecting, "sites/s", n=run.sites)
        rate = run.judged / run.judging
        yield Measured(f"numbers and pictures, {name}", rate, "sites/s", n=run.judged)
    for what in ("detecting", "judging"):
        share = getattr(runs[1], what) / getattr(runs[2], what) / 2
        goal = f"> {_EFFICIENCY}"
        yield Measured(f"efficiency of {what}, 2 workers", share, "", goal, share > _EFFICIENCY)
    same = runs[1].digest == runs[2].digest
    yield Measured("the same sites and probabilities", float(same), "", "1", same, runs[1].sites)


def _run(address: Path, folder: Path, workers: int, *, killing: bool = False) -> _Run:
    runner: Runner = open_runner("local", workers)
    assert isinstance(runner, DaskRunner)
    out = folder / f"{workers} {killing}"
    middle, corner = _boxes(address)
    try:
        # What is measured is the work, not the import of what it needs.
        _scan(address, out / "warm", runner, corner)
        killer = _Killing(runner)
        working: Runner = killer if killing else runner
        began = time.perf_counter()
        found = _scan(address, out / "all", working, None, judged=False)
        detected = time.perf_counter()
        _scan(address, out / "middle", working, middle, judged=False)
        looked = time.perf_counter()
        judged = _scan(address, out / "middle", working, middle)
        ended = time.perf_counter()
    finally:
        runner.close()
    digest = _digest([out / "all", out / "middle"])
    return _Run(found.sites, judged.sites, detected - began, ended - looked, digest, killer.killed)


def _boxes(address: Path) -> tuple[BoxNm, BoxNm]:
    """Return a cube in the middle and a small one in it."""
    datastack = open_datastack(str(address))
    try:
        bounds = datastack.segmentation.scales[0].bounds_nm
    finally:
        datastack.close()
    x, y, z = ((a + b) / 2 for a, b in zip(bounds.lower, bounds.upper, strict=True))
    half = min(_JUDGED_NM, *bounds.size) / 2
    return BoxNm.around((x, y, z), half), BoxNm.around((x, y, z), half / 3)


def _scan(
    address: Path, out: Path, runner: Runner, box: BoxNm | None, *, judged: bool = True
) -> ScanSummary:
    kinds = DEFAULT_KINDS if box is None else frozenset({SiteKind.CONTACT})
    request = ScanRequest(str(address), out, kinds=kinds, box=box, judged=judged)
    return scan(request, quiet, runner)


def _digest(folders: list[Path]) -> str:
    """Return a hash of all sites, verdicts and probabilities, whatever their order."""
    rows: list[str] = []
    for folder in folders:
        present, results = read_present(folder), ResultFolder(folder)
        for name in present.sites:
            rows += [repr(site) for site in read_sites(results, "sites", name)]
        for file in present.verdicts:
            judge, _, name = file.partition("/")
            for each in read_verdicts(results, f"verdicts/{judge}", name):
                chance = each.probability if isinstance(each, Verdict) else None
                rows.append(repr((each.site_id, each.task, each.partner_supervoxel, chance)))
    return hashlib.blake2b("\n".join(sorted(rows)).encode()).hexdigest()
