"""From labels to supervoxels: cut at the borders of segments and chunks, without slivers.

All volumes here are (z, y, x). Supervoxels are numbered from 1 in the order of their
ids (0 is background); position in the graph's arrays is that number minus 1.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from connectome.graph import Ids
from connectome.offline.ids import ChunkLayout

__all__ = ["SLIVER_VOXELS", "Supervoxels", "cut_supervoxels"]

Volume = NDArray[Any]

SLIVER_VOXELS = 50
"""Smaller pieces join a bigger neighbour of their segment.

Where an automatic segmentation and its supervoxels do not follow the same borders, most of
the pieces are such shavings: no evidence can be measured on them, and each is a node.
"""


@dataclass(frozen=True, eq=False)
class Supervoxels:
    """Pieces of original supervoxels, each inside one segment and one chunk, connected.

    Parameters
    ----------
    numbers : ndarray, shape (z, y, x), uint32
        Number of the supervoxel of each voxel, 0 for background.
    ids : ndarray, shape (n,), uint64
        Id of each, ascending.
    segments : ndarray, shape (n,), uint64
        Segment that each belongs to.
    originals : ndarray, shape (n,), uint64
        Equal for pieces of one original supervoxel in one segment (the largest part of a
        piece that slivers have joined).
    sizes : ndarray, shape (n,), int64
        Voxels of each.
    centers : ndarray, shape (n, 3), float64
        Mean voxel index (x, y, z) of each.
    """

    numbers: NDArray[np.uint32]
    ids: Ids
    segments: Ids
    originals: Ids
    sizes: NDArray[np.int64]
    centers: NDArray[np.float64]


def cut_supervoxels(
    supervoxels: Volume,
    segmentation: Volume,
    layout: ChunkLayout,
    *,
    sliver_voxels: int = SLIVER_VOXELS,
) -> Supervoxels:
    """Cut supervoxels at segment and chunk borders and into connected components.

    Voxels of a segment without a supervoxel (0) make supervoxels of their own; voxels of
    segment 0 stay background. Connected means through faces. Then a piece of fewer than
    `sliver_voxels` joins a bigger one of the same segment and chunk that it touches, be it
    at an edge or a corner; no voxel changes its segment.
    """
    import fastremap

    segment, segment_map = fastremap.renumber(segmentation, preserve_zero=True)
    original, _ = fastremap.renumber(supervoxels, preserve_zero=True)
    stride = int(original.max()) + 1
    numbers = np.zeros(segmentation.shape, dtype=np.uint32)
    ids: list[Ids] = []
    pieces: list[Ids] = []
    count = 0
    for chunk in itertools.product(*(range(n) for n in layout.grid)):
        x, y, z = chunk
        x0, x1, y0, y1, z0, z1 = layout.chunk_bounds((x, y, z))
        box = (slice(z0, z1), slice(y0, y1), slice(x0, x1))
        parts, piece = _components(segment[box], original[box], stride)
        parts, piece = _without_slivers(parts, piece, stride, sliver_voxels)
        numbers[box] = np.where(parts > 0, parts + np.uint32(count), 0)
        ids.append(layout.pack(1, (x, y, z), np.arange(1, len(piece) + 1)))
        pieces.append(piece)
        count += len(piece)
    piece = np.concatenate(pieces)
    names = np.zeros(int(segment.max()) + 1, dtype=np.uint64)
    for name, number in segment_map.items():
        names[int(number)] = name
    sizes, centers = _measure(numbers, count)
    return Supervoxels(
        numbers=numbers,
        ids=np.concatenate(ids),
        segments=names[np.asarray(piece // np.uint64(stride), dtype=np.int64)],
        originals=piece,
        sizes=sizes,
        centers=centers,
    )


def _components(segment: Volume, original: Volume, stride: int) -> tuple[NDArray[np.uint32], Ids]:
    """Return the components of one chunk from 1, and the piece each belongs to."""
    import cc3d

    piece = segment.astype(np.uint64) * np.uint64(stride) + original
    piece[segment == 0] = 0
    parts, n = cc3d.connected_components(piece, connectivity=6, return_N=True)
    of_part = np.zeros(n + 1, dtype=np.uint64)
    of_part[parts.ravel()] = piece.ravel()
    return parts.astype(np.uint32), of_part[1:]


def _without_slivers(
    parts: NDArray[np.uint32], piece: Ids, stride: int, fewest: int
) -> tuple[NDArray[np.uint32], Ids]:
    """Join each small part to the bigger part of its segment that it touches most."""
    sizes = np.bincount(parts.ravel(), minlength=len(piece) + 1)
    if len(piece) < 2 or int(sizes[1:].min()) >= fewest:
        return parts, piece
    segment = np.append(np.uint64(0), piece // np.uint64(stride))
    small = sizes < fewest
    small[0] = False
    into = _joined(sizes, *_touching(parts, small, segment), fewest)
    kept = np.unique(into)
    return np.searchsorted(kept, into).astype(np.uint32)[parts], piece[kept[1:] - 1]


def _touching(
    parts: NDArray[np.uint32], small: NDArray[np.bool_], segment: Ids
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Return pairs of parts of one segment, a small one in each, and the faces they share.

    Contacts at edges and corners count as no face. Only voxels of small parts are looked at,
    which are few.
    """
    wide = np.pad(parts, 1)
    strides = np.asarray([wide.shape[1] * wide.shape[2], wide.shape[2], 1])
    steps = np.asarray([s for s in itertools.product((-1, 0, 1), repeat=3) if any(s)])
    here = np.flatnonzero(small[wide])
    flat = wide.ravel()
    q = flat[here[:, np.newaxis] + steps @ strides].astype(np.int64)
    p = np.broadcast_to(flat[here].astype(np.int64)[:, np.newaxis], q.shape)
    touch = (q != p) & (q != 0) & (segment[q] == segment[p])
    face = np.broadcast_to(np.abs(steps).sum(axis=1) == 1, q.shape)[touch]
    p, q = p[touch], q[touch]
    key, slot = np.unique(np.minimum(p, q) * len(segment) + np.maximum(p, q), return_inverse=True)
    # Two small parts see each other from both sides.
    faces = np.bincount(slot, face / (1.0 + small[q]), len(key)).astype(np.float64)
    return key // len(segment), key % len(segment), faces


