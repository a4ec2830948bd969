"""Meshes of an ingest by this process and helpers, so that every core has work.

The helpers are programs of their own and not spawned by multiprocessing, which would run
the caller's main module again and may not be used from a daemonic process.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from connectome.closing import Closing
from connectome.errors import MachineError, StorageError
from connectome.offline.mesh_worker import open_mesher

__all__ = ["MeshCrew", "helpers_for"]

_MOST_HELPERS = 3
_FEWEST_CHUNKS = 8
"""For less work than this a helper has not even started when all is done."""
_END_SECONDS = 30.0
_NO_WINDOW = getattr(subprocess, "CREATE_NO_WINDOW", 0)


def helpers_for(n_chunks: int) -> int:
    """Return how many helpers pay off beside this process."""
    if n_chunks < _FEWEST_CHUNKS or not sys.executable:
        return 0
    return min(_MOST_HELPERS, _cores() - 1, n_chunks // _FEWEST_CHUNKS)


class MeshCrew(Closing):
    """Makes the meshes of all chunks; a context manager that ends its helpers.

    Parameters
    ----------
    folder : Path
        The datastack that is being ingested. Helpers start at once, so that they are ready
        when the graph and the numbers are written.
    grid : tuple of int
        Number of chunks (x, y, z).
    helpers : int
        How many helper processes to start; see `helpers_for`.
    """

    def __init__(self, folder: Path, grid: tuple[int, int, int], helpers: int) -> None:
        self._folder = folder
        self._total = grid[0] * grid[1] * grid[2]
        self._chunks: Iterator[tuple[int, ...]] = itertools.product(*(range(n) for n in grid))
        self._turn = threading.Condition()
        self._done = 0
        self._error: Exception | None = None
        self._processes = [_start(folder) for _ in range(helpers)]
        self._threads: list[threading.Thread] = []

    @property
    def pids(self) -> tuple[int, ...]:
        """Process ids of the helpers that have not ended."""
        return tuple(process.pid for process in self._processes if process.poll() is None)

    def begin(self) -> None:
        """Set the helpers to work; the base graph and the numbers must be written."""
        for process in self._processes:
            thread = threading.Thread(target=self._feed, args=(process,), name="mesh-helper")
            thread.start()
            self._threads.append(thread)

    def finish(self, progress: Callable[[float], None]) -> None:
        """Work along until the meshes of all chunks are written.

        Parameters
        ----------
        progress : callable
            Told the finished share, 0 to 1, on the thread of the caller.

        Raises
        ------
        StorageError
            If a mesh cannot be made or written.
        MachineError
            If a helper ended.
        """
        mesher = open_mesher(self._folder)
        while (chunk := self._next()) is not None:
            mesher.write(chunk)
            self._count()
            progress(self._done / self._total)
        while not self._wait():
            progress(self._done / self._total)
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """End the helpers, after the chunk that each is at."""
        self._stop(None)
        for process in self._processes:
            with contextlib.suppress(OSError):
                _pipe(process.stdin).close()
        for process in self._processes:
            try:
                process.wait(_END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for thread in self._threads:
            thread.join()
        for process in self._processes:
            _pipe(process.stdout).close()

    def _feed(self, process: subprocess.Popen[str]) -> None:
        """Hand chunks to one helper until none is left.

        One waits while another is being made: this thread may have to wait for Python's
        lock, the helper should not.
        """
        try:
            chunk = self._next()
            _ask(process, chunk)
            while chunk is not None:
                chunk = self._next()
                _ask(process, chunk)
                _take(process)
                self._count()
        except (StorageError, MachineError) as error:
            self._stop(error)

    def _next(self) -> tuple[int, int, int] | None:
        with self._turn:
            found = None if self._error is not None else next(self._chunks, None)
        return None if found is None else (found[0], found[1], found[2])

    def _count(self) -> None:
        with self._turn:
            self._done += 1
            self._turn.notify_all()

    def _wait(self) -> bool:
        """Wait for one more chunk of a helper; tell whether all is over."""
        with self._turn:
            if self._done < self._total and self._error is None:
                self._turn.wait(0.5)
            return self._done == self._total or self._error is not None

    def _stop(self, error: Exception | None) -> None:
        with self._turn:
            self._chunks = iter(())
            self._error = self._error or error
            self._turn.notify_all()


def _start(folder: Path) -> subprocess.Popen[str]:
    # The helper finds the packages where this process has found them.
    search = os.pathsep.join(path or str(Path.cwd()) for path in sys.path)
    return subprocess.Popen(
        [sys.executable, "-m", "connectome.offline.mesh_worker", str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env=os.environ | {"PYTHONPATH": search},
        creationflags=_NO_WINDOW,
    )


def _ask(process: subprocess.Popen[str], chunk: tuple[int, int, int] | None) -> None:
    """Tell a helper to make one chunk; nothing where there is none."""
    if chunk is not None:
        with contextlib.suppress(OSError, ValueError):  # its end is told by the empty answer
            pipe = _pipe(process.stdin)
            pipe.write("{} {} {}\n".format(*chunk))
            pipe.flush()


def _take(process: subprocess.Popen[str]) -> None:
    """Wait for a helper's next answer."""
    line = ""
    with contextlib.suppress(OSError, ValueError):
        line = _pipe(process.stdout).readline()
    if not line:
        raise MachineError(
            "A process that makes meshes ended before its work was done.",
            "Run the same ingest command again; is there enough memory?",
        )
    answer = json.loads(line)
    if "error" in answer:
        raise StorageError(answer["error"], answer["hint"])


def _pipe(stream: IO[str] | None) -> IO[str]:
    assert stream is not None  # both ends are asked for in _start
    return stream


def _cores() -> int:
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
