"""The bird's-eye map of an open session, drawn away from the window."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from app.services.map_raster import MapSites, SiteMap, draw_map, nearest_site
from app.services.one_thread import OneThread
from app.services.workers import Post
from ngplugin.store import FLAG_ASIDE

if TYPE_CHECKING:
    from connectome.space import BoxNm
    from ngplugin.store import SiteStore

__all__ = ["MapBench", "sites_of"]


def sites_of(store: SiteStore) -> MapSites:
    """Return the sites that the viewer shows and that ask something."""
    snapshot = store.snapshot
    properties = snapshot.properties[: snapshot.count]
    asks = (properties["flags"] & FLAG_ASIDE) == 0
    return MapSites(
        points=snapshot.points[: snapshot.count][asks],
        numbers=snapshot.numbers[: snapshot.count][asks],
        probability=properties["probability"][asks],
        visited=properties["answer"][asks] != 0,
    )


class MapBench:
    """Draws the map and finds what was clicked; the answers come on the owner's thread.

    Parameters
    ----------
    store : SiteStore
        The sites as the viewer draws them.
    """

    def __init__(self, store: SiteStore, post: Post) -> None:
        self._store = store
        self._thread = OneThread("proofdesk-map", post)

    @property
    def bounds(self) -> BoxNm:
        """The box of the datastack."""
        return self._store.bounds

    def draw(self, plane: str, done: Callable[[SiteMap], None]) -> None:
        """Draw the map of now."""
        self._thread.do(lambda: draw_map(sites_of(self._store), self.bounds, plane), done)

    def find(
        self, seen: SiteMap, right_nm: float, down_nm: float, done: Callable[[str | None], None]
    ) -> None:
        """Find the site nearest to a place of the map."""

        def nearest() -> str | None:
            number = nearest_site(sites_of(self._store), seen, right_nm, down_nm)
            return None if number is None else f"{number:016x}"

        self._thread.do(nearest, done)

    def close(self) -> None:
        """Draw nothing any more."""
        self._thread.close()