def _joined(
    sizes: NDArray[np.int64],
    a: NDArray[np.int64],
    b: NDArray[np.int64],
    faces: NDArray[np.float64],
    fewest: int,
) -> NDArray[np.int64]:
    """Return the part that each part joins, itself where it stays, shape (n + 1,)."""
    into = np.arange(len(sizes))
    while True:
        total = np.bincount(into, sizes, minlength=len(sizes))
        p, q = into[a], into[b]
        # From the smaller to the bigger; of equal ones the first counts as bigger.
        swap = (total[p] > total[q]) | ((total[p] == total[q]) & (p < q))
        small, big = np.where(swap, q, p), np.where(swap, p, q)
        joins = np.flatnonzero((p != q) & (total[small] < fewest))
        if not len(joins):
            return into
        order = joins[np.lexsort((-big[joins], faces[joins], small[joins]))]
        step = np.arange(len(sizes))
        step[small[order]] = big[order]  # the last one written touches most
        while not np.array_equal(step, step[step]):  # halves what is left of a chain
            step = step[step]
        into = step[into]


def _measure(
    numbers: NDArray[np.uint32], count: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return sizes in voxels and centres (x, y, z) in voxel indices."""
    sizes = np.zeros(count + 1, dtype=np.int64)
    sums = np.zeros((count + 1, 3), dtype=np.float64)
    _, ny, nx = numbers.shape
    xs = np.tile(np.arange(nx, dtype=np.float64), ny)
    ys = np.repeat(np.arange(ny, dtype=np.float64), nx)
    for z, plane in enumerate(numbers):
        # Only the numbers that occur in the plane: counting all would be quadratic.
        flat = plane.ravel()
        low, high = int(flat.min()), int(flat.max())
        local = flat - np.uint32(low)
        span = slice(low, high + 1)
        here = np.bincount(local)
        sizes[span] += here
        sums[span, 0] += np.bincount(local, xs)
        sums[span, 1] += np.bincount(local, ys)
        sums[span, 2] += here * float(z)
    return sizes[1:], sums[1:] / np.maximum(sizes[1:, np.newaxis], 1)
