"""The process that traces skeletons.

Tracing holds Python's lock for seconds, and the service may live in the process of a
window. The child ends by itself when its parent does, however that ends: the pipe
between them breaks.
"""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import signal
import threading
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

from connectome.datastack import Skeleton
from connectome.errors import DatastackError, MachineError, ProofdeskError
from connectome.offline.skeleton_tracing import TraceJob, trace

__all__ = ["SkeletonWorker"]

_LOG = logging.getLogger(__name__)
_MAX_SECONDS = 1800.0
_END_SECONDS = 2.0


class SkeletonWorker:
    """Traces one object at a time in a child process, started when first needed."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._state = threading.Lock()
        self._closed = False
        self._process: BaseProcess | None = None
        self._pipe: Connection | None = None

    def trace(self, job: TraceJob) -> Skeleton:
        """Return the skeleton of an object, after those that were asked for before.

        Raises
        ------
        DatastackError
            If the object cannot be traced.
        MachineError
            If the child ended, took too long, or this was closed.
        """
        with self._turn:
            try:
                answer = self._ask(self._started(), job)
            except MachineError:
                self._drop()
                raise
        if isinstance(answer, Skeleton):
            return answer
        raise DatastackError(*answer)

    def close(self) -> None:
        """End the child, also in the middle of its work."""
        with self._state:
            self._closed = True
            busy = self._turn.locked()
            if self._process is not None and busy:
                # Whoever waits for an answer finds the pipe broken.
                self._process.kill()
        with self._turn:
            self._drop()

    def _ask(self, pipe: Connection, job: TraceJob) -> Skeleton | tuple[str, str]:
        try:
            pipe.send(job)
            if not pipe.poll(_MAX_SECONDS):
                raise MachineError(f"The skeleton of {job.root} took too long.")
            answer: Skeleton | tuple[str, str] = pipe.recv()
        except (EOFError, OSError) as error:
            raise MachineError(
                "The process that traces skeletons ended.", "Ask again, or see the log."
            ) from error
        return answer

    def _started(self) -> Connection:
        with self._state:
            if self._closed:
                raise MachineError("The service is being stopped.")
            if self._pipe is None:
                ours, theirs = multiprocessing.Pipe()
                context = multiprocessing.get_context("spawn")
                self._process = context.Process(
                    target=_work, args=(theirs,), name="skeletons", daemon=True
                )
                self._process.start()
                theirs.close()  # else the child's end would never look closed
                self._pipe = ours
            return self._pipe

    def _drop(self) -> None:
        with self._state:
            if self._pipe is not None:
                self._pipe.close()
            if self._process is not None:
                # An idle child ends by itself; only that way it cleans up behind itself.
                self._process.join(_END_SECONDS)
                self._process.kill()
                self._process.join()
                self._process.close()
            self._process = self._pipe = None


def _work(pipe: Connection) -> None:
    """Answer jobs until the other end is gone."""
    # Ctrl-C in the terminal is for the parent, which then closes the pipe.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(EOFError, OSError):
        while True:
            job: TraceJob = pipe.recv()
            pipe.send(_answer(job))


def _answer(job: TraceJob) -> Skeleton | tuple[str, str]:
    try:
        return trace(job)
    except ProofdeskError as error:
        return error.message, error.hint or ""
    except Exception as error:  # noqa: BLE001 - see below
        # Whatever goes wrong with one object must not end the child: others wait.
        _LOG.exception("the skeleton of %d", job.root)
        return f"The skeleton of {job.root} cannot be traced: {error}.", "See the log."
