"""Reads everything that a large catalogue holds on a thread, so that the window can be used."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from app.services.catalogue_intake import Intake, SiteView, Standing
from app.services.queue import Queue
from app.services.site_pairs import SitePairs
from connectome.closing import Closing
from connectome.errors import ProofdeskError
from proofreading.catalogue import START, Catalogue, Token

__all__ = ["FirstListing"]

_PAGE = 1_100_000
"""So many sites at once: they are sorted once, and the most valuable of them chosen."""

_log = logging.getLogger(__name__)


class FirstListing(Closing):
    """Fills a queue and pairs that nobody else knows yet.

    Parameters
    ----------
    catalogue : Catalogue
        Opened once more for the thread, so that nobody waits for its reading.
    queue : Queue
        Whose view and limit the filled one begins with.
    view : SiteView
        Gets the sites while they are read.
    done : callable
        Called on the thread when everything is there, or could not be read (`failed`).
    """

    def __init__(
        self,
        catalogue: Catalogue,
        queue: Queue,
        view: SiteView,
        standing: Standing,
        done: Callable[[], None],
    ) -> None:
        self.queue, self.pairs, self.standing = queue.like(), SitePairs(), standing
        self.token: Token = START
        self.failed = False
        self.catalogue = Catalogue(catalogue.path, read_only=True)
        self._intake = Intake(self.queue, view, self.pairs)
        self._done = done
        self._closed, self._ready = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="listing")
        self._thread.start()

    @property
    def is_ready(self) -> bool:
        """Whether the thread has nothing left to do."""
        return self._ready.is_set()

    def close(self) -> None:
        """Read no further."""
        self._closed.set()
        if self._thread is not threading.current_thread():
            self._thread.join()

    def _run(self) -> None:
        try:
            with self.catalogue as catalogue:
                while not self._closed.is_set() and self._page(catalogue):
                    pass
                # The first to ask for a row would otherwise wait until all are sorted.
                len(self.queue)
        except ProofdeskError:
            # The window then reads page by page, and says what is wrong where a person sees it.
            _log.info("The first listing failed", exc_info=True)
            self.failed = True
        self._ready.set()
        if not self._closed.is_set():
            self._done()

    def _page(self, catalogue: Catalogue) -> bool:
        news = catalogue.news_since(self.token, limit=_PAGE)
        self.token = news.token
        self._intake.take(news, self.standing)
        return bool(news)
