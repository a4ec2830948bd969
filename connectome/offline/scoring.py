"""How far the current roots are from the ground truth.

Variation of information follows Meilă (Comparing clusterings, 2003), in nats, split into
its two conditional entropies as usual for connectomics: H(roots | truth) grows when one
body is cut into several roots (split errors) and H(truth | roots) when one root holds
several bodies (merge errors).
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from connectome.errors import InputError
from connectome.graph import Ids
from connectome.offline.engine import GraphEngine
from connectome.offline.layout import DatastackFolder

__all__ = ["OVERLAP_VOXELS", "Score", "overlap_table", "score", "score_table"]

OVERLAP_VOXELS = 1000
"""A root and a body overlap, for the counts of errors, from this many core voxels.

Core voxels are those of a body that is eroded by two voxels (through faces), so that
borders drawn a little differently are no errors.
"""

_EROSION = 2


@dataclass(frozen=True)
class Score:
    """Variation of information in nats and counts of errors.

    Parameters
    ----------
    vi : float
        ``vi_split + vi_merge``.
    vi_split : float
        H(roots | truth).
    vi_merge : float
        H(truth | roots).
    split_errors : int
        Over all bodies, the roots beyond the first that overlap the body.
    merge_errors : int
        Over all roots, the bodies beyond the first that overlap the root.
    voxels : int
        Voxels that were counted: truth neither 0 nor ignored.
    """

    vi: float
    vi_split: float
    vi_merge: float
    split_errors: int
    merge_errors: int
    voxels: int


def score(
    folder: DatastackFolder,
    *,
    ignore: Collection[int] = (),
    timestamp: float | None = None,
    engine: GraphEngine | None = None,
) -> Score:
    """Compare the current roots of a datastack with its ground truth.

    Parameters
    ----------
    folder : DatastackFolder
        A datastack with ground truth.
    ignore : collection of int
        Bodies to leave out, beside 0.
    timestamp : float, optional
        Score the roots as of this time, seconds UTC.
    engine : GraphEngine, optional
        An open graph of the folder, to save opening another.

    Raises
    ------
    InputError
        If the datastack has no ground truth.
    """
    return score_table(*overlap_table(folder, timestamp=timestamp, engine=engine), ignore=ignore)


def overlap_table(
    folder: DatastackFolder,
    *,
    timestamp: float | None = None,
    engine: GraphEngine | None = None,
) -> tuple[Ids, Ids, NDArray[np.int64], NDArray[np.int64]]:
    """Return root, body, voxels and core voxels of every pair that occurs, each (n,).

    Parameters are those of `score`, and so is what is raised; body 0 is unknown truth.
    """
    if not folder.manifest.has_groundtruth:
        raise InputError(
            f"The datastack {folder.name} has no ground truth to score against.",
            "Ingest it with --groundtruth.",
        )
    graph = engine or GraphEngine.open(folder, read_only=True)
    try:
        return _overlaps(folder, graph, timestamp)
    finally:
        if engine is None:
            graph.close()


def score_table(
    roots: Ids,
    truth: Ids,
    counts: NDArray[np.int64],
    core: NDArray[np.int64],
    *,
    ignore: Collection[int] = (),
    overlap: int = OVERLAP_VOXELS,
) -> Score:
    """Score a table of overlaps.

    Parameters
    ----------
    roots, truth : ndarray, shape (n,), uint64
        Root and body of each pair that occurs, each pair once.
    counts : ndarray, shape (n,), int64
        Voxels of the pair, for the entropies.
    core : ndarray, shape (n,), int64
        Core voxels of the pair, for the counts of errors.
    ignore : collection of int
        Bodies to leave out, beside 0.
    overlap : int
        Core voxels from which a pair counts as overlapping.

    Notes
    -----
    Unassigned voxels (root 0) count as one more segment in the entropies, which keeps
    them from vanishing from the score, but never as a split or merge error.
    """
    left_out = np.asarray([0, *ignore], dtype=np.uint64)
    kept = ~np.isin(truth, left_out)
    roots, truth, counts, core = roots[kept], truth[kept], counts[kept], core[kept]
    total = int(counts.sum())
    if total == 0:
        return Score(0.0, 0.0, 0.0, 0, 0, 0)
    joint = _entropy(counts, total)
    split = max(0.0, joint - _entropy(_sums(truth, counts), total))
    merge = max(0.0, joint - _entropy(_sums(roots, counts), total))
    large = (core >= overlap) & (roots != 0)
    n_pairs = int(large.sum())
    return Score(
        vi=split + merge,
        vi_split=split,
        vi_merge=merge,
        split_errors=n_pairs - len(np.unique(truth[large])),
        merge_errors=n_pairs - len(np.unique(roots[large])),
        voxels=total,
    )


def _entropy(counts: NDArray[np.int64], total: int) -> float:
    p = counts / total
    return float(-(p * np.log(p)).sum())


def _sums(keys: Ids, counts: NDArray[np.int64]) -> NDArray[np.int64]:
    _, slot = np.unique(keys, return_inverse=True)
    return np.asarray(np.bincount(slot, counts), dtype=np.int64)


def _overlaps(
    folder: DatastackFolder, graph: GraphEngine, timestamp: float | None
) -> tuple[Ids, Ids, NDArray[np.int64], NDArray[np.int64]]:
    """Return root, body, voxels and core voxels of every pair that occurs, block by block."""
    from connectome.offline.precomputed_writer import open_volume

    supervoxels, truth = open_volume(folder.supervoxels), open_volume(folder.groundtruth)
    pairs: list[NDArray[np.uint64]] = []
    counts: list[NDArray[np.int64]] = []
    for box in _boxes(folder):
        bodies, core = _with_core(truth, box, folder.layout.shape)
        found, number = _pairs(_flat(supervoxels[box]), bodies, core)
        found[:, 0] = graph.roots(found[:, 0], timestamp)
        pairs.append(found)
        counts.append(number)
    unique, slot = np.unique(np.concatenate(pairs), axis=0, return_inverse=True)
    total = np.zeros((len(unique), 2), dtype=np.int64)
    np.add.at(total, slot.ravel(), np.concatenate(counts))
    return unique[:, 0], unique[:, 1], total[:, 0], total[:, 1]


def _with_core(
    truth: Any, box: tuple[slice, slice, slice], shape: tuple[int, int, int]
) -> tuple[Ids, NDArray[np.bool_]]:
    """Return the bodies of a box, and whether each voxel is core, both flat."""
    wide = tuple(
        slice(max(0, s.start - _EROSION), min(n, s.stop + _EROSION))
        for s, n in zip(box, shape, strict=True)
    )
    bodies = np.asarray(truth[wide], dtype=np.uint64)[..., 0]
    core = np.ones(bodies.shape, dtype=np.bool_)
    for axis in range(3):
        line, body = np.moveaxis(core, axis, 0), np.moveaxis(bodies, axis, 0)
        same = body[1:] == body[:-1]
        line[1:] &= same
        line[:-1] &= same
    inner = core.copy()
    for axis in range(3):
        line, outer = np.moveaxis(inner, axis, 0), np.moveaxis(core, axis, 0)
        line[1:] &= outer[:-1]
        line[:-1] &= outer[1:]
    cut = tuple(slice(s.start - w.start, s.stop - w.start) for s, w in zip(box, wide, strict=True))
    return _flat(bodies[cut]), inner[cut].ravel(order="F")


def _boxes(folder: DatastackFolder) -> list[tuple[slice, slice, slice]]:
    """Return boxes of whole chunks, about 16 Mvoxel at most each."""
    size = [max(c, 256 // c * c) for c in folder.layout.chunk_size]
    spans = [
        [slice(a, min(n, a + s)) for a in range(0, n, s)]
        for n, s in zip(folder.layout.shape, size, strict=True)
    ]
    return [(x, y, z) for x, y, z in itertools.product(*spans)]


def _flat(block: Any) -> Ids:
    """Return the values x fastest."""
    return np.asarray(block, dtype=np.uint64).ravel(order="F")


def _pairs(
    supervoxels: Ids, truth: Ids, core: NDArray[np.bool_]
) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Return the pairs (n, 2) that occur, with voxels and core voxels (n, 2)."""
    import fastremap

    a, a_of = fastremap.renumber(supervoxels, preserve_zero=True)
    b, b_of = fastremap.renumber(truth, preserve_zero=True)
    stride = np.uint64(2 * (int(b.max()) + 1))
    # The lowest bit of the key tells core voxels from the others.
    key = a.astype(np.uint64) * stride + (b.astype(np.uint64) * np.uint64(2) + core)
    found, count = fastremap.unique(key, return_counts=True)
    is_core = (found & np.uint64(1)).astype(np.int64)
    counts = np.stack([count, count * is_core], axis=1).astype(np.int64)
    rows = (found // stride).astype(np.int64), (found % stride // np.uint64(2)).astype(np.int64)
    pairs = np.stack([_names(a_of)[rows[0]], _names(b_of)[rows[1]]], axis=1)
    return pairs, counts


def _names(numbered: Mapping[Any, Any]) -> Ids:
    """Return the name of each number, given the number of each name."""
    names = np.zeros(max(numbered.values(), default=0) + 1, dtype=np.uint64)
    number = np.fromiter(numbered.values(), dtype=np.int64, count=len(numbered))
    names[number] = np.fromiter(numbered.keys(), dtype=np.uint64, count=len(numbered))
    return names
