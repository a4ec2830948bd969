"""Work that reads for a while, on one thread of its own; what it finds is posted back."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from functools import partial
from typing import NoReturn, TypeVar

from app.services.workers import Post

__all__ = ["OneThread"]

T = TypeVar("T")

CLOSE_SECONDS = 5.0


class OneThread:
    """Does one thing after the other, away from the owner's thread.

    Parameters
    ----------
    name : str
        Of the thread, which starts with the first thing to do.
    post : callable
        Runs a callable on the owner's thread.
    """

    def __init__(self, name: str, post: Post) -> None:
        self._name, self._post = name, post
        self._work: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    def do(self, find: Callable[[], T], done: Callable[[T], None]) -> None:
        """Find something out, and call `done` with it on the owner's thread.

        What `find` raises is raised there too, and the next thing is done all the same.
        """

        def work() -> None:
            try:
                found = find()
            except Exception as error:  # noqa: BLE001 - told where somebody listens
                self._post(partial(_again, error))
            else:
                self._post(lambda: done(found))

        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()
        self._work.put(work)

    def close(self) -> None:
        """Begin nothing any more, and wait for what is being read."""
        self._closed.set()
        self._work.put(None)
        if self._thread is not None:
            self._thread.join(CLOSE_SECONDS)

    def _run(self) -> None:
        while (work := self._work.get()) is not None and not self._closed.is_set():
            work()


def _again(error: Exception) -> NoReturn:
    raise error
