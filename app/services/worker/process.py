"""The window's side of a worker process: start, send, receive, restart."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path

from app.services.worker.messages import Command, Reply, Stop

__all__ = ["Work", "WorkerProcess"]

STOP_SECONDS = 5.0
KILL_SECONDS = 5.0


@dataclass(frozen=True)
class Work:
    """What a worker process is to work on.

    Parameters
    ----------
    session : Path
        The session folder.
    address : str
        What opens the datastack.
    models : tuple of str
        Ids or folders of models to use besides those of the session.
    """

    session: Path
    address: str
    models: tuple[str, ...] = ()


class WorkerProcess:
    """One child process that detects, draws or judges.

    A process of its own, because skeletons, pictures and models hold the interpreter
    for seconds, and a crash in a driver must not take the window along. It is spawned,
    never forked: Qt and Chromium do not survive a fork.

    Parameters
    ----------
    work : Work
        What it works on.
    on_reply : callable
        Called with every reply on the reader's thread.
    on_lost : callable
        Called on the reader's thread when the process ends without being asked to.
    niceness : int
        How far it stands back behind the window and the other workers.
    patience_s : float
        How long it may take to end by itself.
    """

    def __init__(
        self,
        work: Work,
        on_reply: Callable[[Reply], None],
        on_lost: Callable[[], None],
        *,
        niceness: int,
        patience_s: float = STOP_SECONDS,
    ) -> None:
        self._arguments = (work, niceness)
        self._patience_s = patience_s
        self._on_reply = on_reply
        self._on_lost = on_lost
        self._closing = False
        self._lock = threading.Lock()
        self._process: SpawnProcess | None = None
        self._connection: Connection | None = None

    @property
    def pid(self) -> int | None:
        """Process id, None before the start."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start the process; returns at once."""
        from app.services.worker.main import worker_main

        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(
            target=worker_main,
            args=(theirs, *self._arguments),
            daemon=True,
            name="proofdesk-worker",
        )
        process.start()
        theirs.close()
        self._process, self._connection = process, ours
        threading.Thread(target=self._read, args=(ours,), daemon=True, name="worker-reader").start()

    def send(self, command: Command) -> None:
        """Send one command; a command to a lost process is dropped (it is started anew)."""
        with self._lock:
            if self._connection is None:
                return
            try:
                self._connection.send(command)
            except (BrokenPipeError, OSError):
                self._connection = None

    def kill(self) -> None:
        """End the process at once; it counts as lost."""
        if self._process is not None:
            self._process.kill()

    def stop(self) -> None:
        """Ask the process to end; returns at once."""
        self._closing = True
        self.send(Stop())

    def close(self) -> None:
        """Ask the process to end, and end it if it does not."""
        self.stop()
        process = self._process
        if process is None:
            return
        process.join(self._patience_s)
        if process.is_alive():
            process.kill()
            process.join(KILL_SECONDS)

    def _read(self, connection: Connection) -> None:
        while True:
            try:
                reply: Reply = connection.recv()
            except (EOFError, OSError):
                break
            self._on_reply(reply)
        connection.close()
        if not self._closing:
            self._on_lost()
