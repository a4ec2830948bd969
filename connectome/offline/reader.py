"""The reads of an offline datastack's chunked graph.

They work on an immutable state and are never blocked. States follow the log of edits,
whichever process wrote it, and go back to any time in the past.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from connectome.graph import GraphPoint, Ids
from connectome.offline import editing, history, reading
from connectome.offline.base import BaseGraph
from connectome.offline.history import RootLineage
from connectome.offline.ids import ChunkLayout, layer_of
from connectome.offline.layout import DatastackFolder
from connectome.offline.lookup import SupervoxelReader, nearest_supervoxel
from connectome.offline.refusal import GraphRefusalError
from connectome.offline.state import GraphState
from connectome.offline.store import EditStore, Operation

__all__ = ["GraphReader", "to_ms"]

_PAST_STATES = 4


class GraphReader:
    """What can be asked of one datastack's graph.

    Every method may be called from any thread, and raises `GraphRefusalError` (400) for
    ids that do not exist.

    Parameters
    ----------
    folder : DatastackFolder
        The files.
    base : BaseGraph
        The graph as it was ingested.
    store : EditStore
        The log of edits.
    """

    def __init__(self, folder: DatastackFolder, base: BaseGraph, store: EditStore) -> None:
        self.folder = folder
        self.layout: ChunkLayout = base.layout
        self._base = base
        self._store = store
        self._state_lock = threading.Lock()
        self._state = GraphState.start(base)
        self._past: dict[int, GraphState] = {}
        self._version = -1
        self._supervoxels = SupervoxelReader(folder.supervoxels, folder.scale)

    @property
    def state(self) -> GraphState:
        """The graph as of the last edit of any process; it never changes under the reader."""
        version = self._store.data_version()
        if version != self._version:
            old = self._state
            self._publish(old.advance(self._store.records(old.last_operation)))
            self._version = version
        return self._state

    def state_at(self, timestamp: float | None) -> GraphState:
        """Return the graph as of a time in seconds UTC, inclusive; now if None."""
        now = self.state
        ms = now.last_ms if timestamp is None else to_ms(timestamp)
        if ms >= now.last_ms:
            return now
        last = self._store.last_operation_at(ms)
        with self._state_lock:
            found = self._past.get(last)
        if found is None:
            found = GraphState.start(self._base).advance(self._store.records(0, up_to_ms=ms))
            with self._state_lock:
                self._past[last] = found
                while len(self._past) > _PAST_STATES:
                    self._past.pop(next(iter(self._past)))
        return found

    def roots(self, ids: Ids, timestamp: float | None = None, stop_layer: int | None = None) -> Ids:
        """Return the root of each supervoxel, L2 node or root, shape (n,).

        Parameters
        ----------
        ids : ndarray, shape (n,)
            Node ids of any layers; 0 gives 0.
        timestamp : float, optional
            Seconds UTC; the answer is as of then, 0 for what did not exist yet.
        stop_layer : int, optional
            Return the highest ancestor at or below this layer instead.
        """
        ids = np.asarray(ids, dtype=np.uint64)
        found = reading.ancestors(self.state_at(timestamp), ids, stop_layer)
        lost = (found == 0) & (ids != 0)
        if lost.any():
            self._require(ids[lost])
        if timestamp is not None and to_ms(timestamp) < self._base.created_ms:
            return np.zeros(len(ids), dtype=np.uint64)
        return found

    def leaves(
        self,
        node: int,
        bounds: tuple[int, int, int, int, int, int] | None = None,
        stop_layer: int = 1,
    ) -> Ids:
        """Return the descendants of a node in a layer, ascending.

        Parameters
        ----------
        node : int
            A node, current or replaced.
        bounds : tuple of int, optional
            Voxels x0, x1, y0, y1, z0, z1: only nodes in chunks that meet the box.
        stop_layer : int
            The highest descendants at or below this layer: 1 for supervoxels, then L2
            nodes up to the layer below the root's, which is the next that nodes exist in.
        """
        state = self.state_with(node)
        if 2 < int(layer_of(node)) <= stop_layer:
            return np.asarray([node], dtype=np.uint64)
        found = reading.descendants(state, node, 1 if stop_layer <= 1 else 2)
        return found if bounds is None else reading.in_bounds(self.layout, found, bounds)

    def children(self, node: int) -> Ids:
        """Return the direct children of a node; none for a supervoxel."""
        layer = int(layer_of(node))
        if layer == 1:
            self._require(np.asarray([node], dtype=np.uint64))
            return np.zeros(0, dtype=np.uint64)
        return self.leaves(node, stop_layer=1 if layer == 2 else 2)

    def level2_edges(self, root: int) -> NDArray[np.uint64]:
        """Return the pairs of touching L2 nodes of a root, shape (n, 2)."""
        self._require(np.asarray([root], dtype=np.uint64))
        return reading.level2_edges(self._state_with(root), root)

    def exist(self, ids: Ids) -> NDArray[np.bool_]:
        """Tell which ids are or were nodes of this graph, shape (n,)."""
        return reading.exist(self.state, ids)

    def is_latest(self, ids: Ids, timestamp: float | None = None) -> NDArray[np.bool_]:
        """Tell which nodes exist and are not replaced, shape (n,).

        As in production, supervoxels and L2 nodes count as latest whenever they exist.
        A replacement at exactly `timestamp` does not count yet.
        """
        ms = None if timestamp is None else to_ms(timestamp)
        return reading.is_latest(self.state, ids, ms)

    def root_timestamps(self, ids: Ids) -> NDArray[np.float64]:
        """Return when each node was made, in seconds UTC, shape (n,)."""
        self._require(ids)
        born, start = self.state.history.born, self._base.created_ms
        return np.asarray([born.get(int(i), (start, 0))[0] / 1000 for i in ids], dtype=np.float64)

    def lineage(
        self, roots: Sequence[int], past: float | None = None, future: float | None = None
    ) -> RootLineage:
        """Return every edit before and after these roots, between two times in seconds UTC.

        Links that cross a limit are kept, as in production.
        """
        self._require(np.asarray(roots, dtype=np.uint64))
        after = None if past is None else to_ms(past)
        until = None if future is None else to_ms(future)
        return history.lineage(self.state, roots, after, until)

    def log(self, operation_ids: Sequence[int] | None = None) -> list[Operation]:
        """Return rows of the operation log, all of them if None; refused edits have one too."""
        if operation_ids is None:
            return self._store.log()
        return list(self._store.operations(operation_ids).values())

    def state_with(self, node: int) -> GraphState:
        """Return a state of the graph in which a node is current."""
        self._require(np.asarray([node], dtype=np.uint64))
        return self._state_with(node)

    def current_roots(self) -> Ids:
        """Return every root that is not replaced, ascending."""
        return self.state.current_roots

    def sizes(self, roots: Ids) -> NDArray[np.int64]:
        """Return the voxels of each root, 0 for one that is not current, shape (n,)."""
        state = self.state
        slot = np.searchsorted(state.current_roots, roots)
        slot = np.minimum(slot, max(0, len(state.current_roots) - 1))
        if not len(state.current_roots):
            return np.zeros(len(roots), dtype=np.int64)
        return np.where(state.current_roots[slot] == roots, state.root_sizes[slot], 0)

    def oldest_timestamp(self) -> float:
        """Return when the graph came to be, in seconds UTC."""
        return self._base.created_ms / 1000

    def operations(self, operation_ids: Sequence[int]) -> dict[int, dict[str, object]]:
        """Return the log rows of these operations, keyed as the production does.

        A refused edit has a row too, with a status other than 0 and no roots; unknown
        ids are absent.
        """
        found = self._store.operations(operation_ids)
        return {number: editing.details_of(operation) for number, operation in found.items()}

    def resolve(self, point: GraphPoint) -> int:
        """Return the supervoxel of a point: its own, or the nearest one of its node.

        Raises
        ------
        GraphRefusalError
            If the supervoxel does not exist or the node has none near the position.
        """
        layer = int(layer_of(point.supervoxel))
        if layer == 1:
            self._require(np.asarray([point.supervoxel], dtype=np.uint64))
            return point.supervoxel
        state = self.state
        return nearest_supervoxel(
            self._supervoxels, point, lambda ids: reading.ancestors(state, ids, layer)
        )

    # Inside

    def _publish(self, state: GraphState) -> None:
        with self._state_lock:
            if state.last_operation > self._state.last_operation:
                self._state = state

    def _require(self, ids: Ids) -> None:
        known = self.exist(ids)
        if not known.all():
            raise GraphRefusalError(400, f"Node {int(ids[~known][0])} does not exist.")

    def _state_with(self, node: int) -> GraphState:
        """Return a state in which the node is current."""
        state = self.state
        if not reading.is_replaced(state, node):
            return state
        born = state.history.born.get(node, (self._base.created_ms, 0))[0]
        return self.state_at(born / 1000)


def to_ms(seconds: float) -> int:
    """Return whole milliseconds; a microsecond of tolerance absorbs what floats lose."""
    return int((seconds * 1e6 + 1) // 1000)
