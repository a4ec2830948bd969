"""The graph as it was ingested: arrays that never change, read through memory maps.

Supervoxels are numbered 0 to n - 1 in the order of their ids, which sorts them by
chunk; edges are sorted by the position of their first supervoxel, so that the edges of
a chunk lie together. Everything that happened since lies in ``graph.sqlite``.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from connectome.errors import DatastackError
from connectome.graph import Ids
from connectome.offline.ids import ChunkLayout

__all__ = ["FAKE_AFFINITY", "BaseGraph", "Positions", "Rows"]

Positions = NDArray[np.int32]
"""Positions of supervoxels in `BaseGraph.sv_ids`."""

Rows = NDArray[np.int64]
"""Row numbers of edges: base edges first, then the fake edges of later edits."""

FAKE_AFFINITY = float(np.finfo(np.float32).tiny)
"""Affinity of an edge between supervoxels that do not touch: cut before any other."""


@dataclass(frozen=True, eq=False)
class BaseGraph:
    """Supervoxels, L2 nodes, roots and edges at ingest.

    Parameters
    ----------
    layout : ChunkLayout
        How ids are packed.
    created_ms : int
        When the graph came to be, UTC in milliseconds.
    sv_ids : ndarray, shape (n,), uint64
        Supervoxel ids, ascending.
    sv_sizes : ndarray, shape (n,), int64
        Voxels of each supervoxel.
    sv_centers_nm : ndarray, shape (n, 3), float32
        Centre of mass (x, y, z) of each supervoxel in nm.
    sv_l2 : ndarray, shape (n,), int32
        Row of the L2 node of each supervoxel.
    l2_ids : ndarray, shape (m,), uint64
        L2 ids, ascending.
    l2_root : ndarray, shape (m,), uint64
        Root of each L2 node.
    root_labels : ndarray, shape (r,), uint64
        Segment of the ingested segmentation that root number i + 1 stands for.
    edge_a, edge_b : ndarray, shape (e,), int32
        Positions of the two supervoxels of an edge, a < b, ascending in (a, b).
    edge_affinity : ndarray, shape (e,), float32
        0 to 1 from the brightness of the contact; infinite where ingest itself cut one
        supervoxel at a chunk border; `FAKE_AFFINITY` where the two do not touch.
    edge_area_nm2 : ndarray, shape (e,), float32
        Area of the contact.
    edge_active : ndarray, shape (e,), bool
        Whether the edge joined the two into one object.
    """

    layout: ChunkLayout
    created_ms: int
    sv_ids: Ids
    sv_sizes: NDArray[np.int64]
    sv_centers_nm: NDArray[np.float32]
    sv_l2: Positions
    l2_ids: Ids
    l2_root: Ids
    root_labels: Ids
    edge_a: Positions
    edge_b: Positions
    edge_affinity: NDArray[np.float32]
    edge_area_nm2: NDArray[np.float32]
    edge_active: NDArray[np.bool_]

    @classmethod
    def array_names(cls) -> tuple[str, ...]:
        """Names of the arrays, each one file."""
        return tuple(f.name for f in fields(cls) if f.name not in ("layout", "created_ms"))

    def save(self, folder: Path) -> None:
        """Write every array as ``NAME.npy``."""
        folder.mkdir(parents=True, exist_ok=True)
        for name in self.array_names():
            np.save(folder / f"{name}.npy", getattr(self, name))

    @classmethod
    def load(cls, folder: Path, layout: ChunkLayout, created_ms: int) -> BaseGraph:
        """Map the arrays that `save` wrote.

        Raises
        ------
        DatastackError
            If a file is missing or damaged.
        """
        try:
            arrays: dict[str, Any] = {
                name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in cls.array_names()
            }
        except (OSError, ValueError) as error:
            raise DatastackError(
                f"The graph in {folder} is damaged: {error}.",
                "Remove the datastack and run the ingest command again.",
            ) from error
        # A subclass of ndarray costs time in every operation; a view has none of it.
        plain: dict[str, Any] = {k: v.view(np.ndarray) for k, v in arrays.items()}
        return cls(layout=layout, created_ms=created_ms, **plain)

    @cached_property
    def sv_chunk_keys(self) -> Ids:
        """For each supervoxel a number that is equal within a chunk, shape (n,)."""
        return self.layout.chunk_key(self.sv_ids, 1)

    @cached_property
    def cross_rows(self) -> Rows:
        """Rows of the edges whose ends lie in different chunks."""
        key = self.sv_chunk_keys
        return np.flatnonzero(key[self.edge_a] != key[self.edge_b]).astype(np.int64)

    @cached_property
    def _chunk_starts(self) -> NDArray[np.int64]:
        """Position of the first supervoxel of each chunk, in the order of ids, and the end."""
        corners = np.indices(self.layout.grid).reshape(3, -1).T
        keys = self.layout.pack(1, corners, np.zeros(len(corners)))
        return np.append(np.searchsorted(self.sv_ids, keys), len(self.sv_ids)).astype(np.int64)

    @cached_property
    def _edge_starts(self) -> NDArray[np.int64]:
        """Row of the first edge of each chunk, in the order of ids, and the end."""
        # The same type on both sides: else every search would convert all edges.
        starts = self._chunk_starts.astype(self.edge_a.dtype)
        return np.searchsorted(self.edge_a, starts).astype(np.int64)

    def _chunk_index(self, chunk: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the place of chunks (n, 3) in the order of ids, -1 outside the volume."""
        _, ny, nz = self.layout.grid
        linear = (chunk[:, 0] * ny + chunk[:, 1]) * nz + chunk[:, 2]
        return np.where((chunk < self.layout.grid).all(axis=1), linear, -1)

    def positions(self, supervoxels: Ids) -> NDArray[np.int64]:
        """Return the position of each supervoxel, -1 where there is none, shape (n,).

        Ingest numbers the supervoxels of a chunk 1, 2, 3 and so on, so the id itself says
        where to look; that is several times faster than a search among a million.
        """
        if self.sv_ids.size == 0:
            return np.full(len(supervoxels), -1, dtype=np.int64)
        chunk = self.layout.chunk_of(supervoxels, 1)
        number = self.layout.segment_of(supervoxels, 1).astype(np.int64)
        start = self._chunk_starts[self._chunk_index(chunk)]
        found = np.clip(start + number - 1, 0, self.sv_ids.size - 1)
        return np.where(self.sv_ids[found] == supervoxels, found, -1)

    def rows_from_chunks(self, chunks: NDArray[np.int64]) -> Rows:
        """Return the rows of the base edges whose first supervoxel lies in these chunks (n, 3)."""
        place = self._chunk_index(chunks)
        first, end = self._edge_starts[place], self._edge_starts[place + 1]
        n = end - first
        # Row numbers of all the runs first..end, one after another.
        shift = np.repeat(first - (np.cumsum(n) - n), n)
        return np.asarray(shift + np.arange(int(n.sum())), dtype=np.int64)
