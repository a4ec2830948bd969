"""Reading on a thread of its own: in order, told on the owner's thread, and never silently dead."""

from __future__ import annotations

import queue
from collections.abc import Callable

import pytest

from app.services.one_thread import OneThread

PATIENCE_S = 20.0


def test_what_fails_is_told_and_the_next_thing_is_done() -> None:
    posted: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
    thread, found = OneThread("test", posted.put), list[int]()

    def fails() -> int:
        return 1 // 0

    thread.do(fails, found.append)
    thread.do(lambda: 7, found.append)
    with pytest.raises(ZeroDivisionError):
        posted.get(timeout=PATIENCE_S)()
    posted.get(timeout=PATIENCE_S)()
    assert found == [7]
    thread.close()


def test_nothing_is_begun_after_it_is_closed() -> None:
    posted: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
    thread = OneThread("test", posted.put)
    thread.close()
    thread.do(lambda: 1, lambda _found: None)
    with pytest.raises(queue.Empty):
        posted.get(timeout=0.2)
