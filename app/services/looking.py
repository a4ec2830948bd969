"""What the person looks through: a lane, an order, and what is said of sites that ask nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from app.services.queue_filter import box_word
from app.services.queue_view import LANES, QueueOrder, QueueView
from app.services.through import LANE_WORDS, Through
from proofreading.ledger.events import SiteSetAside
from proofreading.triage import Lane

if TYPE_CHECKING:
    from app.services.model import QueueRow
    from app.services.quality import Quality
    from app.services.queue import Queue
    from proofreading.session import Session

__all__ = ["Looking", "view_box"]

_VIEW_PIXELS = 400
_LEAST_NM = 500.0


class Looking:
    """Keeps the queue in the order that the person chose."""

    def __init__(self, session: Session, queue: Queue, quality: Quality) -> None:
        self._session = session
        self._queue = queue
        self._quality = quality
        self._mixed = 0

    def choose(self, lane: Lane | None, order: QueueOrder, here: str | None) -> None:
        """Look through a lane in an order, beginning at the site on the screen."""
        view = QueueView(lane, order, self._quality.error_rate, self._quality.seed)
        self._queue.show_view(_from(view, None if here is None else self._queue.get(here)))
        self._mixed = 0
        self.mix_in()

    def came_to(self, site_id: str) -> None:
        """Go on from a site: what is near, or along the neuron, begins there."""
        view, row = self._queue.view, self._queue.get(site_id)
        if row is None or view.order not in (QueueOrder.NEAR, QueueOrder.NEURON):
            return
        if view.order is QueueOrder.NEURON and view.along in (row.root, row.partner_root):
            return
        self._queue.show_view(_from(view, row))

    def dial_moved(self) -> None:
        """Sort into lanes by the error that is accepted now."""
        self._queue.show_view(self._queue.view.at(self._quality.error_rate))

    def mix_in(self) -> None:
        """Put sites with known answers among the others, as many as were asked for."""
        gold = self._quality.gold_to_ask()
        if gold and (self._mixed != len(gold)):
            self._queue.mix_in(gold)
            self._mixed = len(gold)

    def settle(self) -> None:
        """Mix in and set aside what the last news allow."""
        self.mix_in()
        self.record_aside()

    def record_aside(self) -> None:
        """Record which open sites ask nothing any more, and why."""
        events = [
            SiteSetAside(row.site_id, "gone" if row.root == 0 else "same object", row.root)
            for row in self._queue.drain_joined()
        ]
        if events:
            self._session.ledger.append_all(events)

    @property
    def done(self) -> str:
        """What is said when nothing is left."""
        lane = self._queue.view.lane
        where = "" if lane is None else f" of the lane {LANE_WORDS[lane]}"
        return f"Every site{where} is answered."

    def through(self, current: str | None) -> Through:
        """Return what the queue holds now."""
        view, queue = self._queue.view, self._queue
        place = None if current is None else queue.index_of(current)
        lock = self._quality.lanes().lock
        return Through(
            lane=view.lane,
            order=view.order,
            counts={lane: queue.in_lane(lane) for lane in LANES},
            place=None if place is None else place + 1,
            rows=len(queue),
            unlocked=lock is None,
            missing=0 if lock is None else lock.missing,
        )


def view_box(state: Mapping[str, object]) -> str:
    """Return the filter's word for the region that Neuroglancer shows; empty if unknown."""
    position, zoom = state.get("position_nm"), state.get("nm_per_pixel")
    if not isinstance(position, list | tuple) or len(position) != 3:
        return ""
    half = _VIEW_PIXELS * float(zoom) if isinstance(zoom, int | float) else 0.0
    half = max(half, _LEAST_NM)
    x, y, z = (float(value) for value in position)
    return box_word((x - half, y - half, z - half), (x + half, y + half, z + half))


def _from(view: QueueView, row: QueueRow | None) -> QueueView:
    return view if row is None else replace(view, near_nm=row.point_nm, along=row.root)
