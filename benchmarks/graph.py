"""Speed of cuts: previews on one large object whose local graph has 28,000 edges."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.lattice import Lattice, write_lattice
from benchmarks.measured import Measured
from connectome.graph import GraphPoint
from connectome.offline.base import BaseGraph
from connectome.offline.engine import GraphEngine

__all__ = ["cut_rows"]

_SIDE = 20
_EDGES = 28_000
_GOAL_S = 0.5


def cut_rows(repeats: int = 7, seed: int = 0) -> Iterator[Measured]:
    """Measure previews of cuts, with one point and with four points a side.

    Parameters
    ----------
    repeats : int
        Previews of each kind; the median counts.
    seed : int
        Of affinities and points.
    """
    with tempfile.TemporaryDirectory(prefix="proofdesk-bench-") as scratch:
        lattice = write_lattice(Path(scratch) / "datastack", _SIDE, seed)
        _one_object(lattice, seed).save(lattice.folder.base_graph)
        engine = GraphEngine.open(lattice.folder)
        try:
            for points in (1, 4):
                yield _preview_row(engine, lattice, points, repeats, seed)
        finally:
            engine.close()


def _preview_row(
    engine: GraphEngine, lattice: Lattice, points: int, repeats: int, seed: int
) -> Measured:
    rng = np.random.default_rng(seed)
    sides = [_points(lattice, rng, i, points) for i in (4, _SIDE - 5)]
    seconds = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        parts, _ = engine.preview_split(*sides)
        seconds.append(time.perf_counter() - start)
    median = statistics.median(seconds[1:])  # the first call imports scipy
    sizes = ", ".join(str(len(part)) for part in parts[:2])
    return Measured(
        f"preview of a cut, {points} points a side",
        round(median, 4),
        "s",
        f"< {_GOAL_S:g}",
        median < _GOAL_S,
        repeats,
        f"{_EDGES} local edges; parts of {sizes} supervoxels",
    )


def _points(lattice: Lattice, rng: np.random.Generator, i: int, n: int) -> list[GraphPoint]:
    places = [(i, int(j), int(k)) for j, k in rng.integers(4, _SIDE - 4, (n, 2))]
    return [GraphPoint(lattice.id_at(*place), lattice.center_nm(*place)) for place in places]


def _one_object(lattice: Lattice, seed: int) -> BaseGraph:
    """Return the lattice as one object: diagonals added, weak in the middle plane.

    Some edges between chunks are infinitely strong, as those of a supervoxel that chunks
    cut are.
    """
    base, rng = lattice.base, np.random.default_rng(seed + 1)
    chunk = base.layout.chunk_of(base.sv_ids, 1)
    more = rng.permutation(_diagonals(lattice))[: _EDGES - len(base.edge_a)]
    pairs = np.sort(np.concatenate([np.stack([base.edge_a, base.edge_b], axis=1), more]), axis=1)
    a, b = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))].T
    affinity = rng.uniform(0.01, 1, len(a)).astype(np.float32)
    affinity[chunk[a, 0] != chunk[b, 0]] *= 0.1
    cross = (chunk[a, 0] == chunk[b, 0]) & (chunk[a] != chunk[b]).any(axis=1)
    affinity[cross & (rng.random(len(a)) < 0.3)] = np.inf
    chunks, sv_l2 = np.unique(chunk, axis=0, return_inverse=True)
    root = base.layout.pack(base.layout.n_layers, np.zeros(3), 1)
    return replace(
        base,
        sv_l2=sv_l2.ravel().astype(np.int32),
        l2_ids=base.layout.pack(2, chunks, np.ones(len(chunks))),
        l2_root=np.full(len(chunks), root, dtype=np.uint64),
        root_labels=np.ones(1, dtype=np.uint64),
        edge_a=a.astype(np.int32),
        edge_b=b.astype(np.int32),
        edge_affinity=affinity,
        edge_area_nm2=np.ones(len(a), dtype=np.float32),
        edge_active=np.ones(len(a), dtype=np.bool_),
    )


def _diagonals(lattice: Lattice) -> np.ndarray[tuple[int, int], np.dtype[np.int32]]:
    """Return pairs of supervoxels that lie diagonally in a plane of the lattice."""
    base = lattice.base
    place = base.sv_centers_nm / lattice.center_nm(0, 0, 0)[0] // 2
    index = np.empty((_SIDE, _SIDE, _SIDE), dtype=np.int32)
    index[tuple(place.astype(np.int64).T)] = np.arange(len(base.sv_ids))
    return np.stack([index[:-1, :-1].ravel(), index[1:, 1:].ravel()], axis=1)
