"""What the files of an offline datastack tell of its objects."""

from __future__ import annotations

import math
import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from connectome.graph import Ids, SplitRequest
from connectome.objects import FACES, SOMA_RADIUS_NM, SomaTable
from connectome.offline.engine import GraphEngine, GraphRefusalError
from connectome.offline.ids import layer_of
from connectome.offline.l2_store import L2Store

__all__ = ["OfflineFacts"]


class OfflineFacts:
    """Facts from the level-2 attributes, which follow every edit; may be used from any thread.

    Parameters
    ----------
    engine : GraphEngine
        The graph; may be read-only.
    table : SomaTable, optional
        Cell bodies that people have marked; it is asked first.
    soma_radius_nm : float
        What is thicker counts as a cell body where no table tells.
    """

    def __init__(
        self,
        engine: GraphEngine,
        table: SomaTable | None = None,
        *,
        soma_radius_nm: float = SOMA_RADIUS_NM,
    ) -> None:
        self._engine = engine
        self._table = table
        self._radius_nm = soma_radius_nm
        self._lock = threading.Lock()
        self._level2: L2Store | None = None
        self._faces: dict[int, frozenset[str]] = {}
        self._somata: dict[int, int] = {}

    def voxels(self, root: int) -> int | None:
        """Return the number of voxels of an object, None if there is none with this id."""
        if self._nodes(root) is None:
            return None
        base = self._engine.state.base
        return int(base.sv_sizes[base.positions(self._engine.leaves(root))].sum())

    def somata(self, root: int) -> int | None:
        """Return the number of cell bodies in an object.

        Without a table they are the connected groups of level-2 nodes that are deeper than
        the radius. A distance does not see beyond its chunk, so None is returned where a
        chunk is too narrow to hold a cell body of that radius.
        """
        marked = None if self._table is None else self._table.count(root)
        if marked is not None:
            return marked
        layout, voxel_nm = self._engine.layout, self._engine.folder.manifest.resolution_nm
        widths = [n * v for n, v in zip(layout.chunk_size, voxel_nm, strict=True)]
        nodes = self._nodes(root)
        if nodes is None or min(widths) < 2 * self._radius_nm:
            return None
        if root not in self._somata:
            self._somata[root] = self._groups(root, self._deep(nodes))
        return self._somata[root]

    def faces(self, root: int) -> frozenset[str] | None:
        """Return the faces of the volume that an object touches, None if there is no such id."""
        nodes = self._nodes(root)
        if nodes is None:
            return None
        if root not in self._faces:
            self._faces[root] = self._touched(nodes)
        return self._faces[root]

    def cut_voxels(self, request: SplitRequest) -> tuple[int, int] | None:
        """Return how many voxels each side of a cut would have, None if it is refused."""
        try:
            return self._engine.measure_split(request.sources, request.sinks)
        except GraphRefusalError:
            return None

    def close(self) -> None:
        """Close the file of attributes."""
        with self._lock:
            if self._level2 is not None:
                self._level2.close()
                self._level2 = None

    def _nodes(self, root: int) -> Ids | None:
        if int(layer_of(root)) != self._engine.layout.n_layers:
            return None
        try:
            return self._engine.leaves(root, stop_layer=2)
        except GraphRefusalError:
            return None

    def _touched(self, nodes: Ids) -> frozenset[str]:
        layout = self._engine.layout
        chunks = layout.chunk_of(nodes, 2)
        last = np.asarray(layout.grid) - 1
        # (n, 2, 3): whether the node's chunk lies at the lower and upper faces.
        outer = np.stack([chunks == 0, chunks == last], axis=1)
        border = np.flatnonzero(outer.any(axis=(1, 2)))
        counts = self._attributes(nodes[border], "chunk_intersect_count")
        touched = (outer[border] & (counts.reshape(-1, 2, 3) > 0)).any(axis=0)
        return frozenset(FACES[side][axis] for side, axis in np.argwhere(touched).tolist())

    def _deep(self, nodes: Ids) -> Ids:
        """Return the nodes whose depth reaches the radius."""
        # Of a ball around a voxel of the chunk at least an eighth lies inside the chunk;
        # half of that leaves room for the corners of voxels. It spares distance transforms.
        least = math.pi / 6 * self._radius_nm**3 / 2
        large = nodes[self._attributes(nodes, "size_nm3") >= least]
        return large[self._attributes(large, "max_dt_nm") >= self._radius_nm]

    def _groups(self, root: int, deep: Ids) -> int:
        """Return the number of groups of deep nodes; a neurite between two joins none."""
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        if not len(deep):
            return 0
        edges = self._engine.level2_edges(root)
        edges = edges[np.isin(edges, deep).all(axis=1)]
        # Where a chunk's face cuts a ball that is deep on both sides, the cut is as wide as
        # the radius at least; half of its area again leaves room.
        edges = edges[self._contacts_nm2(edges) >= math.pi * self._radius_nm**2 / 2]
        rows, columns = np.searchsorted(deep, edges.T)
        joined = coo_array((np.ones(len(rows)), (rows, columns)), shape=(len(deep), len(deep)))
        return int(connected_components(joined, directed=False)[0])

    def _contacts_nm2(self, pairs: NDArray[np.uint64]) -> NDArray[np.float64]:
        """Return how much of the face between their chunks two nodes (n, 2) cover at most."""
        step = np.diff(self._engine.layout.chunk_of(pairs, 2), axis=1)[:, 0]
        axis, upper = np.abs(step).argmax(axis=1), (step.max(axis=1) > 0).astype(np.int64)
        n = np.arange(len(pairs))
        counts = [
            self._attributes(nodes, "chunk_intersect_count").reshape(-1, 2, 3)[n, side, axis]
            for nodes, side in zip(pairs.T, (upper, 1 - upper), strict=True)
        ]
        voxel_nm = np.asarray(self._engine.folder.manifest.resolution_nm)
        face_nm2 = voxel_nm.prod() / voxel_nm
        return np.asarray(np.minimum(*counts) * face_nm2[axis])

    def _attributes(self, nodes: Ids, name: str) -> NDArray[Any]:
        """Return one attribute of level-2 nodes, in their order."""
        with self._lock:
            if self._level2 is None:
                self._level2 = L2Store(self._engine)
            found = self._level2.attributes(nodes, [name])
        return np.asarray([found[node][name] for node in nodes.tolist()], dtype=np.float64)
