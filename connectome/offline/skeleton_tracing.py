"""One object's voxels, gathered chunk by chunk and traced to a skeleton."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from connectome.datastack import Skeleton
from connectome.errors import DatastackError
from connectome.graph import Ids
from connectome.offline.ids import ChunkLayout
from connectome.offline.lookup import SupervoxelReader
from connectome.skeletonize import SkeletonSettings, skeletonize
from connectome.space import Scale

__all__ = ["TraceJob", "trace"]

_MAX_VOXELS = 32_000_000
"""Larger boxes are traced on a coarser grid, so that memory and time stay bounded."""
_MAX_STRIDE = 16
"""No chunk is thinner than this."""


@dataclass(frozen=True, eq=False)
class TraceJob:
    """What is to be traced, in a form that can be sent to another process.

    Parameters
    ----------
    root : int
        The object.
    supervoxels : ndarray, shape (n,), uint64
        All its supervoxels.
    volume : Path
        The precomputed supervoxels.
    scale : Scale
        Their finest grid.
    layout : ChunkLayout
        How the volume is cut into chunks.
    """

    root: int
    supervoxels: Ids
    volume: Path
    scale: Scale
    layout: ChunkLayout


def trace(job: TraceJob) -> Skeleton:
    """Return the skeleton of an object; one vertex for one that is too small for paths.

    Raises
    ------
    DatastackError
        If the object spans more than can be held in memory even on a coarse grid.
    MissingPackageError
        If kimimaro is not installed.
    """
    chunks = np.unique(job.layout.chunk_of(job.supervoxels, 1), axis=0)
    size = np.asarray(job.layout.chunk_size)
    first, last = chunks.min(axis=0) * size, (chunks.max(axis=0) + 1) * size
    last = np.minimum(last, job.layout.shape)
    stride = _stride(last - first)
    mask = _gather(job, chunks, first, last, stride)
    # Without a rim, the end of the box would pass for the end of the volume, where
    # objects are cut off and tips are put differently.
    before = np.minimum(first, 1)
    after = (last < job.layout.shape).astype(np.int64)
    mask = np.pad(mask, [(int(b), int(a)) for b, a in zip(before, after, strict=True)][::-1])
    x, y, z = (v * stride for v in job.scale.voxel_nm)
    ox, oy, oz = (first * job.scale.voxel_nm - before * (x, y, z)).tolist()
    settings = SkeletonSettings(dust_nm3=0)
    found = next(skeletonize(mask, (x, y, z), (ox, oy, oz), settings=settings), None)
    if found is None or not len(found.vertices_nm):
        return _one_vertex(job.root, mask, (x, y, z), (ox, oy, oz))
    return Skeleton(job.root, found.vertices_nm, found.edges, found.radii_nm)


def _stride(extent: NDArray[np.int64]) -> int:
    stride = 1
    while math.prod(-(-int(n) // stride) for n in extent) > _MAX_VOXELS:
        stride *= 2
        if stride > _MAX_STRIDE:
            raise DatastackError(
                "The object spans too much of the volume for a skeleton.",
                "Use the level-2 graph, whose nodes have places in the level-2 cache.",
            )
    return stride


def _gather(
    job: TraceJob,
    chunks: NDArray[np.int64],
    first: NDArray[np.int64],
    last: NDArray[np.int64],
    stride: int,
) -> NDArray[np.uint8]:
    """Return the object's mask (z, y, x) in a box of voxels, every stride cubed voxels in one."""
    reader = SupervoxelReader(job.volume, job.scale)
    nx, ny, nz = (-(-int(n) // stride) for n in last - first)
    mask = np.zeros((nz, ny, nx), dtype=np.uint8)
    for chunk in chunks.tolist():
        x0, x1, y0, y1, z0, z1 = job.layout.chunk_bounds((chunk[0], chunk[1], chunk[2]))
        block = np.isin(reader.read((x0, y0, z0), (x1, y1, z1)), job.supervoxels)
        part = _pooled(block, stride)
        x, y, z = ((np.asarray((x0, y0, z0)) - first) // stride).tolist()
        dz, dy, dx = part.shape
        mask[z : z + dz, y : y + dy, x : x + dx] = part
    return mask


def _pooled(block: NDArray[np.bool_], stride: int) -> NDArray[np.bool_]:
    """Return whether any of every stride cubed voxels is set."""
    if stride == 1:
        return block
    padded = np.pad(block, [(0, -n % stride) for n in block.shape])
    nz, ny, nx = (n // stride for n in padded.shape)
    cubes = padded.reshape(nz, stride, ny, stride, nx, stride)
    return np.asarray(cubes.any(axis=(1, 3, 5)), dtype=np.bool_)


def _one_vertex(
    root: int,
    mask: NDArray[np.uint8],
    voxel_nm: tuple[float, float, float],
    origin_nm: tuple[float, float, float],
) -> Skeleton:
    """Return the voxel nearest to the centre, with the radius of a ball of that volume."""
    voxels = np.argwhere(mask)[:, ::-1]
    places = (voxels + 0.5) * np.asarray(voxel_nm) + np.asarray(origin_nm)
    nearest = int(np.linalg.norm(places - places.mean(axis=0), axis=1).argmin())
    radius = (0.75 / math.pi * len(voxels) * math.prod(voxel_nm)) ** (1 / 3)
    return Skeleton(
        root,
        places[nearest : nearest + 1].astype(np.float32),
        np.zeros((0, 2), np.uint32),
        np.asarray([radius], np.float32),
    )
