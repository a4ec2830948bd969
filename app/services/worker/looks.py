"""Which site a worker looks at next: the one on the screen, then those that come next."""

from __future__ import annotations

from collections import deque

from app.services.worker.messages import Look, LookAhead

__all__ = ["Looks"]

REMEMBERED = 64


class Looks:
    """What is to be looked at; the newest wish replaces older ones, each is done once."""

    def __init__(self) -> None:
        self._here: Look | None = None
        self._ahead: deque[Look] = deque()
        self._done: deque[Look] = deque(maxlen=REMEMBERED)

    def __bool__(self) -> bool:
        return self._here is not None or bool(self._ahead)

    @property
    def urgent(self) -> bool:
        """Whether the site on the screen waits."""
        return self._here is not None

    def show(self, look: Look) -> None:
        """Look at this site before all others: what it replaces has left the screen."""
        if look not in self._done:
            self._here = look

    def come(self, wish: LookAhead) -> None:
        """Look at these sites next, and no more at those that were to come before."""
        self._ahead = deque(look for look in wish.looks if look not in self._done)

    def pop(self) -> Look:
        """Return what to look at now; `show` and `come` forget about it from now on."""
        look, self._here = self._here or self._ahead.popleft(), None
        if look in self._ahead:
            self._ahead.remove(look)
        self._done.append(look)
        return look
