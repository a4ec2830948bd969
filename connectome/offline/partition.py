"""From labels to supervoxels, and from supervoxels to the graph of an ingest.

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

__all__ = ["Supervoxels", "cut_supervoxels"]

Volume = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Supervoxels:
    """Pieces of one original supervoxel, inside one segment and one chunk, connected.

    Parameters
    ----------
    numbers : ndarray, shape (z, y, x), uint32
        Number of the supervoxel of each voxel, 0 for background.
    ids : ndarray, shape (n,), uint64
        Id of each, ascending.
    segments : ndarray, shape (n,), uint64
        Segment that each belongs to.
    originals : ndarray, shape (n,), uint64
        Equal for pieces of one original supervoxel in one segment.
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


def cut_supervoxels(supervoxels: Volume, segmentation: Volume, layout: ChunkLayout) -> Supervoxels:
    """Cut supervoxels at segment and chunk borders and into connected components.

    Voxels of a segment without a supervoxel (0) make supervoxels of their own; voxels of
    segment 0 stay background. Connected means through faces.
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
