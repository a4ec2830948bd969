"""Looking again and again at something whose answer is missing, for a bounded time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from connectome.errors import ServiceError

__all__ = ["SETTLE_S", "Patience"]

T = TypeVar("T")

SETTLE_S = 180.0
"""Time after which a request that was sent can no longer be applied: the server's lock expiry."""

LONGEST_PAUSE_S = 15.0


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Patience:
    """How long, and how often, to look.

    Parameters
    ----------
    clock : callable
        Returns the time (UTC).
    wait : callable
        Waits for so many seconds.
    settle_s : float
        How long after it was sent a request may still be carried out.
    """

    clock: Callable[[], datetime] = _now
    wait: Callable[[float], None] = time.sleep
    settle_s: float = SETTLE_S

    def look(
        self, sent_at: datetime, read: Callable[[], T], certain: Callable[[T], bool]
    ) -> T | None:
        """Read until the outcome is certain, at the latest when the request has settled.

        Returns
        -------
        T or None
            What was read last; None if the server could not be read at the end. An outcome
            that is not certain is returned only once nothing can be under way any more.
        """
        found = _read(read)
        for pause in self._pauses(sent_at):
            if found is not None and certain(found):
                return found
            self.wait(pause)
            found = _read(read)
        return found

    def _pauses(self, sent_at: datetime) -> Iterator[float]:
        elapsed = (self.clock() - sent_at).total_seconds()
        # A clock that was set back must not make this longer than one whole settling.
        left = min(max(self.settle_s - elapsed, 0.0), self.settle_s)
        pause = 1.0
        while left > 0:
            pause = min(pause, left)
            yield pause
            left -= pause
            pause = min(pause * 2, LONGEST_PAUSE_S)


def _read(read: Callable[[], T]) -> T | None:
    try:
        return read()
    except ServiceError:
        return None
