"""The level-2 cache: attributes of every L2 node, measured once and kept.

Ingest measures the shapes of the nodes it made, which takes one pass over the voxels.
What needs a distance transform, and all about the nodes that edits make, is measured
when it is first asked for and kept in ``cache/l2.sqlite``. Nodes never change, so what
is kept stays right; the file may be deleted at any time.
"""

from __future__ import annotations

import json
import logging
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from connectome.graph import Ids
from connectome.offline.base import BaseGraph
from connectome.offline.engine import GraphEngine
from connectome.offline.ids import ChunkLayout, layer_of
from connectome.offline.l2_attributes import (
    Depths,
    Shapes,
    measure_depths,
    measure_shapes,
)
from connectome.offline.layout import DatastackFolder
from connectome.offline.lookup import SupervoxelReader

__all__ = ["ATTRIBUTES", "L2Store", "write_shapes"]

_LOG = logging.getLogger(__name__)

_SHAPES = {
    "size_nm3": "uint64",
    "area_nm2": "uint64",
    "chunk_intersect_count": "uint32",
    "pca": "float32",
    "pca_val": "float32",
}
_DEPTHS = {"rep_coord_nm": "float64", "max_dt_nm": "float32", "mean_dt_nm": "float32"}
ATTRIBUTES: dict[str, str] = {**_SHAPES, **_DEPTHS}
"""What can be asked for, and the type of its numbers."""

_KINDS = {"shape": frozenset(_SHAPES), "depth": frozenset(_DEPTHS)}
_COLUMNS = ("voxels", "area_nm2", "faces", "pca", "pca_val")
Chunk = tuple[int, int, int]
Record = NDArray[np.float64]
"""What is kept of one node: 20 numbers of its shape, or 5 of its depth."""


class L2Store:
    """The attributes of one datastack; may be used from any thread.

    Parameters
    ----------
    engine : GraphEngine
        The graph.
    """

    def __init__(self, engine: GraphEngine) -> None:
        folder = engine.folder
        self._engine = engine
        self._voxel_nm = folder.manifest.resolution_nm
        self._reader = SupervoxelReader(folder.supervoxels, folder.scale)
        self._ingested = _load_shapes(folder)
        self._kept = _Kept(folder.path / "cache" / "l2.sqlite")
        self._measuring = threading.Lock()

    def attributes(
        self, ids: Ids, names: Sequence[str] = tuple(ATTRIBUTES)
    ) -> dict[int, dict[str, object]]:
        """Return the attributes of nodes, measured where that was not done yet.

        Parameters
        ----------
        ids : ndarray, shape (n,)
            L2 ids, current or replaced.
        names : sequence of str
            Keys of `ATTRIBUTES`.

        Returns
        -------
        dict
            For each id its attributes as JSON values, nothing for what is no L2 node.
        """
        ids = np.asarray(ids, dtype=np.uint64)
        nodes = np.unique(ids[(layer_of(ids) == 2) & self._engine.exist(ids)]).tolist()
        found: dict[int, dict[str, object]] = {int(i): {} for i in ids}
        for kind in ("shape", "depth"):
            wanted = [name for name in names if name in _KINDS[kind]]
            for node, record in self._records(kind, nodes).items() if wanted else ():
                values = self._values(kind, node, record)
                found[node].update((name, values[name]) for name in wanted)
        return found

    def close(self) -> None:
        """Close the file."""
        self._kept.close()

    def _records(self, kind: str, nodes: list[int]) -> dict[int, Record]:
        known = self._known(kind, nodes)
        if len(known) == len(nodes):
            return known
        # One measures; whoever waited for him finds what he kept.
        with self._measuring:
            known |= self._known(kind, [node for node in nodes if node not in known])
            fresh = self._measured(kind, [node for node in nodes if node not in known])
            self._kept.add(kind, fresh)
        return known | {node: fresh[node] for node in nodes if node in fresh}

    def _known(self, kind: str, nodes: list[int]) -> dict[int, Record]:
        base = self._engine.state.base.l2_ids
        known: dict[int, Record] = {}
        if kind == "shape" and self._ingested is not None:
            rows = np.searchsorted(base, np.asarray(nodes, dtype=np.uint64))
            for node, row in zip(nodes, rows.tolist(), strict=True):
                if row < len(base) and int(base[row]) == node:
                    known[node] = _shape_record(self._ingested, row)
        return known | self._kept.find(kind, [n for n in nodes if n not in known])

    def _measured(self, kind: str, nodes: list[int]) -> dict[int, Record]:
        """Measure these nodes and, with an ingested one, all the ingested ones of its chunk."""
        fresh: dict[int, Record] = {}
        for chunk, inside in _by_chunk(self._engine.layout, nodes):
            x0, x1, y0, y1, z0, z1 = self._engine.layout.chunk_bounds(chunk)
            block = self._reader.read((x0, y0, z0), (x1, y1, z1))
            number = self._engine.layout.segment_of(block, 1).astype(np.int64)
            for owners, table in self._partitions(chunk, inside):
                labels = table[np.minimum(number, len(table) - 1)]
                fresh |= _measure(kind, labels, owners, self._voxel_nm)
        return fresh

    def _partitions(
        self, chunk: Chunk, nodes: list[int]
    ) -> Iterator[tuple[list[int], NDArray[np.uint32]]]:
        """Yield L2 nodes that do not overlap, with the label of each supervoxel's number."""
        base, layout = self._engine.state.base, self._engine.layout
        owners, table = _ingested_partition(base, chunk)
        known = set(owners)
        if known.intersection(nodes):
            yield owners, table
        for node in nodes:
            if node not in known:
                own = np.zeros_like(table)
                own[layout.segment_of(self._engine.leaves(node), 1).astype(np.int64)] = 1
                yield [node], own

    def _values(self, kind: str, node: int, record: Record) -> dict[str, object]:
        sx, sy, sz = self._voxel_nm
        if kind == "shape":
            return {
                "size_nm3": round(float(record[0]) * sx * sy * sz),
                "area_nm2": round(float(record[1])),
                "chunk_intersect_count": record[2:8].astype(np.int64).reshape(2, 3).tolist(),
                "pca": record[8:17].reshape(3, 3).tolist(),
                "pca_val": record[17:20].tolist(),
            }
        layout = self._engine.layout
        corner = layout.chunk_of(node, 2) * np.asarray(layout.chunk_size)
        rep = (corner + record[2:5] + 0.5) * np.asarray(self._voxel_nm)
        return {
            "max_dt_nm": float(record[0]),
            "mean_dt_nm": float(record[1]),
            "rep_coord_nm": rep.tolist(),
        }


