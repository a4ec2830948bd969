"""Use-case: detect and judge a whole datastack, on as many machines as there are."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from app.services.judging import load_panel
from app.services.opening import open_session
from app.services.scan_board import Board, Stage
from app.services.scan_following import Followed, ScanFollower
from app.services.scan_graph import ScanGraph
from app.services.scan_present import PresentRoots
from app.services.scan_runners import Runner, open_runner
from app.services.scan_units import Job, judges_of
from connectome.errors import InputError
from connectome.opening import open_datastack
from proofreading.detection.contacts import working_level
from proofreading.detection.settings import DEFAULT_KINDS, DetectionSettings
from proofreading.scan.keys import digest_of_numbers
from proofreading.scan.record import ScanRecord, read_record, write_record
from proofreading.sites import SiteKind

if TYPE_CHECKING:
    from connectome.datastack import Datastack
    from connectome.space import BoxNm

__all__ = ["ScanRequest", "ScanSummary", "import_scan", "scan"]

ROOTS_TOGETHER = 64
BLOCKS_TOGETHER = 8
LEAST_TASKS = 8
"""A small volume is cut into at least so many tasks, so that several workers have some."""


@dataclass(frozen=True)
class ScanRequest:
    """What to scan, where results go, and who works.

    Parameters
    ----------
    address : str
        The datastack.
    out : Path
        Folder of the results; one that is there is gone on with.
    roots : sequence of int or None
        Only sites of these segments; None for all.
    kinds : frozenset of SiteKind
        What to look for.
    box : BoxNm or None
        Where to look for contacts and weak cuts.
    scheduler, workers
        As `app.services.scan_runners.open_runner` takes them.
    models : sequence of str
        Ids or folders instead of the bundled judges.
    judged : bool
        Whether models are asked at all.
    quick : bool
        Ask only the quick member of an ensemble.
    per_second : float
        How many requests a second all workers together may send to CAVE.
    into : Path or None
        A session that gets what is found, while it is found.
    """

    address: str
    out: Path
    roots: Sequence[int] | None = None
    kinds: frozenset[SiteKind] = DEFAULT_KINDS
    box: BoxNm | None = None
    scheduler: str | None = None
    workers: int = 1
    models: tuple[str, ...] = ()
    judged: bool = True
    quick: bool = False
    per_second: float = 5.0
    into: Path | None = None


@dataclass(frozen=True)
class ScanSummary:
    """What a run over a scan's folder did."""

    complete: bool
    sites: int
    verdicts: int
    tasks: int
    tasks_there_before: int
    tasks_done: int
    tasks_failed: int
    workers: int
    processes: int
    seconds: float
    detection_seconds: float
    judging_seconds: float
    detection_sites_per_second: float | None
    judging_sites_per_second: float | None
    imported_sites: int
    imported_verdicts: int
    page: str
    problems: tuple[str, ...]


def scan(
    request: ScanRequest,
    report: Callable[[str, float | None], None],
    runner: Runner | None = None,
) -> ScanSummary:
    """Scan a datastack; run it again to go on after any loss, or after edits.

    Raises
    ------
    InputError
        If the folder belongs to another scan, or roots must be given and are not.
    DatastackError, MissingPackageError, OfflineError, StorageError
        If what is needed cannot be opened.
    """
    with ExitStack() as closing:
        datastack = open_datastack(request.address)
        closing.callback(datastack.close)
        record = _record(request, datastack)
        work = runner
        if work is None:
            work = open_runner(request.scheduler, request.workers)
            closing.callback(work.close)
        job = Job(
            request.out.absolute(),
            record,
            request.models,
            request.quick,
            request.per_second / work.workers if record.address.startswith("cave:") else None,
        )
        board = Board(job.folder, record, report, work.dashboard)
        graph = ScanGraph(job, datastack, work, board, _current(request.roots, datastack))
        follow = _Import(job.folder, request.into, datastack)
        closing.callback(follow.close)
        return _Run(request, graph, board, follow).go()


