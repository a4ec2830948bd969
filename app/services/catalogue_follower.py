"""Brings what workers wrote into the queue and into Neuroglancer."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np

from app.services.catalogue_intake import Intake, SiteView, Standing
from app.services.first_listing import FirstListing
from app.services.queue import Queue
from app.services.site_pairs import SitePairs
from connectome.closing import Closing
from ngplugin.snapshot import Veils
from proofreading.catalogue import START, Catalogue
from proofreading.ledger.store import Ledger

__all__ = ["CatalogueFollower", "SiteView"]

MANY = 20_000
"""From so many sites on, those that are there at the start are read on a thread."""
_LEAST, _MOST = 1_000, 50_000
_TURN_S, _FIRST_TURN_S = 0.03, 0.2
"""How long taking in one page may hold the window up: now, and before there is all to see."""


class CatalogueFollower(Closing):
    """Follows a catalogue by its change token."""

    def __init__(
        self,
        catalogue: Catalogue,
        ledger: Ledger,
        queue: Queue,
        view: SiteView,
        pairs: SitePairs,
        veils: Veils | None = None,
    ) -> None:
        self._catalogue = catalogue
        self._ledger = ledger
        self._queue = queue
        self._view = view
        self._pairs = pairs
        self._intake = Intake(queue, view, pairs)
        self._token = START
        self._page = 10 * _LEAST
        self._turn_s = _FIRST_TURN_S
        self._standing: tuple[int, Standing] = (-1, Standing())
        self._first: FirstListing | None = None
        if veils is not None:
            view.veil(veils)

    def read_ahead(self, done: Callable[[], None]) -> None:
        """Let a thread read what there is, if that is much; `done` is called on the thread."""
        if self._token == START and self._catalogue.counts().sites >= MANY:
            self._first = FirstListing(
                self._catalogue, self._queue, self._view, self._decided(), done
            )

    @property
    def is_reading(self) -> bool:
        """Whether the thread still reads: until then there is nothing to follow."""
        return self._first is not None and not self._first.is_ready

    def close(self) -> None:
        """Read no further."""
        if self._first is not None:
            self._first.close()

    def follow(self) -> bool:
        """Take in one page of news; tell whether there may be more."""
        if self._first is not None:
            return self._take_over(self._first)
        began = time.perf_counter()
        news = self._catalogue.news_since(self._token, limit=self._page)
        self._token = news.token
        self._intake.take(news, self._decided())
        self._pace(time.perf_counter() - began, more=bool(news))
        return bool(news)

    def show_aside(self) -> None:
        """Tell the viewer which sites have become, or are no longer, a question of their own."""
        self._intake.show_aside()

    def unveil(self, site_ids: Sequence[str]) -> None:
        """Colour sites whose verdict may be seen now."""
        self._view.recolour(site_ids)

    def _take_over(self, first: FirstListing) -> bool:
        """Take over what the thread has read, unless it still reads or could not."""
        if self.is_reading:
            return True
        self._first = None
        if first.failed or first.standing != self._decided():
            return True  # From the start, page by page.
        self._queue.adopt(first.queue)
        self._pairs.adopt(first.pairs)
        self._catalogue.learn_from(first.catalogue)
        self._token = first.token
        return True

    def _pace(self, took: float, *, more: bool) -> None:
        """Choose how much to take in next time, so that it takes as long as it may."""
        if more:
            factor = float(np.clip(self._turn_s / max(took, 1e-6), 0.5, 2.0))
            self._page = int(np.clip(self._page * factor, _LEAST, _MOST))
        elif self._turn_s != _TURN_S:
            self._turn_s, self._page = _TURN_S, 2 * _LEAST

    def _decided(self) -> Standing:
        state = self._ledger.state
        if self._standing[0] != state.last_number:
            self._standing = (state.last_number, Standing.of(state.decisions()))
        return self._standing[1]
