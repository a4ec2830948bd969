"""A large graph without voxels: supervoxels on a lattice, objects that are columns of them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from connectome.offline.base import BaseGraph
from connectome.offline.ids import ChunkLayout
from connectome.offline.layout import DatastackFolder, Manifest
from connectome.offline.store import EditStore

__all__ = ["Lattice", "write_lattice"]

VOXEL_NM = 10.0
_CHUNK = 60
_PER_CHUNK = 10
_WIDTH = 2
_COLUMNS = _PER_CHUNK // _WIDTH


@dataclass(frozen=True, eq=False)
class Lattice:
    """A datastack with ``side`` supervoxels along each axis.

    A chunk holds 10 x 10 x 10 of them, and an object is a column of 2 x 2 along z.
    """

    folder: DatastackFolder
    base: BaseGraph
    side: int

    def id_at(self, i: int, j: int, k: int) -> int:
        """Return the supervoxel in a place of the lattice."""
        return int(_ids(self.base.layout, np.asarray([[i, j, k]]))[0])

    def center_nm(self, i: int, j: int, k: int) -> tuple[float, float, float]:
        """Return its centre."""
        step = _CHUNK / _PER_CHUNK * VOXEL_NM
        return ((i + 0.5) * step, (j + 0.5) * step, (k + 0.5) * step)


def write_lattice(out: Path, side: int = 100, seed: int = 0) -> Lattice:
    """Write a finished datastack of ``side ** 3`` supervoxels and three times as many edges.

    Parameters
    ----------
    out : Path
        The folder, which is made.
    side : int
        A multiple of 10.
    seed : int
        Of the affinities.
    """
    shape = side // _PER_CHUNK * _CHUNK
    layout = ChunkLayout((_CHUNK, _CHUNK, _CHUNK), (shape, shape, shape))
    places = np.indices((side, side, side)).reshape(3, -1).T
    ids = _ids(layout, places)
    order = np.argsort(ids)
    places, ids = places[order], ids[order]
    position = np.empty((side, side, side), dtype=np.int32)
    position[tuple(places.T)] = np.arange(len(ids))
    column = _column(places, side)
    a, b = _edges(position)
    l2_key = places // _PER_CHUNK @ [(side // _PER_CHUNK) ** 2, side // _PER_CHUNK, 1]
    sv_l2 = l2_key * _COLUMNS**2 + _local_column(places)
    first = np.unique(sv_l2, return_index=True)[1]
    roots = layout.pack(layout.n_layers, np.zeros(3), np.arange(1, int(column.max()) + 2))
    base = BaseGraph(
        layout=layout,
        created_ms=time.time_ns() // 1_000_000,
        sv_ids=ids,
        sv_sizes=np.full(len(ids), (_CHUNK // _PER_CHUNK) ** 3, dtype=np.int64),
        sv_centers_nm=((places + 0.5) * (_CHUNK / _PER_CHUNK * VOXEL_NM)).astype(np.float32),
        sv_l2=sv_l2.astype(np.int32),
        l2_ids=layout.pack(2, places[first] // _PER_CHUNK, _local_column(places[first]) + 1),
        l2_root=roots[column[first]],
        root_labels=np.arange(1, len(roots) + 1, dtype=np.uint64),
        edge_a=a,
        edge_b=b,
        edge_affinity=np.random.default_rng(seed).uniform(0.01, 1, len(a)).astype(np.float32),
        edge_area_nm2=np.full(len(a), (_CHUNK / _PER_CHUNK * VOXEL_NM) ** 2, dtype=np.float32),
        edge_active=column[a] == column[b],
    )
    return Lattice(_write(out, base), base, side)


def _ids(layout: ChunkLayout, places: NDArray[np.int64]) -> NDArray[np.uint64]:
    number = places % _PER_CHUNK @ [_PER_CHUNK**2, _PER_CHUNK, 1] + 1
    return layout.pack(1, places // _PER_CHUNK, number)


def _column(places: NDArray[np.int64], side: int) -> NDArray[np.int64]:
    """Return the number of each supervoxel's object, from 0."""
    across = places[:, :2] // _WIDTH
    return np.asarray(across[:, 0] * (side // _WIDTH) + across[:, 1], dtype=np.int64)


def _local_column(places: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the number of each supervoxel's object in its chunk, from 0."""
    across = places[:, :2] % _PER_CHUNK // _WIDTH
    return np.asarray(across[:, 0] * _COLUMNS + across[:, 1], dtype=np.int64)


def _edges(position: NDArray[np.int32]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return the ends of all edges, sorted."""
    low = np.concatenate([np.moveaxis(position, k, 0)[:-1].ravel() for k in range(3)])
    high = np.concatenate([np.moveaxis(position, k, 0)[1:].ravel() for k in range(3)])
    a, b = np.minimum(low, high), np.maximum(low, high)
    order = np.lexsort((b, a))
    return a[order], b[order]


def _write(out: Path, base: BaseGraph) -> DatastackFolder:
    folder = DatastackFolder(out)
    manifest = Manifest(
        name="offline_lattice",
        resolution_nm=(VOXEL_NM, VOXEL_NM, VOXEL_NM),
        shape=base.layout.shape,
        chunk_size=base.layout.chunk_size,
        has_groundtruth=False,
        has_em=False,
        fingerprint="lattice",
        created_ms=base.created_ms,
        n_supervoxels=len(base.sv_ids),
        n_roots=len(base.root_labels),
        n_edges=len(base.edge_a),
    )
    folder.write_manifest(manifest, complete=True)
    base.save(folder.base_graph)
    EditStore.create(folder.graph_db)
    return DatastackFolder.open(out)
