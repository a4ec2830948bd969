"""Changes on their way to the page: gathered, and sent no faster than it can draw."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable

from ngplugin import scripts
from ngplugin.grid import CellKey
from ngplugin.store import SiteStore

__all__ = ["PageUpdates"]

MOVE_SETTLES_S = 3.0
"""A page that dies so soon after a move may not have told its server of it."""

_NO_ROWS = (2**62, 0)

Schedule = Callable[[float, Callable[[], None]], object]


class PageUpdates:
    """Sends scripts to the page; until it is ready, only the newest of each kind is kept.

    Site changes are gathered by id and cell and sent at most every `patch_s` and
    `cells_s` seconds, always with the store's newest values. Moves and segments go out
    at once. May be used from any thread.

    Parameters
    ----------
    store : SiteStore
        Where values are read when they are sent.
    schedule : callable
        ``schedule(seconds, action)`` runs an action later on some thread.
    """

    def __init__(
        self,
        store: SiteStore,
        schedule: Schedule,
        *,
        patch_s: float = 0.1,
        cells_s: float = 0.5,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._schedule = schedule
        self._clock = clock
        self._pace = {"sites": patch_s, "cells": cells_s, "rows": cells_s}
        self._sent_at = dict.fromkeys(self._pace, -1e9)
        self._waiting: set[str] = set()
        self._sites: dict[int, None] = {}
        self._cells: set[CellKey] = set()
        self._rows = _NO_ROWS
        self._slots: dict[str, str] = {}
        self._moves: dict[str, str] = {}
        self._moved: dict[str, tuple[float, str]] = {}
        self._run: Callable[[str], None] | None = None
        self._ready = False
        self._closed = False
        self._lock = threading.RLock()

    def attach(self, run_script: Callable[[str], None]) -> None:
        """Say how a script reaches the page."""
        with self._lock:
            self._run = run_script

    def page_loading(self) -> None:
        """Gather instead of sending: the page that was there is gone or going.

        A new page looks where the old one said last that it looked, so moves that it may have
        kept to itself are made once more.
        """
        with self._lock:
            self._ready = False
            for name, (at, script) in self._moved.items():
                if self._clock() - at < MOVE_SETTLES_S:
                    self._moves.setdefault(name, script)
            self._moved.clear()

    def page_ready(self, install: str) -> None:
        """Install the page's half and bring the page up to date."""
        with self._lock:
            self._ready = self._run is not None
            for script in [install, *self._slots.values()]:
                self._send(script)
            if self._ready:
                waiting, self._moves = self._moves, {}
                for name, script in waiting.items():
                    self.move(name, script)
            for what in ("cells", "rows", "sites"):
                self._flush(what)

    def slot(self, name: str, script: str) -> None:
        """Send a script now; a later one of the same name replaces it for a reloaded page."""
        with self._lock:
            self._slots.pop(name, None)
            self._slots[name] = script
            self._send(script)

    def move(self, name: str, script: str) -> None:
        """Send a script once: now, or when the page is ready unless a later one came."""
        with self._lock:
            if self._ready:
                self._send(script)
                self._moved[name] = (self._clock(), script)
            else:
                self._moves[name] = script

    def sites(self, numbers: Iterable[int], *, now: bool = False) -> None:
        """Note that these sites have new properties; `now` skips the wait."""
        with self._lock:
            self._sites.update(dict.fromkeys(numbers))
            self._flush("sites") if now else self._soon("sites")

    def rows(self, begin: int, end: int) -> None:
        """Note that there are new sites, from one row of the store to before another."""
        with self._lock:
            self._rows = (min(begin, self._rows[0]), max(end, self._rows[1]))
            self._soon("rows")

    def cells(self, keys: Iterable[CellKey]) -> None:
        """Note that these cells hold other sites than before."""
        with self._lock:
            self._cells.update(keys)
            self._soon("cells")

    def close(self) -> None:
        """Send nothing any more."""
        with self._lock:
            self._closed = True
            self._run = None
            self._ready = False

    def _soon(self, what: str) -> None:
        if what in self._waiting or not self._ready:
            return
        wait = self._sent_at[what] + self._pace[what] - self._clock()
        if wait <= 0:
            self._flush(what)
            return
        self._waiting.add(what)
        self._schedule(wait, lambda: self._due(what))

    def _due(self, what: str) -> None:
        with self._lock:
            self._waiting.discard(what)
            self._flush(what)

    def _flush(self, what: str) -> None:
        waiting = {"cells": self._cells, "rows": self._rows[1], "sites": self._sites}
        if not self._ready or not waiting[what]:
            return
        self._sent_at[what] = self._clock()
        if what == "cells":
            self._send(scripts.refresh_cells(self._cells))
            self._cells = set()
        elif what == "rows":
            self._send(scripts.add_sites(*self._rows))
            self._rows = _NO_ROWS
        else:
            self._send(scripts.patch_sites(self._store.patch_of(self._sites)))
            self._sites = {}

    def _send(self, script: str) -> None:
        if self._ready and self._run is not None:
            self._run(script)
