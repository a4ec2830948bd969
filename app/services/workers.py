"""The two worker processes of a window: one detects, the other draws and judges."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from app.services.worker.messages import Command, Reply
from app.services.worker.process import WorkerProcess

__all__ = ["Post", "Workers"]

Post = Callable[[Callable[[], None]], None]
"""Runs a callable soon on the owner's thread; may be called from any thread."""

RESTARTS = 3
DETECTOR, JUDGE = "detector", "judge"


class Workers:
    """Starts both, and starts a lost one again a few times.

    Parameters
    ----------
    session, address
        What they work on.
    post : callable
        Brings replies to the owner's thread.
    take : callable
        Called there with every reply.
    restarted, gave_up : callable
        Called there after a lost worker was started anew, or when it was lost too often.
    """

    def __init__(
        self,
        session: Path,
        address: str,
        post: Post,
        *,
        take: Callable[[Reply], None],
        restarted: Callable[[], None],
        gave_up: Callable[[], None],
    ) -> None:
        self._what = (session, address)
        self._post = post
        self._take = take
        self._restarted = restarted
        self._gave_up = gave_up
        self._losses = 0
        self._renewed = False
        self._closed = False
        self._processes = {name: self._new(name) for name in (DETECTOR, JUDGE)}

    @property
    def pids(self) -> tuple[int, ...]:
        """Process ids of those that were started, the detector's first."""
        return tuple(w.pid for w in self._processes.values() if w.pid is not None)

    def start(self) -> None:
        """Start both; returns at once."""
        for process in self._processes.values():
            process.start()

    def to_detector(self, command: Command) -> None:
        """Send a command to the process that detects."""
        self._processes[DETECTOR].send(command)

    def to_judge(self, command: Command) -> None:
        """Send a command to the process that draws and judges."""
        self._processes[JUDGE].send(command)

    def renew_judge(self) -> bool:
        """Start the process that draws anew, because it lost its graphics; False if it was so.

        A graphics device that is lost never comes back to a process, and twice in one run it
        is no accident.
        """
        if self._renewed:
            return False
        self._renewed = True
        self._processes[JUDGE].kill()
        return True

    def close(self) -> None:
        """End both."""
        self._closed = True
        for process in self._processes.values():
            process.close()

    def _new(self, name: str) -> WorkerProcess:
        return WorkerProcess(
            *self._what,
            on_reply=lambda reply: self._post(lambda: self._take(reply)),
            on_lost=lambda: self._post(lambda: self._lost(name)),
        )

    def _lost(self, name: str) -> None:
        # By name: a process that was just killed may still count as alive for a moment.
        if self._closed:
            return
        self._losses += 1
        if self._losses > RESTARTS:
            self._gave_up()
            return
        self._processes[name] = self._new(name)
        self._processes[name].start()
        self._restarted()
