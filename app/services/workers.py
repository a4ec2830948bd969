"""The worker processes of a window: one detects, one draws, one judges all sites and learns.

The one that draws also judges the sites that are looked at; it must answer at once, and so
nothing long is asked of it. A batch of the one that judges all takes seconds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from enum import StrEnum

from app.services.worker.messages import Command, Reply
from app.services.worker.process import STOP_SECONDS, Work, WorkerProcess

__all__ = ["Post", "Worker", "Workers"]

Post = Callable[[Callable[[], None]], None]
"""Runs a callable soon on the owner's thread; may be called from any thread."""

RESTARTS = 3


class Worker(StrEnum):
    """Which process: what is asked of it tells."""

    DETECTOR = "detector"
    DRAWER = "drawer"
    RANKER = "ranker"


NICENESS = {Worker.DETECTOR: 5, Worker.DRAWER: 5, Worker.RANKER: 10}
"""The window comes first: on two cores a busy worker must not make it stutter."""
PATIENCE_S = {Worker.RANKER: 0.5}
"""What it has judged is in the catalogue, and it has no children: it may end anywhere."""


class Workers:
    """Starts them, and starts a lost one again a few times.

    The one that judges all sites is started with the first command for it.

    Parameters
    ----------
    work : Work
        What they work on.
    post : callable
        Brings replies to the owner's thread.
    take : callable
        Called there with every reply.
    restarted, gave_up : callable
        Called there with the worker that was lost: after it was started anew, or when that
        happened too often. The ranker may then be asked again; that starts it once more.
    """

    def __init__(
        self,
        work: Work,
        post: Post,
        *,
        take: Callable[[Reply], None],
        restarted: Callable[[Worker], None],
        gave_up: Callable[[Worker], None],
    ) -> None:
        self._work = work
        self._post = post
        self._take = take
        self._restarted = restarted
        self._gave_up = gave_up
        self._losses: Counter[Worker] = Counter()
        self._renewed = False
        self._closed = False
        self._processes: dict[Worker, WorkerProcess] = {}

    @property
    def pids(self) -> dict[Worker, int]:
        """Process ids of those that were started."""
        found = {worker: process.pid for worker, process in self._processes.items()}
        return {worker: pid for worker, pid in found.items() if pid is not None}

    def start(self) -> None:
        """Start those that are always needed; returns at once."""
        self._start(Worker.DETECTOR)
        self._start(Worker.DRAWER)

    def to_detector(self, command: Command) -> None:
        """Send a command to the process that detects."""
        self._send(Worker.DETECTOR, command)

    def to_drawer(self, command: Command) -> None:
        """Send a command to the process that draws."""
        self._send(Worker.DRAWER, command)

    def to_ranker(self, command: Command) -> None:
        """Send a command to the process that judges all sites, started now if it was not."""
        if Worker.RANKER not in self._processes and not self._closed:
            self._start(Worker.RANKER)
        self._send(Worker.RANKER, command)

    def renew_drawer(self) -> bool:
        """Start the process that draws anew, because it lost its graphics; False if it was so.

        A graphics device that is lost never comes back to a process, and twice in one run it
        is no accident.
        """
        if self._renewed:
            return False
        self._renewed = True
        self._processes[Worker.DRAWER].kill()
        return True

    def close(self) -> None:
        """End them all."""
        self._closed = True
        for process in self._processes.values():
            process.stop()
        for process in self._processes.values():
            process.close()

    def _send(self, worker: Worker, command: Command) -> None:
        if worker in self._processes:
            self._processes[worker].send(command)

    def _start(self, worker: Worker) -> None:
        process = self._processes[worker] = WorkerProcess(
            self._work,
            on_reply=lambda reply: self._post(lambda: self._take(reply)),
            on_lost=lambda: self._post(lambda: self._lost(worker)),
            niceness=NICENESS[worker],
            patience_s=PATIENCE_S.get(worker, STOP_SECONDS),
        )
        process.start()

    def _lost(self, worker: Worker) -> None:
        # By name: a process that was just killed may still count as alive for a moment.
        if self._closed:
            return
        self._losses[worker] += 1
        if self._losses[worker] <= RESTARTS:
            self._start(worker)
            self._restarted(worker)
            return
        if worker is Worker.RANKER:
            del self._processes[worker]
        self._gave_up(worker)
