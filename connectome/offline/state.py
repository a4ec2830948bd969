"""The graph at one moment: an immutable fold of the edits over the ingested graph.

Readers hold one `GraphState` and are never disturbed; an edit makes the next one by
copying the few arrays it changes. The same `advance` follows an edit just made, replays
the log when a datastack is opened, and goes back to any time in the past.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from connectome.graph import Ids
from connectome.offline.base import FAKE_AFFINITY, BaseGraph, Positions, Rows

__all__ = ["EditRecord", "GraphState", "History"]


@dataclass(frozen=True, eq=False)
class EditRecord:
    """What one edit changed, as the store keeps it.

    Parameters
    ----------
    operation_id, ms : int
        Number and UTC time in milliseconds of the edit.
    on, off : ndarray of int64
        Rows of the edges that were activated and deactivated.
    fakes : ndarray, shape (k, 2), uint64
        Supervoxel pairs of new fake edges; they take the next free rows.
    new_l2, new_roots : tuple
        New nodes, each with the ids of its children.
    links : tuple
        Pairs (old root, new root).
    """

    operation_id: int
    ms: int
    on: Rows
    off: Rows
    fakes: Ids
    new_l2: tuple[tuple[int, Ids], ...]
    new_roots: tuple[tuple[int, Ids], ...]
    links: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class History:
    """When nodes were made and replaced; nodes of the ingested graph are not in `born`."""

    born: dict[int, tuple[int, int]]
    """New node to (time in ms, operation id)."""
    retired: dict[int, int]
    """Replaced root to time in ms."""
    successors: dict[int, tuple[int, ...]]
    predecessors: dict[int, tuple[int, ...]]


@dataclass(frozen=True, eq=False)
class GraphState:
    """Which node belongs to which, and which edges hold, at one moment.

    `l2_ids` and `l2_root` go on after the rows of the ingested graph; a replaced L2 node
    keeps the last root it had. `edge_active` goes on with the fake edges.
    """

    base: BaseGraph
    sv_l2: Positions
    l2_ids: Ids
    l2_root: Ids
    edge_active: NDArray[np.bool_]
    fake_a: Positions
    fake_b: Positions
    new_l2_rows: Mapping[int, int]
    n_roots: int
    last_operation: int
    last_ms: int
    history: History

    @classmethod
    def start(cls, base: BaseGraph) -> GraphState:
        """Return the state at ingest."""
        none = np.zeros(0, dtype=np.int32)
        return cls(
            base=base,
            sv_l2=np.asarray(base.sv_l2),
            l2_ids=np.asarray(base.l2_ids),
            l2_root=np.asarray(base.l2_root),
            edge_active=np.asarray(base.edge_active),
            fake_a=none,
            fake_b=none,
            new_l2_rows={},
            n_roots=len(base.root_labels),
            last_operation=0,
            last_ms=base.created_ms,
            history=History({}, {}, {}, {}),
        )

    @cached_property
    def current_roots(self) -> Ids:
        """Every root that is not replaced, ascending."""
        return np.unique(self.l2_root[np.unique(self.sv_l2)])

    @cached_property
    def root_sizes(self) -> NDArray[np.int64]:
        """Voxels of each of `current_roots`."""
        per_l2 = np.bincount(self.sv_l2, self.base.sv_sizes, minlength=len(self.l2_ids))
        live = np.unique(self.sv_l2)
        slot = np.searchsorted(self.current_roots, self.l2_root[live])
        total = np.bincount(slot, per_l2[live], minlength=len(self.current_roots))
        return total.astype(np.int64)

    def l2_rows(self, ids: Ids) -> NDArray[np.int64]:
        """Return the row of each L2 id, -1 where there is none, shape (n,)."""
        return _rows_of(self.base.l2_ids, self.new_l2_rows, ids)

    def live_l2_rows(self, root: int) -> NDArray[np.int64]:
        """Return the rows of the L2 nodes of a root, none if it is not current."""
        rows = np.flatnonzero(self.l2_root == np.uint64(root))
        return rows if root not in self.history.retired else rows[:0]

    def members(self, l2_rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the positions of the supervoxels of current L2 nodes, ascending."""
        chosen = np.zeros(len(self.l2_ids), dtype=np.bool_)
        chosen[l2_rows] = True
        return np.flatnonzero(chosen[self.sv_l2])

    def edge_ends(self, rows: Rows) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the positions of the two ends of edges."""
        n_base = len(self.base.edge_a)
        a, b = np.empty(len(rows), np.int64), np.empty(len(rows), np.int64)
        fake = rows >= n_base
        a[~fake], b[~fake] = self.base.edge_a[rows[~fake]], self.base.edge_b[rows[~fake]]
        a[fake], b[fake] = self.fake_a[rows[fake] - n_base], self.fake_b[rows[fake] - n_base]
        return a, b

    def edge_affinities(self, rows: Rows) -> NDArray[np.float32]:
        """Return the affinity of edges, shape (n,)."""
        out = np.full(len(rows), FAKE_AFFINITY, dtype=np.float32)
        real = rows < len(self.base.edge_a)
        out[real] = self.base.edge_affinity[rows[real]]
        return out

    @property
    def fake_rows(self) -> Rows:
        """Rows of the fake edges that edits added."""
        return np.arange(len(self.base.edge_a), len(self.edge_active), dtype=np.int64)

    def with_fakes(self, fakes: Ids) -> GraphState:
        """Return the state with more fake edges, not active yet; ``fakes`` is (k, 2) ids."""
        if not len(fakes):
            return self
        return replace(
            self,
            fake_a=np.append(self.fake_a, self.base.positions(fakes[:, 0])).astype(np.int32),
            fake_b=np.append(self.fake_b, self.base.positions(fakes[:, 1])).astype(np.int32),
            edge_active=np.append(self.edge_active, np.zeros(len(fakes), dtype=np.bool_)),
        )

    def switched(self, on: Rows, off: Rows) -> GraphState:
        """Return the state with edges activated and deactivated, its nodes unchanged."""
        active = self.edge_active.copy()
        active[on], active[off] = True, False
        return replace(self, edge_active=active)

    def advance(self, records: Sequence[EditRecord]) -> GraphState:
        """Return the state after more edits, in their order."""
        if not records:
            return self
        draft = _Draft(self, records)
        for record in records:
            draft.apply(record)
        return draft.state()


class _Draft:
    """Private copies that many edits are written into before they become a state.

    Copying once for a batch, not once for each edit, is what makes a long log quick to
    replay.
    """

    def __init__(self, start: GraphState, records: Sequence[EditRecord]) -> None:
        n_new = sum(len(record.new_l2) for record in records)
        fakes = np.concatenate([record.fakes for record in records])
        edges = start.with_fakes(fakes)
        self._start = edges
        self._active = edges.edge_active.copy()
        self._sv_l2 = start.sv_l2.copy()
        self._l2_ids = np.append(start.l2_ids, np.zeros(n_new, dtype=np.uint64))
        self._l2_root = np.append(start.l2_root, np.zeros(n_new, dtype=np.uint64))
        self._rows = dict(start.new_l2_rows)
        self._next_row = len(start.l2_ids)
        self._n_roots = start.n_roots
        self._last = (start.last_operation, start.last_ms)
        past = start.history
        self._history = History(
            dict(past.born), dict(past.retired), dict(past.successors), dict(past.predecessors)
        )

    def apply(self, record: EditRecord) -> None:
        self._active[record.on], self._active[record.off] = True, False
        for node, supervoxels in record.new_l2:
            self._l2_ids[self._next_row] = node
            self._sv_l2[self._start.base.positions(supervoxels)] = self._next_row
            self._rows[node] = self._next_row
            self._next_row += 1
        for root, children in record.new_roots:
            self._l2_root[_rows_of(self._start.base.l2_ids, self._rows, children)] = root
        self._n_roots += len(record.new_roots)
        self._last = (record.operation_id, record.ms)
        self._remember(record)

    def _remember(self, record: EditRecord) -> None:
        past = self._history
        for node, _ in (*record.new_l2, *record.new_roots):
            past.born[node] = (record.ms, record.operation_id)
        for old, new in record.links:
            past.retired[old] = record.ms
            past.successors[old] = (*past.successors.get(old, ()), new)
            past.predecessors[new] = (*past.predecessors.get(new, ()), old)

    def state(self) -> GraphState:
        return replace(
            self._start,
            sv_l2=self._sv_l2,
            l2_ids=self._l2_ids,
            l2_root=self._l2_root,
            edge_active=self._active,
            new_l2_rows=self._rows,
            n_roots=self._n_roots,
            last_operation=self._last[0],
            last_ms=self._last[1],
            history=self._history,
        )


def _rows_of(base_ids: Ids, later: Mapping[int, int], ids: Ids) -> NDArray[np.int64]:
    """Return the row of each L2 id, -1 where there is none."""
    rows = np.full(len(ids), -1, dtype=np.int64)
    if base_ids.size:
        found = np.minimum(np.searchsorted(base_ids, ids), base_ids.size - 1)
        rows = np.where(base_ids[found] == ids, found, -1)
    if later:
        for k in np.flatnonzero(rows < 0):
            rows[k] = later.get(int(ids[k]), -1)
    return rows
