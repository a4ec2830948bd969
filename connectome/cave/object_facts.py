"""What a CAVE server tells of objects."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from connectome.cave.graph import CaveGraph
from connectome.cave.level2 import level2_attributes
from connectome.errors import ServiceError
from connectome.graph import Ids
from connectome.objects import FACES, SomaTable

__all__ = ["CaveFacts"]

_MOST_NODES = 3_000
"""Level-2 nodes in one slab; of an object with more, its faces are not asked for."""


class CaveFacts:
    """Facts of objects on a server; what it does not tell, or not now, is not known.

    Parameters
    ----------
    graph : CaveGraph
        The chunked graph.
    table : SomaTable
        Where the datastack's cell bodies are.
    """

    def __init__(self, graph: CaveGraph, table: SomaTable) -> None:
        self._graph = graph
        self._table = table
        self._faces: dict[int, frozenset[str]] = {}

    def voxels(self, root: int) -> int | None:  # noqa: ARG002 (no server counts voxels)
        """Return None: CAVE counts no voxels."""
        return None

    def somata(self, root: int) -> int | None:
        """Return the number of rows in the table of cell bodies that lie in an object."""
        return self._table.count(root)

    def faces(self, root: int) -> frozenset[str] | None:
        """Return the faces of the volume that an object touches.

        Asks for its level-2 nodes in the outermost chunks, and the level-2 cache for the
        voxels of these on the chunk's faces. Where the volume ends inside a chunk, an upper
        face counts as not touched. None for very large objects and where the server has no
        such cache.
        """
        if root not in self._faces:
            try:
                found = self._touched(root)
            except ServiceError:
                return None  # a caution that cannot be had stops nothing
            if found is None:
                return None
            self._faces[root] = found
        return self._faces[root]

    def _touched(self, root: int) -> frozenset[str] | None:
        at: dict[tuple[int, int], Ids] = {}
        for side, axis, slab in self._slabs():
            at[side, axis] = self._graph.level2_nodes(root, slab)
            if len(at[side, axis]) > _MOST_NODES:
                return None
        nodes = np.unique(np.concatenate(list(at.values())))
        known = level2_attributes(self._graph.connection, nodes, ["chunk_intersect_count"])
        counts = {n: v["chunk_intersect_count"] for n, v in known.items() if v}
        return frozenset(
            FACES[side][axis]
            for (side, axis), nodes in at.items()
            if any(counts[n][side][axis] for n in nodes.tolist() if n in counts)
        )

    def _slabs(self) -> Iterator[tuple[int, int, NDArray[np.int64]]]:
        """Yield side, axis and the one-voxel slab (3, 2) along each face of the volume."""
        scale = self._graph.base_scale
        low = np.asarray(scale.offset)
        high = low + scale.shape
        for axis in range(3):
            for side, start in enumerate((low[axis], high[axis] - 1)):
                slab = np.stack([low, high], axis=1)
                slab[axis] = start, start + 1
                yield side, axis, slab
