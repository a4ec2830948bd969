"""Which parts of an object are done: its surface, tinted where the nearest site is answered.

Every vertex belongs to the site nearest to it, so a branch is done when every site along it
is answered, and what is left stands out. The mesh is read once for each object.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from app.services.one_thread import OneThread
from app.services.splitting_picture import faces_of
from app.services.workers import Post
from connectome.errors import ProofdeskError
from ngplugin.after import AfterPicture

if TYPE_CHECKING:
    from app.services.place import Place
    from connectome.datastack import Datastack, Mesh
    from ngplugin.viewer import SiteViewer

__all__ = ["SitesOf", "TintBench", "tinted"]

NO_SITE = "There is no site on the screen."
STATUS = "tint"
DONE_COLOR = "#5b6470"
"""Answered sites fade in the viewer, too."""


@dataclass(frozen=True, eq=False)
class SitesOf:
    """The sites of one object: positions (n, 3) in nm, and which are answered (n,)."""

    points: NDArray[np.float32]
    done: NDArray[np.bool_]


def tinted(mesh: Mesh, sites: SitesOf) -> AfterPicture:
    """Return the surface of an object in two parts: still open, and done."""
    from scipy.spatial import cKDTree

    _, nearest = cKDTree(sites.points).query(mesh.vertices_nm)
    of_vertex = sites.done[nearest]
    # A triangle with corners in both goes to the one that holds two of them.
    done = of_vertex[mesh.faces.astype(np.int64)].sum(axis=1) >= 2
    nothing = np.zeros((1, 1, 1), np.uint8)
    return AfterPicture(nothing, (0, 0, 0), (faces_of(mesh, ~done), faces_of(mesh, done)))


class TintBench:
    """The tint of the object on the screen, on or off.

    Parameters
    ----------
    naming : callable
        Returns the sites that ask about any of some roots.
    """

    def __init__(
        self,
        datastack: Datastack,
        viewer: SiteViewer,
        place: Place,
        naming: Callable[[Iterable[int]], list[str]],
        post: Post,
    ) -> None:
        self._datastack, self._viewer, self._place = datastack, viewer, place
        self._naming = naming
        self._thread = OneThread("proofdesk-tint", post)
        self._mesh: tuple[int, Mesh] | None = None
        self._shown: tuple[int, bytes] | None = None

    @property
    def active(self) -> bool:
        """Whether the tint is on."""
        return self._shown is not None

    def toggle(self) -> str:
        """Tint what is done, or stop; return why that cannot be, or nothing."""
        if self.leave():
            return ""
        if self._place.site is None:
            return NO_SITE
        self._draw()
        return ""

    def leave(self) -> bool:
        """Stop tinting; tell whether anything was tinted."""
        if self._shown is None:
            return False
        self._shown = None
        self._viewer.show_after(None)
        self._viewer.status(STATUS, None)
        return True

    def follow(self) -> None:
        """Keep to the object on the screen, and to its answers."""
        if self._shown is not None:
            if self._place.site is None:
                self.leave()
            else:
                self._draw()

    def close(self) -> None:
        """Read nothing any more."""
        self._thread.close()

    def _draw(self) -> None:
        roots = self._place.tracker.present_roots()
        if roots is None:
            return
        root, sites = roots[0], self._sites(roots[0])
        key = (root, sites.done.tobytes())
        if key == self._shown:
            return
        self._shown = key
        done, total = int(sites.done.sum()), len(sites.done)
        self._viewer.status(STATUS, f"A: {done} of {total} sites answered · T ends the tint")
        if total:
            self._thread.do(
                lambda: self._picture(root, sites), lambda found: self._take(key, found)
            )

    def _sites(self, root: int) -> SitesOf:
        store = self._viewer.store
        rows = [store.row_of(int(site_id, 16)) for site_id in self._naming([root])]
        known = np.array([row for row in rows if row is not None], np.int64)
        snapshot = store.snapshot
        known = known[known < snapshot.count]
        return SitesOf(snapshot.points[known], snapshot.properties["answer"][known] != 0)

    def _picture(self, root: int, sites: SitesOf) -> AfterPicture | str:
        try:
            if self._mesh is None or self._mesh[0] != root:
                self._mesh = (root, self._datastack.meshes.mesh(root))
        except ProofdeskError as error:
            return f"Not tinted: {error.message}"
        return tinted(self._mesh[1], sites)

    def _take(self, key: tuple[int, bytes], found: AfterPicture | str) -> None:
        if key != self._shown:
            return  # another object, or other answers, came on the screen meanwhile
        if isinstance(found, str):
            self._viewer.status(STATUS, found)
        else:
            self._viewer.show_after(found, second_color=DONE_COLOR, beside=False)
