"""Which sites are too improbable to be shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.services.model import Hidden
from app.services.queue import Queue, Sight

if TYPE_CHECKING:
    from ngplugin.viewer import SiteViewer

__all__ = ["Improbable"]


class Improbable:
    """Hides open sites below a probability, or shows them all for a while."""

    def __init__(self, queue: Queue, viewer: SiteViewer) -> None:
        self._queue, self._viewer = queue, viewer
        self._wanted = 0.0
        self._showing_all = False

    def hide_below(self, limit: float) -> None:
        """Show no open site that is less probable than this; what has an answer stays."""
        self._wanted = limit
        self._show()

    def toggle(self) -> None:
        """Show the improbable sites, too, or hide them again."""
        self._showing_all = not self._showing_all
        self._show()

    def hidden(self) -> Hidden:
        """Return how many sites are not shown, and why."""
        return Hidden(
            improbable=self._queue.count(Sight.LOW),
            same=self._queue.count(Sight.SAME),
            joined=self._queue.count(Sight.JOINED),
            limit=self._limit,
            wanted_limit=self._wanted,
        )

    @property
    def _limit(self) -> float:
        return 0.0 if self._showing_all else self._wanted

    def _show(self) -> None:
        self._queue.hide_below(self._limit)
        self._viewer.filter_sites(least_probability=self._limit)
