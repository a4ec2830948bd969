"""The window's side of a worker process: start, send, receive, restart."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path

from app.services.worker.messages import Command, Reply, Stop

__all__ = ["WorkerProcess"]

STOP_SECONDS = 5.0


class WorkerProcess:
    """One child process that detects, draws and judges.

    A process of its own, because skeletons, pictures and models hold the interpreter
    for seconds, and a crash in a driver must not take the window along. It is spawned,
    never forked: Qt and Chromium do not survive a fork.

    Parameters
    ----------
    session : Path
        The session folder.
    address : str
        What opens the datastack.
    on_reply : callable
        Called with every reply on the reader's thread.
    on_lost : callable
        Called on the reader's thread when the process ends without being asked to.
    """

    def __init__(
        self,
        session: Path,
        address: str,
        on_reply: Callable[[Reply], None],
        on_lost: Callable[[], None],
    ) -> None:
        self._arguments = (str(session), address)
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

    def close(self) -> None:
        """Ask the process to end, and end it if it does not."""
        self._closing = True
        self.send(Stop())
        process = self._process
        if process is None:
            return
        process.join(STOP_SECONDS)
        if process.is_alive():
            process.kill()
            process.join(STOP_SECONDS)

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
