"""What helps a person see: cuts, the after-view, the map and the tint of one session."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from app.services.consequence import ConsequenceBench
from app.services.map_bench import MapBench
from app.services.map_tint import TintBench
from app.services.splitting_bench import CutBench
from app.services.workers import Post

if TYPE_CHECKING:
    from app.services.place import Place
    from app.services.queue import Queue
    from connectome.datastack import Datastack
    from ngplugin.viewer import SiteViewer
    from proofreading.session import Session

__all__ = ["Seeing", "seeing"]


class Seeing(NamedTuple):
    """The four, each with a thread of its own that ends with `close`."""

    cutting: CutBench
    after: ConsequenceBench
    map: MapBench
    tint: TintBench


def seeing(
    session: Session,
    datastack: Datastack,
    viewer: SiteViewer,
    place: Place,
    queue: Queue,
    post: Post,
    changed: Callable[[], None],
) -> Seeing:
    """Return what helps to see the sites of an open session."""
    catalogue = session.catalogue
    return Seeing(
        CutBench(session, datastack, viewer, place, post, changed),
        ConsequenceBench(datastack, viewer, place, catalogue, queue.sites_of, post, changed),
        MapBench(viewer.store, post),
        TintBench(datastack, viewer, place, queue.naming, post),
    )
