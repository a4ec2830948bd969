"""Keeps the queue's pairs those of the present segmentation, whoever edits it."""

from __future__ import annotations

from collections.abc import Callable, Collection

import numpy as np

from app.services.queue import Queue
from app.services.site_pairs import SitePairs
from app.services.worker.messages import (
    CheckRoots,
    Command,
    FindRoots,
    Looked,
    RootsFound,
    RootsReplaced,
)
from proofreading.sites import Site

__all__ = ["RootWatch"]


class RootWatch:
    """Asks a worker for the roots of what an edit touched, and takes its answers.

    Parameters
    ----------
    queue : Queue
        Its rows get the pairs of now.
    pairs : SitePairs
        What each site asks about.
    send : callable
        Sends a command to the worker.
    """

    def __init__(self, queue: Queue, pairs: SitePairs, send: Callable[[Command], None]) -> None:
        self._queue = queue
        self._pairs = pairs
        self._send = send
        self._checked = False

    def check_once(self) -> None:
        """Ask about all roots, the first time: others may have edited since."""
        if not self._checked:
            self._checked = True
            self.check_all()

    def forget_requests(self) -> None:
        """Ask anew: the worker was lost."""
        self._checked = False

    def check_all(self) -> None:
        """Ask which of all roots have been replaced since the sites were found."""
        roots = self._queue.roots()
        if roots:
            self._send(CheckRoots(tuple(roots)))

    def replaced(self, roots: Collection[int]) -> None:
        """Look up the sites that still name roots which an edit used up."""
        touched = self._queue.naming(roots) if roots else []
        if touched:
            self._send(FindRoots(tuple(touched)))

    def looked(self, reply: Looked, site: Site | None) -> None:
        """Take the roots that came with a picture; others edit too, and this tells of it."""
        row = self._queue.get(reply.site_id)
        if reply.roots is None or row is None or site is None or not site.partners:
            return
        partner = site.partners[reply.partner_index]
        self._pairs.take({partner.own_supervoxel: reply.roots[0]})
        if reply.roots[1] is not None:
            self._pairs.take({partner.supervoxel: reply.roots[1]})
        before = {row.root, row.partner_root} - {None}
        self.show(reply.site_id)
        gone = [root for root in before if root is not None and root not in reply.roots]
        if self._pairs.supervoxel(reply.site_id) == partner.supervoxel:
            self.replaced(gone)

    def take(self, reply: RootsFound | RootsReplaced) -> None:
        """Take what a worker found."""
        if isinstance(reply, RootsReplaced):
            self.replaced(reply.roots)
            return
        self._pairs.take(reply.roots)
        known = self._pairs.known(reply.site_ids)
        numbers = np.unique(np.array([int(site_id, 16) for site_id in known], np.uint64))
        self._queue.set_pairs(numbers, *self._pairs.pairs(self._pairs.rows(numbers)))

    def show(self, site_id: str) -> None:
        """Let the queue know which pair a site asks about."""
        self._queue.set_pair(site_id, *self._pairs.pair(site_id))
