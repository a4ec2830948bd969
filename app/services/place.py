"""Where the person is: the site on the screen, the ones around it, and what shows it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from app.services.questions import task_of
from app.services.tracker import Tracker
from proofreading.catalogue_schema import PAIR_TASKS
from proofreading.ledger.events import CursorMoved
from proofreading.sites import Site

if TYPE_CHECKING:
    from app.services.queue import Queue
    from app.services.worker.messages import Look, LookAhead, Looked
    from ngplugin.viewer import SiteViewer
    from proofreading.session import Session

__all__ = ["Place"]

PREFETCHED = 3


class Place:
    """The current site of a session, in tracker, queue, viewer and ledger alike.

    Parameters
    ----------
    clock : callable
        Seconds that never go backwards; measures how long a site is on the screen.
    """

    def __init__(
        self,
        session: Session,
        queue: Queue,
        viewer: SiteViewer,
        send: Callable[[Look | LookAhead], None],
        clock: Callable[[], float],
    ) -> None:
        self._session = session
        self._queue = queue
        self._viewer = viewer
        self._clock = clock
        self._shown_at = clock()
        self._ahead: tuple[str, ...] = ()
        self.tracker = Tracker(send, session.catalogue)

    @property
    def site(self) -> Site | None:
        """The site on the screen."""
        return self.tracker.site

    @property
    def elapsed_ms(self) -> int:
        """How long it has been on the screen."""
        return int((self._clock() - self._shown_at) * 1000)

    def go(self, site_id: str) -> bool:
        """Show a site with its proposed or answered partner; tell whether there is such a site."""
        site = self._session.catalogue.site(site_id)
        if site is not None:
            self.show(site, self.proposed(site))
        return site is not None

    def show(self, site: Site, partner_index: int) -> None:
        """Show a site with one of its partners."""
        self.tracker.show(site, partner_index)
        self._shown_at = self._clock()
        self._session.ledger.append(CursorMoved(site.id))
        self._queue.set_focus(site.id)
        self._viewer.set_current(site, partner_index)
        self._show_roots()
        self._ahead = ()
        self.look_ahead()

    def look_ahead(self) -> None:
        """Fetch the next sites ahead of time, if they are others than before."""
        if self.site is None:
            return
        ahead = tuple(self._queue.next_open(self.site.id, PREFETCHED))
        if ahead != self._ahead:
            self._ahead = ahead
            self._prefetch(ahead)

    def go_back(self) -> None:
        """Go to where the session was left, or to the first open site."""
        place = self._session.ledger.state.cursor
        if place is None or self._queue.get(place) is None:
            first = self._queue.next_open(None)
            place = first[0] if first else None
        if place is not None:
            self.go(place)

    def step(self, step: int) -> bool:
        """Go rows down or up without wrapping; tell whether there was one."""
        target = self._queue.neighbour(self.site.id if self.site else None, step)
        return target is not None and self.go(target)

    def looked(self, reply: Looked) -> bool:
        """Take pictures and roots; tell whether they belong to the site on the screen."""
        before = self.tracker.present_roots()
        here = self.tracker.take(reply)
        if here and self.tracker.present_roots() != before:
            self._show_roots()
        return here

    def edited(self, used_up: Collection[int]) -> None:
        """Draw anew what showed roots that edits have replaced."""
        self.tracker.forget_pictures(used_up)
        self._viewer.refresh_segmentation()
        if self.site is not None:
            self.show(self.site, self.tracker.partner_index)

    def ask_anew(self) -> None:
        """Ask again for what a lost worker will never answer."""
        self.tracker.forget_requests()
        self._ahead = ()
        self.look_ahead()

    def seen_pair(self) -> tuple[int, int] | None:
        """Return the roots on the screen, which an edit expects to find."""
        roots = self.tracker.present_roots()
        return None if roots is None or roots[1] is None else (roots[0], roots[1])

    def asks_about_a_pair(self) -> bool:
        """Tell whether the question is whether two segments are one."""
        return self.site is not None and task_of(self.site) in PAIR_TASKS

    def proposed(self, site: Site) -> int:
        """Return the partner that was answered, else the most probable one, else the first."""
        decision = self._session.ledger.state.decision(site.id)
        wanted = decision.partner_supervoxel if decision is not None else None
        if wanted is None:
            wanted = self._session.catalogue.score(site.id).partner_supervoxel
        for index, partner in enumerate(site.partners):
            if partner.supervoxel == wanted:
                return index
        return 0

    def _show_roots(self) -> None:
        roots = self.tracker.present_roots()
        if roots is not None:
            self._viewer.show_pair(*roots)

    def _prefetch(self, ahead: tuple[str, ...]) -> None:
        keys, places = [], []
        for site_id in ahead:
            coming = self._session.catalogue.site(site_id)
            if coming is not None:
                index = self.proposed(coming)
                keys.append((coming.id, index))
                places.append((coming.point_nm, self.tracker.roots_of(coming, index)))
        self.tracker.prefetch(keys)
        self._viewer.prefetch(places)