class _Run:
    """One run, and its numbers."""

    def __init__(
        self, request: ScanRequest, graph: ScanGraph, board: Board, follow: _Import
    ) -> None:
        self.request, self.graph, self.board, self.follow = request, graph, board, follow
        board.on_tick = self._tick

    def go(self) -> ScanSummary:
        """Detect, judge, and tell what was done."""
        began = time.monotonic()
        self.graph.detect()
        detected = time.monotonic()
        if self.request.judged:
            panel = load_panel(self.request.models)
            self.graph.judge(judges_of(panel, quick=self.request.quick))
        judged = time.monotonic()
        self.graph.note(complete=self.graph.complete)
        self.follow.poll()
        self._count()
        self.board.end(complete=self.graph.complete)
        return self._summary(detected - began, judged - detected)

    def _tick(self) -> None:
        self.graph.note()
        self._count()
        self.follow.poll()

    def _count(self) -> None:
        self.board.sites = self.graph.count_sites()

    def _summary(self, detecting: float, judging: float) -> ScanSummary:
        stages = self.board.stages
        found = [stages[task] for task in ("contacts", "cuts", "kept") if task in stages]
        judged = stages.get("judged", Stage())
        new = sum(stage.rows for stage in found)
        return ScanSummary(
            complete=self.graph.complete,
            sites=self.board.sites,
            verdicts=self.graph.count_verdicts(),
            tasks=sum(stage.total for stage in stages.values()),
            tasks_there_before=sum(stage.found for stage in stages.values()),
            tasks_done=sum(stage.done for stage in stages.values()),
            tasks_failed=sum(stage.failed for stage in stages.values()),
            workers=self.graph.runner.workers,
            processes=len(self.board.workers),
            seconds=round(detecting + judging, 2),
            detection_seconds=round(detecting, 2),
            judging_seconds=round(judging, 2),
            detection_sites_per_second=round(new / detecting, 2) if new else None,
            judging_sites_per_second=round(judged.rows / judging, 2) if judged.rows else None,
            imported_sites=self.follow.found.sites,
            imported_verdicts=self.follow.found.verdicts,
            page=str(self.board.page),
            problems=tuple(dict.fromkeys(self.board.problems)),
        )


class _Import:
    """Brings results into a session while they come, if there is one."""

    def __init__(self, folder: Path, session: Path | None, datastack: Datastack) -> None:
        self.found = Followed()
        self._session = None
        if session is not None:
            self._session = open_session(session, datastack=datastack, role="worker")
            self._follower = ScanFollower(folder, self._session.catalogue)

    def poll(self) -> None:
        """Add what is new."""
        if self._session is not None:
            self.found += self._follower.poll()

    def close(self) -> None:
        """Close the session."""
        if self._session is not None:
            self._session.close()


def import_scan(folder: Path, session: Path) -> Followed:
    """Add what a scan has found so far to a session, made new if it does not exist.

    Raises
    ------
    InputError
        If the folder holds no scan.
    SessionError
        If the session belongs to another datastack.
    """
    record = read_record(folder)
    if record is None:
        raise InputError(f"There is no scan in {folder}.", "Give the folder of a scan's --out.")
    datastack = open_datastack(record.address)
    follow = _Import(folder, session, datastack)
    try:
        follow.poll()
        return follow.found
    finally:
        follow.close()
        datastack.close()


def _record(request: ScanRequest, datastack: Datastack) -> ScanRecord:
    """Return what the folder scans; begun now if it is empty."""
    there = read_record(request.out)
    made = _new_record(request, datastack)
    if there is None:
        write_record(request.out, made)
        return made
    asked = (made.datastack, made.kinds, made.box, made.whole_volume)
    if asked != (there.datastack, there.kinds, there.box, there.whole_volume):
        raise InputError(
            f"{request.out} holds another scan: of {there.datastack}, for "
            f"{', '.join(there.kinds)}.",
            "Choose another folder, or ask for the same.",
        )
    return replace(there, address=made.address)


def _new_record(request: ScanRequest, datastack: Datastack) -> ScanRecord:
    roots = request.roots
    present = list(roots) if roots is not None else PresentRoots(datastack).listed()
    settings = DetectionSettings()
    segmentation = datastack.segmentation
    scale = segmentation.scales[working_level(segmentation, settings)]
    voxels = math.prod(scale.shape)
    blocks = voxels / settings.block_voxels**3
    too_large = roots is not None and request.box is None and voxels > settings.max_voxels
    return ScanRecord(
        datastack=datastack.name,
        address=datastack.address,
        version=digest_of_numbers(present),
        kinds=tuple(sorted(request.kinds)),
        box=request.box,
        whole_volume=not too_large,
        buckets=max(LEAST_TASKS, math.ceil(len(present) / ROOTS_TOGETHER)),
        unit_blocks=max(1, min(BLOCKS_TOGETHER, int(blocks / LEAST_TASKS))),
    )


def _current(roots: Sequence[int] | None, datastack: Datastack) -> list[int] | None:
    """Return the roots that took the place of those that were given."""
    if roots is None:
        return None
    present = PresentRoots(datastack)
    gone = [root for root in roots if not present.hold([root])]
    kept = set(roots) - set(gone)
    graph = datastack.graph if gone else None
    if graph is not None:
        lineage = graph.lineage(gone)
        kept |= {new for root in gone for new in lineage.latest(root)}
    return sorted(kept)