class _Kept:
    """Records in SQLite. Losing it costs time, so trouble with it is no failure."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._connection = _open(path)
        except sqlite3.DatabaseError:
            _LOG.info("the cache %s is damaged and made afresh", path)
            path.unlink(missing_ok=True)
            self._connection = _open(path)

    def find(self, kind: str, nodes: list[int]) -> dict[int, Record]:
        with self._lock:
            rows = self._connection.execute(
                "SELECT id, record FROM node"
                " WHERE kind=? AND id IN (SELECT value FROM json_each(?))",
                (kind, json.dumps(nodes)),
            ).fetchall()
        return {node: np.frombuffer(record, dtype="<f8") for node, record in rows}

    def add(self, kind: str, records: dict[int, Record]) -> None:
        rows = [(node, kind, r.astype("<f8").tobytes()) for node, r in records.items()]
        try:
            with self._lock, self._connection:
                self._connection.executemany("INSERT OR REPLACE INTO node VALUES (?,?,?)", rows)
        except sqlite3.Error as error:
            _LOG.info("attributes of %d nodes could not be kept: %s", len(rows), error)

    def close(self) -> None:
        with self._lock:
            self._connection.close()


def write_shapes(folder: DatastackFolder, base: BaseGraph, numbers: NDArray[np.uint32]) -> None:
    """Measure the shapes of every ingested L2 node and save them beside the graph.

    Parameters
    ----------
    folder : DatastackFolder
        Where they go.
    base : BaseGraph
        The ingested graph.
    numbers : ndarray, shape (z, y, x), uint32
        Position in the graph's supervoxels plus 1, 0 for background.
    """
    layout, voxel_nm = base.layout, folder.manifest.resolution_nm
    row_of = np.append(0, base.sv_l2 + 1).astype(np.uint32)
    parts: list[Shapes] = []
    # Chunks in the order of their ids, so that the parts follow the order of the L2 ids.
    for chunk in np.ndindex(*layout.grid):
        first, last = _rows_of_chunk(base.l2_ids, layout, chunk, 2)
        x0, x1, y0, y1, z0, z1 = layout.chunk_bounds((chunk[0], chunk[1], chunk[2]))
        labels = row_of[numbers[z0:z1, y0:y1, x0:x1]]
        labels = np.where(labels != 0, labels - np.uint32(first), np.uint32(0))
        if last > first:
            parts.append(measure_shapes(labels, last - first, voxel_nm))
    out = _shapes_folder(folder)
    out.mkdir(parents=True, exist_ok=True)
    for name in _COLUMNS:
        values = [getattr(part, name) for part in parts]
        np.save(out / f"{name}.npy", np.concatenate(values) if values else np.zeros(0))


def _shapes_folder(folder: DatastackFolder) -> Path:
    return folder.base_graph / "l2"


def _load_shapes(folder: DatastackFolder) -> Shapes | None:
    """Return what `write_shapes` wrote; None for a datastack made before it existed."""
    try:
        arrays = {
            name: np.load(_shapes_folder(folder) / f"{name}.npy", mmap_mode="r")
            for name in _COLUMNS
        }
    except (OSError, ValueError):
        return None
    return Shapes(**arrays)


def _measure(
    kind: str, labels: NDArray[np.uint32], owners: list[int], voxel_nm: tuple[float, float, float]
) -> dict[int, Record]:
    if kind == "shape":
        shapes = measure_shapes(labels, len(owners), voxel_nm)
        return {node: _shape_record(shapes, k) for k, node in enumerate(owners)}
    depths = measure_depths(labels, len(owners), voxel_nm)
    return {node: _depth_record(depths, k) for k, node in enumerate(owners)}


def _shape_record(shapes: Shapes, row: int) -> Record:
    values = [getattr(shapes, name)[row] for name in _COLUMNS]
    return np.concatenate([np.ravel(value) for value in values]).astype(np.float64)


def _depth_record(depths: Depths, row: int) -> Record:
    two = [depths.max_dt_nm[row], depths.mean_dt_nm[row]]
    return np.append(two, depths.rep_voxel[row]).astype(np.float64)


def _ingested_partition(base: BaseGraph, chunk: Chunk) -> tuple[list[int], NDArray[np.uint32]]:
    """Return a chunk's ingested L2 ids and the label of each supervoxel's number, 0 first."""
    layout = base.layout
    low, high = _rows_of_chunk(base.sv_ids, layout, chunk, 1)
    first, last = _rows_of_chunk(base.l2_ids, layout, chunk, 2)
    number = layout.segment_of(base.sv_ids[low:high], 1).astype(np.int64)
    # The last entry is for numbers that the graph does not know; it stays 0.
    table = np.zeros(int(number.max(initial=0)) + 2, dtype=np.uint32)
    table[number] = base.sv_l2[low:high] - first + 1
    return base.l2_ids[first:last].tolist(), table


def _rows_of_chunk(
    ids: Ids, layout: ChunkLayout, chunk: Sequence[int], layer: int
) -> tuple[int, int]:
    """Return the first and past-the-end row of a chunk in ascending ids of one layer."""
    low = layout.pack(layer, chunk, 0)
    high = low + np.uint64(2 ** layout.segment_bits(layer))
    first, last = np.searchsorted(ids, np.asarray([low, high], dtype=np.uint64)).tolist()
    return first, last


def _by_chunk(layout: ChunkLayout, nodes: Iterable[int]) -> Iterator[tuple[Chunk, list[int]]]:
    groups: dict[Chunk, list[int]] = {}
    for node in nodes:
        x, y, z = layout.chunk_of(node, 2).tolist()
        groups.setdefault((x, y, z), []).append(node)
    yield from groups.items()


def _open(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=5, check_same_thread=False)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute(
        "CREATE TABLE IF NOT EXISTS node("
        "id INTEGER, kind TEXT, record BLOB NOT NULL, PRIMARY KEY(id, kind)) WITHOUT ROWID"
    )
    return connection
