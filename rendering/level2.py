"""Meshes of a chunked graph, put together from the surfaces of level-2 nodes near a site."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, cast, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from connectome.datastack import Datastack
from connectome.errors import NotFoundError
from connectome.graph import Ids
from connectome.space import BoxNm, Scale
from rendering.mesh_blocks import MeshBlocks
from rendering.mesh_cache import MeshCache
from rendering.mesh_source import MeshSource, patiently
from rendering.surfaces import NotInViewError, PartialMeshError, joined, prepared

__all__ = ["Fetched", "Level2Graph", "Level2Meshes"]

_SPECK = 0.05
"""Of the half extent: a piece no longer than this may be without a surface."""
_SPECKS_KEPT = 100_000


@runtime_checkable
class Level2Graph(Protocol):
    """A chunked graph that tells its level-2 nodes, as those of CAVE do."""

    @property
    def base_scale(self) -> Scale:
        """The grid in which the graph counts voxels."""
        ...

    def level2_nodes(self, root: int, bounds: NDArray[np.int64]) -> Ids:
        """Return the nodes of a root in the chunks that meet a box of voxels (3, 2)."""
        ...

    def leaves(self, root: int, box: BoxNm | None = None) -> Ids:
        """Return the supervoxels of a node."""
        ...


@dataclass(frozen=True)
class Fetched:
    """A mesh, at least all of it that lies near a site.

    Parameters
    ----------
    blocks : MeshBlocks
        The mesh.
    missing : tuple of int
        Level-2 nodes near the site that have no surface though it would be seen.
    """

    blocks: MeshBlocks
    missing: tuple[int, ...] = ()


class Level2Meshes:
    """The surfaces of a chunked graph's roots inside boxes.

    A piece is kept under its node's id, whose content never changes: after an edit
    elsewhere on the neuron, or for another site beside this one, only what is new is
    fetched.

    Parameters
    ----------
    datastack : Datastack
        Where voxels come from; its graph is a `Level2Graph`.
    source : MeshSource
        Where the surfaces of nodes come from.
    cache : MeshCache
        Where what was put together is kept.
    """

    def __init__(self, datastack: Datastack, source: MeshSource, cache: MeshCache) -> None:
        self._datastack = datastack
        self._source = source
        self._cache = cache
        self._specks: set[tuple[int, BoxNm]] = set()

    def nodes(self, root: int, box: BoxNm) -> list[int]:
        """Return the level-2 nodes of a root whose chunks the box meets, in order.

        Raises
        ------
        OutsideVolumeError
            If the box lies outside the volume.
        NotInViewError
            If there are none.
        """
        # A surface may reach out of its chunk by a voxel.
        margin = 2 * max(self._grid.voxel_nm)
        bounds = np.array(self._grid.clip(box.grown(margin))).T
        found = self._cache.nodes.get(
            (self._datastack.address, root, bounds.tobytes()),
            lambda: np.unique(patiently(lambda: self._graph.level2_nodes(root, bounds))),
        )
        if not len(found):
            raise NotInViewError(f"The segment {root} does not reach into this view.")
        return [int(node) for node in found if (int(node), box) not in self._specks]

    @cached_property
    def _grid(self) -> Scale:
        return patiently(lambda: self._graph.base_scale)

    @property
    def _graph(self) -> Level2Graph:
        # Asked for anew: the offline datastack finds its service again where it moved.
        return cast(Level2Graph, self._datastack.graph)

    def fetch(self, root: int, box: BoxNm, detail_nm: float, *, partial_ok: bool) -> Fetched:
        """Return the mesh of a root in a box, and what is missing of it.

        Raises
        ------
        NotFoundError
            If nothing of it has a surface.
        PartialMeshError
            If a piece that would be seen has no surface, unless that is good enough.
        """
        nodes = self.nodes(root, box)
        try:
            return Fetched(self._assembled(root, nodes, detail_nm))
        except PartialMeshError as gap:
            present = [node for node in nodes if node not in gap.missing]
            if not present:
                raise NotFoundError(f"The segment {root} has no mesh here.") from gap
            seen = tuple(node for node in gap.missing if self._would_show(node, box))
            if seen and not partial_ok:
                raise _gap(root, seen) from gap
            return Fetched(self._assembled(root, present, detail_nm), seen)

    def _assembled(self, root: int, nodes: list[int], detail_nm: float) -> MeshBlocks:
        """Return the surfaces of these nodes as one; all must be there."""

        def make() -> MeshBlocks:
            found, missing = [], []
            for node in nodes:
                try:
                    found.append(self._source.mesh(node))
                except NotFoundError:
                    missing.append(node)
            if missing:
                raise _gap(root, tuple(missing))
            return prepared(joined(found), detail_nm)

        key = (self._datastack.address, np.array(nodes, np.uint64).tobytes(), detail_nm)
        return self._cache.prepared.get(key, make)

    def _would_show(self, node: int, box: BoxNm) -> bool:
        """Tell whether a node is more than a speck in a box; specks are left out from now on.

        Meshing services make no surface of nodes of a few voxels.
        """
        largest = _SPECK * box.size[0] / 2
        if bool((self._extent_nm(node, box, largest / 2) > largest).any()):
            return True
        if len(self._specks) >= _SPECKS_KEPT:
            self._specks.clear()
        self._specks.add((node, box))
        return False

    def _extent_nm(self, node: int, box: BoxNm, step_nm: float) -> NDArray[np.float64]:
        """Return how far the voxels of a node in a box reach, shape (3,) zyx; 0 if none."""
        scales = self._datastack.segmentation.scales
        level = max((i for i, s in enumerate(scales) if max(s.voxel_nm) <= step_nm), default=0)
        supervoxels = patiently(lambda: self._graph.leaves(node))
        cutout = patiently(lambda: self._datastack.segmentation.read_supervoxels(box, level))
        places = np.argwhere(np.isin(cutout.data, supervoxels))
        if len(places) < 2:
            return np.zeros(3)
        # From the first voxel to the last: one voxel alone has no extent at this scale.
        steps = places.max(axis=0) - places.min(axis=0)
        extent: NDArray[np.float64] = steps * np.array(cutout.scale.voxel_nm[::-1])
        return extent


def _gap(root: int, missing: tuple[int, ...]) -> PartialMeshError:
    pieces = "a piece" if len(missing) == 1 else f"{len(missing)} pieces"
    return PartialMeshError(f"Of the mesh of segment {root} {pieces} is missing here.", missing)
