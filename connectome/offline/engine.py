"""The chunked graph of an offline datastack: reads, merges, splits, undo and redo.

Reads work on an immutable state and are never blocked. Edits are written one at a time,
each in one transaction, before they can be seen. Several threads, and several processes
on one folder, see each other's edits.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from connectome.graph import GraphPoint, Ids
from connectome.offline import editing, splitting
from connectome.offline.base import BaseGraph
from connectome.offline.layout import DatastackFolder
from connectome.offline.reader import GraphReader, to_ms
from connectome.offline.refusal import GraphRefusalError
from connectome.offline.rewiring import Switches
from connectome.offline.seams import Seams
from connectome.offline.splitting import Cut
from connectome.offline.state import GraphState
from connectome.offline.store import EditStore
from connectome.offline.writer import Edit, EditWriter, Written

__all__ = [
    "MAX_CHUNK_DISTANCE",
    "MERGE_BOX_NM",
    "GraphEngine",
    "GraphRefusalError",
    "OperationResult",
    "to_ms",
]

_LOG = logging.getLogger(__name__)

MERGE_BOX_NM = 960.0
"""A merge activates, and a split cuts, edges within this distance of the points on each axis.

Production takes 240 x 240 x 24 voxels; at its usual 4 x 4 x 40 nm that is 960 nm each way.
"""

MAX_CHUNK_DISTANCE = 3
"""A merge may join points whose chunks are at most this far apart along any axis."""


@dataclass(frozen=True)
class OperationResult:
    """What an edit made; all empty when there was nothing to undo or redo."""

    operation_id: int | None
    new_roots: tuple[int, ...]
    new_l2: tuple[int, ...]


_NOTHING = OperationResult(None, (), ())


class GraphEngine(GraphReader):
    """One datastack's graph, to read and to edit; use `open`.

    Every method may be called from any thread.
    """

    def __init__(
        self, folder: DatastackFolder, base: BaseGraph, store: EditStore, seams: Seams
    ) -> None:
        super().__init__(folder, base, store)
        self._writer = EditWriter(store, base.layout.n_layers, seams)
        self._edit_lock = threading.Lock()
        self._listeners: dict[object, Callable[[OperationResult], None]] = {}
        x, y, z = (round(MERGE_BOX_NM / v) for v in folder.manifest.resolution_nm)
        self._reach = (x, y, z)

    @classmethod
    def open(
        cls, folder: DatastackFolder, *, read_only: bool = False, seams: Seams | None = None
    ) -> GraphEngine:
        """Open the graph of a finished datastack; ``seams`` only to rehearse failures.

        Raises
        ------
        DatastackError
            If the folder is not complete or its graph is damaged.
        """
        folder = DatastackFolder.open(folder.path)
        base = BaseGraph.load(folder.base_graph, folder.layout, folder.manifest.created_ms)
        seams = seams or Seams()
        store = EditStore(folder.graph_db, read_only=read_only, commit=seams.commit)
        return cls(folder, base, store, seams)

    def close(self) -> None:
        """Close the files."""
        with self._edit_lock:
            self._store.close()

    def on_edit(self, listener: Callable[[OperationResult], None]) -> Callable[[], None]:
        """Tell a listener of each edit of this engine, and return what ends that.

        It is called once the edit is committed and can be read, on the thread of the edit,
        and must return at once. Edits of other processes are not told.
        """
        key = object()
        with self._state_lock:
            self._listeners[key] = listener

        def forget() -> None:
            with self._state_lock:
                self._listeners.pop(key, None)

        return forget

    # Edits

    def merge(
        self,
        a: GraphPoint,
        b: GraphPoint,
        user: str,
        *,
        max_chunk_distance: int = MAX_CHUNK_DISTANCE,
    ) -> OperationResult:
        """Join the objects of two points.

        All inactive edges between the two objects in chunks within `MERGE_BOX_NM` of the
        points become active; if there is none, a fake edge joins the two supervoxels.

        Raises
        ------
        GraphRefusalError
            If the graph refuses; nothing has changed then.
        """
        ends = [self.resolve(a), self.resolve(b)]
        coords = [self._voxel(a), self._voxel(b)]
        request = {
            "source_ids": [str(ends[0])],
            "sink_ids": [str(ends[1])],
            "source_coords": [coords[0]],
            "sink_coords": [coords[1]],
            "added_edges": [[str(ends[0]), str(ends[1])]],
        }

        def plan(state: GraphState) -> Switches:
            pair = np.asarray(ends, dtype=np.uint64)
            editing.check_merge(state, pair, max_chunk_distance)
            rows = editing.edges_between(state, pair, coords, self._reach)
            return Switches.of(on=rows) if len(rows) else Switches.of(fakes=pair.reshape(1, 2))

        return self._edit(Edit("merge", user, request, plan))

    def split(
        self,
        sources: Sequence[GraphPoint],
        sinks: Sequence[GraphPoint],
        user: str,
        *,
        mincut: bool = True,
    ) -> OperationResult:
        """Cut an object so that sources and sinks come apart near the points.

        Only edges in chunks within `MERGE_BOX_NM` of the points can be cut, so an object
        that holds together elsewhere stays one: the result has a single new root then.

        Parameters
        ----------
        sources, sinks : sequence of GraphPoint
            Points on both sides.
        user : str
            Whom the log names.
        mincut : bool
            Find the edges to remove by the multicut; if false, remove the edge between
            each source and the sink at the same place of its list.

        Raises
        ------
        GraphRefusalError
            If the graph refuses; nothing has changed then.
        """
        cut = self._cut(sources, sinks)

        def plan(state: GraphState) -> Switches:
            if mincut:
                return Switches.of(off=splitting.minimum_cut(state, cut))
            return Switches.of(off=splitting.listed_rows(state, cut.sources, cut.sinks))

        return self._edit(Edit("split", user, cut.request(), plan))

    def preview_split(
        self, sources: Sequence[GraphPoint], sinks: Sequence[GraphPoint]
    ) -> tuple[list[Ids], bool]:
        """Return what a split would do to the supervoxels near its points; a read.

        Returns
        -------
        parts : list of ndarray
            Supervoxels of each part: first the one with the most sources, then the one
            with the most sinks.
        illegal : bool
            Whether `split` would refuse because of what the cut leaves.

        Raises
        ------
        GraphRefusalError
            400 if the points cannot be cut apart, 500 if there is nothing to cut.
        """
        return splitting.parts_after(self.state, self._cut(sources, sinks))

    def measure_split(
        self, sources: Sequence[GraphPoint], sinks: Sequence[GraphPoint]
    ) -> tuple[int, int]:
        """Return how many voxels of the whole object each side of a split would have; a read.

        Raises
        ------
        GraphRefusalError
            As `preview_split`.
        """
        return splitting.voxels_after(self.state, self._cut(sources, sinks))

    def undo(self, operation_id: int, user: str) -> OperationResult:
        """Take an edit back; new ids are made. Undoing an undo does the edit again.

        An operation that does not exist, was refused, or is undone already gives an
        empty result.

        Raises
        ------
        GraphRefusalError
            If later edits make it impossible.
        """
        return self._revert(operation_id, user, "undo")

    def redo(self, operation_id: int, user: str) -> OperationResult:
        """Do an undone edit again; an empty result if it is not undone."""
        return self._revert(operation_id, user, "redo")

    # Inside

    def _cut(self, sources: Sequence[GraphPoint], sinks: Sequence[GraphPoint]) -> Cut:
        one, other = (
            np.asarray([self.resolve(point) for point in side], dtype=np.uint64)
            for side in (sources, sinks)
        )
        coords = ([self._voxel(p) for p in sources], [self._voxel(p) for p in sinks])
        return Cut(one, other, coords[0], coords[1], self._reach)

    def _voxel(self, point: GraphPoint) -> list[int]:
        voxel = self.folder.manifest.resolution_nm
        return [int(p // v) for p, v in zip(point.position_nm, voxel, strict=True)]

    def _revert(self, operation_id: int, user: str, kind: str) -> OperationResult:
        with self._edit_lock:
            written = self._writer.revert(self._state, operation_id, user, kind)
        return _NOTHING if written is None else self._done(written)

    def _edit(self, edit: Edit) -> OperationResult:
        with self._edit_lock:
            written = self._writer.write(self._state, edit)
        return self._done(written)

    def _done(self, written: Written) -> OperationResult:
        record = written.record
        self._publish(written.before.advance([record]))
        new_l2 = tuple(node for node, _ in record.new_l2)
        new_roots = tuple(root for root, _ in record.new_roots)
        result = OperationResult(record.operation_id, new_roots, new_l2)
        self._tell(result)
        return result

    def _tell(self, result: OperationResult) -> None:
        with self._state_lock:
            listeners = list(self._listeners.values())
        for listener in listeners:
            try:
                listener(result)
            except Exception:  # noqa: BLE001 - committed: nobody may take the edit for failed
                _LOG.exception("a listener failed after operation %s", result.operation_id)
