"""How long the event loop stands still, and what the main thread does meanwhile.

A beat every few milliseconds tells how long each turn takes; a second thread looks at the
main thread's stack whenever a beat is late.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Self

import numpy as np

__all__ = ["LONG_S", "Pauses"]

BEAT_MS = 5
LONG_S = 0.05
_LATE_S, _LOOK_S = 0.03, 0.01
_DEEPEST = 3
_ROOT = str(Path(__file__).parents[1])
_OUTSIDE = ("site-packages", "/benchmarks/", "/ui/driver.py", "/app/cli.py", "/app/commands/")
"""Who drives the window, and what is not ours: the rest of a stack is what the window does."""
_QUEUED = Path("/proc/thread-self/schedstat")
"""Nanoseconds that the thread has run, and waited for a core (Linux: scheduler/sched-stats)."""


class Pauses:
    """Watches the event loop of the thread that it was made on, while entered."""

    def __init__(self) -> None:
        from PyQt6.QtCore import Qt, QTimer

        self.seconds: list[float] = []
        self.busy: list[float] = []
        self.queued: list[float] = []
        self.stacks: Counter[str] = Counter()
        self._seen: list[str] = []
        self._main = threading.get_ident()
        self._last = time.perf_counter()
        self._worked = time.thread_time()
        self._waited = _queued_s()
        self._stop = threading.Event()
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(BEAT_MS)
        self._timer.timeout.connect(self._beat)
        self._watcher = threading.Thread(target=self._watch, daemon=True, name="pauses")

    @property
    def longest_ms(self) -> float:
        """The longest pause."""
        return 1e3 * max(self.seconds, default=0.0)

    @property
    def p99_ms(self) -> float:
        """The pause that one beat in a hundred exceeds."""
        return 1e3 * float(np.quantile(self.seconds, 0.99)) if self.seconds else 0.0

    @property
    def busiest_ms(self) -> float:
        """The most time that the thread itself computed from one beat to the next.

        Others on a loaded machine make a pause longer, not this.
        """
        return 1e3 * max(self.busy, default=0.0)

    @property
    def longest_unqueued_ms(self) -> float | None:
        """The longest pause without its waiting for a core; None where no system tells that.

        What is left is the thread's own computing, and waiting for a lock or for a disk.
        """
        if self._waited is None:
            return None
        pairs = zip(self.seconds, self.queued, strict=True)
        return 1e3 * max((pause - queued for pause, queued in pairs), default=0.0)

    @property
    def long(self) -> int:
        """How many were longer than 50 ms."""
        return sum(pause > LONG_S for pause in self.seconds)

    def culprits(self, count: int = 3) -> Iterator[str]:
        """Yield what was seen most often in turns of much computing, with a rough sum of ms."""
        for stack, times in self.stacks.most_common(count):
            yield f"{stack} ~{1e3 * times * _LOOK_S:.0f} ms"

    def clear(self) -> None:
        """Forget what was seen so far."""
        self.seconds.clear()
        self.busy.clear()
        self.queued.clear()
        self.stacks.clear()

    def __enter__(self) -> Self:
        self._last, self._worked = time.perf_counter(), time.thread_time()
        self._waited = _queued_s()
        self._timer.start()
        self._watcher.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._timer.stop()

    def _beat(self) -> None:
        now, worked, waited = time.perf_counter(), time.thread_time(), _queued_s()
        self.seconds.append(max(0.0, now - self._last - BEAT_MS / 1e3))
        self.busy.append(worked - self._worked)
        self.queued.append((waited or 0.0) - (self._waited or 0.0))
        seen, self._seen = self._seen, []
        if worked - self._worked > _LATE_S:
            self.stacks.update(seen)
        self._last, self._worked, self._waited = now, worked, waited

    def _watch(self) -> None:
        while not self._stop.wait(_LOOK_S):
            if time.perf_counter() - self._last > _LOOK_S:
                frame = sys._current_frames().get(self._main)
                self._seen.append(_told(frame))


def _queued_s() -> float | None:
    """Return how long this thread has waited for a core so far."""
    try:
        return int(_QUEUED.read_text("ascii").split()[1]) / 1e9
    except (OSError, IndexError, ValueError):
        return None


def _told(frame: FrameType | None) -> str:
    """Return the innermost calls of the program's own, outermost first."""
    own: list[str] = []
    while frame is not None and len(own) < _DEEPEST:
        name = frame.f_code.co_filename
        if name.startswith(_ROOT) and not any(part in name for part in _OUTSIDE):
            own.append(f"{Path(name).stem}.{frame.f_code.co_name}:{frame.f_lineno}")
        frame = frame.f_back
    return " > ".join(reversed(own)) or "Qt's own work"
