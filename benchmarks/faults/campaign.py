"""The campaign: many small worlds, each edited by a client that nothing goes well for."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from benchmarks.faults.client import EDIT_SECONDS
from benchmarks.faults.processes import ServiceProcess, start_client
from benchmarks.faults.verdict import Verdict, judge_world
from benchmarks.faults.world import World, decision_for
from connectome.errors import ProofdeskError
from connectome.graph import MergeRequest, SplitRequest
from proofreading.edits import Edit, MergeEdit
from proofreading.ledger.events import DecisionMade, EditQueued
from proofreading.ledger.store import Ledger

if TYPE_CHECKING:
    from connectome.cave import CaveGraph

__all__ = ["FAULTS", "CampaignReport", "run_campaign"]

EDITS_PER_WORLD = 50
BATCH = 25
MOST_LIVES = 40
QUIET_LIVES = 6

FAULTS = (
    "delay:merge:p=0.2:ms=300",
    f"delay:split:p=0.15:ms={round(EDIT_SECONDS * 1000) + 700}",
    "drop-before:merge:p=0.2",
    "drop-after:merge:p=0.2",
    "drop-after:split:p=0.2",
    "500-after:merge:p=0.2",
    "500-after:undo:p=0.3",
    "drop-before:undo:p=0.2",
    "503:merge:p=0.2",
    "busy:merge:p=0.15",
    "partial:split:p=0.4",
    "stale-root:p=0.1",
    f"slow-disk:merge:p=0.1:ms={round(EDIT_SECONDS * 1000) + 700}",
    "full-disk:merge:p=0.1",
    "drop-after:annotations:p=0.2",
    "500-after:annotations:p=0.2",
)
"""What may be switched on; each life of the service takes a few of them."""


@dataclass
class CampaignReport:
    """What was done to the program, and what it did wrong."""

    verdict: Verdict = field(default_factory=Verdict)
    worlds: int = 0
    lives: int = 0
    client_kills: int = 0
    service_kills: int = 0
    foreign_edits: int = 0
    seconds: float = 0.0
    faults: set[str] = field(default_factory=set)

    def add(self, other: CampaignReport) -> None:
        """Take in another world's report."""
        self.verdict.add(other.verdict)
        self.faults |= other.faults
        for name in ("worlds", "lives", "client_kills", "service_kills", "foreign_edits"):
            setattr(self, name, getattr(self, name) + getattr(other, name))


