"""Not too many requests a second: long imports share the server with people who work."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["Pace"]


class Pace:
    """Lets at most so many requests start in a second, evenly spaced.

    Parameters
    ----------
    per_second : float
        The limit.
    clock : callable
        Seconds, never going back.
    wait : callable
        Waits some seconds.
    """

    def __init__(
        self,
        per_second: float,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        if not per_second > 0:
            raise ValueError("there must be some requests a second")
        self._interval = 1.0 / per_second
        self._clock = clock
        self._next = float("-inf")
        self.wait = wait

    def take(self) -> None:
        """Wait until the next request may start."""
        early = self._next - self._clock()
        if early > 0:
            self.wait(early)
        self._next = max(self._next, self._clock()) + self._interval
