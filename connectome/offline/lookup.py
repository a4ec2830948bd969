"""From a position and any node id to the supervoxel that is meant."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from connectome.graph import GraphPoint, Ids
from connectome.offline.refusal import GraphRefusalError
from connectome.space import PointNm, Scale

__all__ = ["SupervoxelReader", "nearest_supervoxel"]

_REACH = 28
"""The search reaches this many mean voxel lengths from the point, as in production."""


class SupervoxelReader:
    """Blocks of the precomputed supervoxels, read from the files directly.

    Parameters
    ----------
    folder : Path
        The precomputed volume.
    scale : Scale
        Its finest grid.
    """

    def __init__(self, folder: Path, scale: Scale) -> None:
        self.scale = scale
        self._folder = folder
        self._volume: Any = None
        self._lock = threading.Lock()

    def read(self, first: tuple[int, int, int], last: tuple[int, int, int]) -> Ids:
        """Return ids (z, y, x) of the voxels from ``first`` to before ``last`` (x, y, z)."""
        with self._lock:
            if self._volume is None:
                from connectome.offline.precomputed_writer import open_volume

                self._volume = open_volume(self._folder)
            box = tuple(slice(a, b) for a, b in zip(first, last, strict=True))
            block = np.asarray(self._volume[box])[..., 0]
        return np.ascontiguousarray(block.T, dtype=np.uint64)


def nearest_supervoxel(
    reader: SupervoxelReader, point: GraphPoint, ancestors: Callable[[Ids], Ids]
) -> int:
    """Return the supervoxel nearest to the point whose ancestor is the point's node.

    Parameters
    ----------
    reader : SupervoxelReader
        Where the voxels are.
    point : GraphPoint
        A node of layer 2 or higher, and a position in nm.
    ancestors : callable
        Maps supervoxels (n,) to their nodes (n,) in the layer of the point's node.

    Raises
    ------
    GraphRefusalError
        If no such voxel lies within 28 mean voxel lengths: the node is stale or the
        position is wrong.
    """
    scale = reader.scale
    reach = _REACH * float(np.mean(scale.voxel_nm))
    first, last = _voxel_box(scale, point.position_nm, reach)
    if all(a < b for a, b in zip(first, last, strict=True)):
        block = reader.read(first, last)
        ids = np.unique(block[block != 0])
        wanted = ids[ancestors(ids) == np.uint64(point.supervoxel)] if ids.size else ids
        zyx = np.argwhere(np.isin(block, wanted)) if wanted.size else np.zeros((0, 3), np.int64)
        distance = _distances(zyx, first, scale, point.position_nm)
        if distance.size and distance.min() <= reach:
            z, y, x = zyx[int(np.argmin(distance))]
            return int(block[z, y, x])
    raise GraphRefusalError(
        400,
        "Could not determine supervoxel ID for coordinates "
        f"{[round(v) for v in point.position_nm]} - Lookup stage.",
    )


def _voxel_box(
    scale: Scale, position_nm: PointNm, reach: float
) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    first, last = [], []
    for p, v, n in zip(position_nm, scale.voxel_nm, scale.shape, strict=True):
        first.append(max(0, int(np.floor((p - reach) / v))))
        last.append(min(n, int(np.ceil((p + reach) / v)) + 1))
    return (first[0], first[1], first[2]), (last[0], last[1], last[2])


def _distances(
    zyx: NDArray[np.int64], first: tuple[int, int, int], scale: Scale, position_nm: PointNm
) -> NDArray[np.float64]:
    """Return the distance in nm of voxel centres to the position."""
    voxel = np.asarray(scale.voxel_nm)
    centers = (zyx[:, ::-1] + np.asarray(first) + 0.5) * voxel
    return np.asarray(np.linalg.norm(centers - np.asarray(position_nm), axis=1))
