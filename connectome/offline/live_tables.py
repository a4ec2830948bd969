"""Annotation tables with the supervoxel and root under each bound point, as of a time."""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from connectome.graph import Ids
from connectome.offline.annotations import AnnotationStore, FlatRow, Kind, TableMetadata
from connectome.offline.engine import GraphEngine
from connectome.offline.lookup import SupervoxelReader
from connectome.offline.queries import ColumnType, Frame

__all__ = ["LiveTables"]

_TYPES: Mapping[Kind, ColumnType] = {
    Kind.TEXT: ColumnType.TEXT,
    Kind.WHOLE: ColumnType.WHOLE,
    Kind.NUMBER: ColumnType.NUMBER,
    Kind.FLAG: ColumnType.FLAG,
    Kind.IDENTIFIER: ColumnType.WHOLE,
}
_OWN: Mapping[str, ColumnType] = {
    "id": ColumnType.WHOLE,
    "created": ColumnType.TIME,
    "superceded_id": ColumnType.WHOLE,
    "valid": ColumnType.FLAG,
}
_MOST_KNOWN = 200_000
Voxel = tuple[int, int, int]


class LiveTables:
    """The tables of a datastack joined with its graph; may be used from any thread.

    Parameters
    ----------
    engine : GraphEngine
        The graph.
    annotations : AnnotationStore
        The tables.
    """

    def __init__(self, engine: GraphEngine, annotations: AnnotationStore) -> None:
        self._engine, self._annotations = engine, annotations
        self._reader = SupervoxelReader(engine.folder.supervoxels, engine.folder.scale)
        self._known: dict[Voxel, int] = {}
        self._lock = threading.Lock()

    def frame(self, table: str, *, at: datetime | None, roots_at: datetime | None) -> Frame:
        """Return a table.

        Parameters
        ----------
        table : str
            Its name.
        at : datetime, optional
            Rows as they were at this time; as they are now if None.
        roots_at : datetime, optional
            Roots as of this time; as of now if None.

        Raises
        ------
        AnnotationError
            If there is no such table, or was none at the time.
        """
        known = self._annotations.metadata(table, at)
        rows = self._annotations.rows(table, at=at)
        columns, flat = dict(_OWN), [_flat(known, row) for row in rows]
        positions = []
        for column in known.schema.columns:
            if column.kind is not Kind.POSITION:
                columns[column.name] = _TYPES[column.kind]
        for point in known.schema.bound_points:
            found = self._under(known, rows, f"{point}_position")
            seconds = None if roots_at is None else roots_at.timestamp()
            roots = self._engine.roots(found, seconds)
            for name, ids in (("supervoxel_id", found), ("root_id", roots)):
                columns[f"{point}_{name}"] = ColumnType.WHOLE
                for values, value in zip(flat, ids.tolist(), strict=True):
                    values[f"{point}_{name}"] = value
        for column in known.schema.columns:
            if column.kind is Kind.POSITION:
                positions.append(column.name)
                columns |= {f"{column.name}_{axis}": ColumnType.NUMBER for axis in "xyz"}
        return Frame(table, columns, flat, tuple(positions), known.voxel_resolution)

    def _under(self, table: TableMetadata, rows: list[FlatRow], position: str) -> Ids:
        """Return the supervoxel at each row's position, 0 where there is none."""
        unit = np.asarray(table.voxel_resolution)
        voxel_nm = np.asarray(self._engine.folder.manifest.resolution_nm)
        places = [row[position] or (math.nan,) * 3 for row in rows]
        voxels = np.floor(np.asarray(places, dtype=np.float64).reshape(-1, 3) * unit / voxel_nm)
        inside = ((voxels >= 0) & (voxels < self._engine.layout.shape)).all(axis=1)
        out = np.zeros(len(rows), dtype=np.uint64)
        out[inside] = self._supervoxels(voxels[inside].astype(np.int64))
        return out

    def _supervoxels(self, voxels: NDArray[np.int64]) -> Ids:
        """Return the supervoxels of voxels (n, 3) as (x, y, z); each is read once."""
        keys = [(x, y, z) for x, y, z in voxels.tolist()]
        with self._lock:
            known = {key: self._known[key] for key in keys if key in self._known}
        missing = sorted({key for key in keys if key not in known})
        fresh = self._read(missing)
        with self._lock:
            if len(self._known) + len(fresh) > _MOST_KNOWN:
                self._known.clear()
            self._known |= fresh
        known |= fresh
        return np.asarray([known[key] for key in keys], dtype=np.uint64)

    def _read(self, voxels: list[Voxel]) -> dict[Voxel, int]:
        size = np.asarray(self._engine.layout.chunk_size)
        groups: dict[Voxel, list[Voxel]] = {}
        for voxel in voxels:
            x, y, z = (np.asarray(voxel) // size).tolist()
            groups.setdefault((x, y, z), []).append(voxel)
        found: dict[Voxel, int] = {}
        for chunk, inside in groups.items():
            x0, x1, y0, y1, z0, z1 = self._engine.layout.chunk_bounds(chunk)
            block = self._reader.read((x0, y0, z0), (x1, y1, z1))
            found |= {(x, y, z): int(block[z - z0, y - y0, x - x0]) for x, y, z in inside}
        return found


def _flat(table: TableMetadata, row: FlatRow) -> dict[str, Any]:
    """Return a row with each position as three values."""
    out = {name: row[name] for name in _OWN}
    for column in table.schema.columns:
        value = row[column.name]
        if column.kind is Kind.POSITION:
            parts = value or (None, None, None)
            out |= {f"{column.name}_{a}": part for a, part in zip("xyz", parts, strict=True)}
        elif column.kind in (Kind.IDENTIFIER, Kind.WHOLE) and value is not None:
            # JavaScript writes ids as text.
            out[column.name] = int(value)
        else:
            out[column.name] = value
    return out
