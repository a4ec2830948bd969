"""Meshes for a view: only what it needs is fetched, and nothing is fetched twice.

From a chunked graph come the surfaces of the level-2 nodes in the view's box. A flat
segmentation gives its meshes whole; they are kept sorted, so that a view at another place
is cut out in a millisecond.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from connectome.datastack import Datastack
from connectome.errors import InputError, NotFoundError
from connectome.space import BoxNm, PointNm
from rendering.level2 import Fetched, Level2Graph, Level2Meshes
from rendering.mesh_cache import MeshCache
from rendering.mesh_source import MeshSource, patiently
from rendering.spec import COLOR_A
from rendering.surfaces import NotInViewError, Surface, prepared, to_surface

__all__ = ["MeshFetcher", "StaleRootError"]


class StaleRootError(InputError):
    """A segment that an edit has replaced."""


class MeshFetcher:
    """Fetches the surfaces of segments around sites; safe to share between threads.

    Parameters
    ----------
    datastack : Datastack
        Where meshes come from.
    cache : MeshCache or None
        Where they are kept; one of its own with the usual limits if None.
    """

    def __init__(self, datastack: Datastack, cache: MeshCache | None = None) -> None:
        self._datastack = datastack
        self._cache = cache or MeshCache.of(datastack)
        self._source = MeshSource(datastack, self._cache)

    def around(
        self,
        root: int,
        center_nm: PointNm,
        half_extent_nm: float,
        *,
        color: str = COLOR_A,
        detail_nm: float = 0.0,
        partial_ok: bool = False,
    ) -> Surface:
        """Return the surface of a segment in the cube around a site.

        Faces that meet the cube are there whole; where the neuron goes on, the surface is
        left open.

        Parameters
        ----------
        root : int
            The segment.
        center_nm : tuple of float
            The site.
        half_extent_nm : float
            Half the edge of the cube.
        color : str
            ``#rrggbb``.
        detail_nm : float
            Vertices in one cell of this grid become one; 0 keeps all.
        partial_ok : bool
            Whether a surface of which a piece is missing is better than none: for people,
            who are told of `Surface.missing`, and never for a judge.

        Raises
        ------
        OutsideVolumeError
            If the cube holds nothing of the volume.
        NotFoundError
            If the segment has no mesh.
        BrokenMeshError
            If its mesh cannot be read or drawn.
        PartialMeshError
            If a piece of its mesh is missing that would be seen here.
        NotInViewError
            If nothing of it reaches into the cube.
        ServiceError
            If the server did not answer, twice.
        """
        found = self.fetch(root, center_nm, half_extent_nm, detail_nm, partial_ok=partial_ok)
        surface = to_surface(found.blocks, center_nm, half_extent_nm, color, found.missing)
        if surface.empty:
            raise _not_in_view(root)
        return surface

    def fetch(
        self,
        root: int,
        center_nm: PointNm,
        half_extent_nm: float,
        detail_nm: float = 0.0,
        *,
        partial_ok: bool = False,
    ) -> Fetched:
        """Return at least the part of a mesh in the cube around a site; see `around`."""
        box = self._box(center_nm, half_extent_nm)
        if self._level2 is not None:
            return self._level2.fetch(root, box, detail_nm, partial_ok=partial_ok)
        key = (self._datastack.address, root, detail_nm)
        return Fetched(
            self._cache.prepared.get(key, lambda: prepared(self._source.mesh(root), detail_nm))
        )

    def pieces(self, root: int, center_nm: PointNm, half_extent_nm: float) -> dict[int, Surface]:
        """Return the surface of each level-2 node of a segment in the cube around a site.

        Nodes without a surface, or that do not reach into the cube, are left out. The
        segment of a flat segmentation is its one node. For errors see `around`.
        """
        box = self._box(center_nm, half_extent_nm)
        nodes = [root] if self._level2 is None else self._level2.nodes(root, box)
        found: dict[int, Surface] = {}
        for node in nodes:
            try:
                mesh = self._source.mesh(node)
            except NotFoundError:
                continue
            surface = to_surface(prepared(mesh), center_nm, half_extent_nm)
            if not surface.empty:
                found[node] = surface
        if not found:
            raise _not_in_view(root)
        return found

    def require_current(self, *roots: int) -> None:
        """Make sure that no edit has replaced these segments.

        Raises
        ------
        StaleRootError
            If one was replaced.
        ServiceError
            If the server did not answer, twice.
        """
        graph = self._datastack.graph
        if graph is None:
            return
        latest = patiently(lambda: graph.is_latest(np.array(roots, np.uint64)))
        old = [str(root) for root, good in zip(roots, latest, strict=True) if not good]
        if old:
            which = f"segment {old[0]} was" if len(old) == 1 else f"segments {_and(old)} were"
            raise StaleRootError(f"The {which} replaced by an edit.", "Detect again around it.")

    def forget(self) -> None:
        """Drop every mesh that is kept in memory."""
        self._cache.clear()

    @cached_property
    def _level2(self) -> Level2Meshes | None:
        if not isinstance(self._datastack.graph, Level2Graph):
            return None
        return Level2Meshes(self._datastack, self._source, self._cache)

    def _box(self, center_nm: PointNm, half_extent_nm: float) -> BoxNm:
        """Return the cube around a site, of which some must lie in the volume."""
        box = BoxNm.around(center_nm, half_extent_nm)
        self._datastack.segmentation.scales[0].clip(box)
        return box


def _not_in_view(root: int) -> NotInViewError:
    return NotInViewError(f"The segment {root} does not reach into this view.")


def _and(words: list[str]) -> str:
    return " and ".join(words)