def run_campaign(
    edits: int,
    seed: int,
    *,
    workers: int = 4,
    keep: Path | None = None,
    progress: Callable[[CampaignReport], None] = lambda _: None,
) -> CampaignReport:
    """Send at least this many edits through every fault and count what went wrong.

    Parameters
    ----------
    edits : int
        How many; rounded up to whole worlds.
    seed : int
        Decides worlds, edits, faults and kills. The moments of the kills depend on the
        machine as well, so that a run is alike, not equal.
    workers : int
        Worlds at a time; most of their time is waiting.
    keep : Path, optional
        Where worlds that went wrong are kept, for a look at them.
    progress : callable
        Told the sum so far after each world.
    """
    began = time.monotonic()
    total = CampaignReport()
    numbers = range(-(-edits // EDITS_PER_WORLD))
    with ThreadPoolExecutor(max_workers=workers) as pool:
        for report in pool.map(lambda number: _one_world(seed * 100_003 + number, keep), numbers):
            total.add(report)
            total.seconds = time.monotonic() - began
            progress(total)
    return total


def _one_world(seed: int, keep: Path | None) -> CampaignReport:
    with tempfile.TemporaryDirectory(prefix="proofdesk-campaign-") as scratch:
        place = Path(scratch) if keep is None else keep / f"world-{seed}"
        place.mkdir(parents=True, exist_ok=True)
        return _Drama(place, seed).play()


class _Drama:
    """One world from its beginning to its verdict."""

    def __init__(self, place: Path, seed: int) -> None:
        self._chance = Random(seed)
        self._world = World.make(place / "datastack", seed)
        self._ledger = place / "ledger.sqlite"
        self._log = place / "log.txt"
        self._service = ServiceProcess(self._world.folder, place / "service.txt")
        self._report = CampaignReport(worlds=1)

    def play(self) -> CampaignReport:
        try:
            for _ in range(EDITS_PER_WORLD // BATCH):
                self._queue(BATCH)
                self._act()
            self._calm()
        finally:
            self._service.stop()
        self._report.service_kills = self._service.kills
        self._report.verdict = judge_world(self._world.folder, self._ledger)
        return self._report

    def _queue(self, n: int) -> None:
        with Ledger.open(self._ledger) as ledger:
            for edit in self._world.edits(self._chance, n):
                ledger.append_all([DecisionMade(decision_for(edit)), EditQueued(edit)])

    def _act(self) -> None:
        """Let the client live and die until it has sent the batch, or its lives are used up."""
        self._start_service()
        for _ in range(MOST_LIVES // (EDITS_PER_WORLD // BATCH)):
            if self._live(deadly=True) == 0 and not self._unsettled():
                break
        self._service.stop()

    def _calm(self) -> None:
        """Without faults and kills, everything must come to its end."""
        self._service.start()
        for _ in range(QUIET_LIVES):
            if self._live(deadly=False) == 0 and not self._unsettled():
                return

    def _start_service(self) -> None:
        faults = self._chance.sample(FAULTS, self._chance.randrange(1, 4))
        self._report.faults.update(fault.split(":")[0] for fault in faults)
        self._service.start(faults, self._chance.randrange(2**31))

    def _live(self, *, deadly: bool) -> int | None:
        """Run the client once and return its exit status, None if it was killed."""
        self._report.lives += 1
        client = start_client(
            self._ledger,
            self._service,
            "offline_campaign",
            self._chance.randrange(2**31),
            self._log,
        )
        try:
            for act in self._script(deadly=deadly):
                if client.poll() is not None:
                    break
                act()
                if act == self._kill_client:
                    self._report.client_kills += 1
                    client.kill()
            return client.wait(300) if client.poll() is None else client.returncode
        finally:
            if client.poll() is None:
                client.kill()
                client.wait()

    def _script(self, *, deadly: bool) -> Iterator[Callable[[], None]]:
        """Yield what happens while the client lives, each after its pause."""
        if not deadly:
            return
        chance = self._chance
        for _ in range(12):
            time.sleep(chance.uniform(0.2, 1.2))
            fate = chance.random()
            if fate < 0.15:
                yield self._kill_client
            elif fate < 0.25:
                yield self._kill_service
            elif fate < 0.55:
                yield self._meddle
            else:
                yield self._nothing

    def _nothing(self) -> None:
        """Let it be."""

    def _kill_client(self) -> None:
        """Stands for the kill; `_live` holds the process."""

    def _kill_service(self) -> None:
        self._service.kill()
        time.sleep(self._chance.uniform(0.0, 1.0))
        self._start_service()

    def _meddle(self) -> None:
        """Somebody else edits the same objects, sometimes with the same supervoxels."""
        from connectome.cave import CaveGraph, connect

        (edit,) = self._world.edits(self._chance, 1)
        try:
            connection = connect(
                "offline_campaign",
                self._service.url,
                self._service.token,
                edit_seconds=EDIT_SECONDS,
            )
        except ProofdeskError:
            return
        graph = CaveGraph(connection)
        try:
            _send(graph, edit)
            self._report.foreign_edits += 1
        except ProofdeskError:
            return
        finally:
            graph.close()

    def _unsettled(self) -> int:
        with Ledger.open(self._ledger) as ledger:
            state = ledger.state
            groups = (state.pending_edits(), state.unanswered_edits(), state.unfinished_undos())
            return sum(len(group) for group in groups)


def _send(graph: CaveGraph, edit: Edit) -> None:
    if isinstance(edit, MergeEdit):
        graph.merge(MergeRequest(edit.a, edit.b))
    else:
        graph.split(SplitRequest(edit.sources, edit.sinks))
