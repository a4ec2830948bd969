"""Small volumes and datastacks for the tests of the offline room."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from connectome.graph import GraphPoint, Ids
from connectome.offline.engine import GraphEngine
from connectome.offline.ingest import IngestRequest, IngestSummary, ingest
from connectome.offline.layout import DatastackFolder

Labels = NDArray[np.uint32]
VOXEL_NM = (16.0, 16.0, 16.0)


def quiet(_stage: str, _share: float) -> None:
    """Take progress and say nothing."""


def em_like(shape: tuple[int, int, int], seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 255, shape, dtype=np.uint8)


def slabs() -> tuple[Labels, Labels]:
    """Supervoxels and segments: three slabs along x, each of two supervoxels along y.

    70 x 40 x 20 voxels (x, y, z), so that x is cut by a chunk border at 64. Segment 9
    consists of two boxes far apart; the corner is background.
    """
    segments = np.zeros((20, 40, 70), dtype=np.uint32)
    segments[:, :, :30] = 5
    segments[:, :, 30:50] = 6
    segments[:, :, 50:] = 7
    segments[:3, :3, :3] = 0
    segments[18:, 36:, :2] = 9
    segments[18:, 36:, 68:] = 9
    pieces = segments * 10
    pieces[:, 20:] += 1
    return pieces.astype(np.uint32), segments


def make_datastack(
    out: Path, pieces: Labels, segments: Labels, truth: Labels | None = None
) -> IngestSummary:
    return ingest(
        IngestRequest(
            em=em_like((segments.shape[0], segments.shape[1], segments.shape[2])),
            supervoxels=pieces,
            segmentation=segments,
            groundtruth=truth,
            resolution_nm=VOXEL_NM,
            name="offline_test",
            out=out,
        ),
        quiet,
    )


def read_supervoxels(folder: DatastackFolder) -> NDArray[np.uint64]:
    from connectome.offline.precomputed_writer import open_volume

    block = np.asarray(open_volume(folder.supervoxels)[:, :, :])[..., 0].T
    return np.ascontiguousarray(block, dtype=np.uint64)


def point_in(
    supervoxels: NDArray[np.uint64], zyx: tuple[int, int, int], node: int | None = None
) -> GraphPoint:
    z, y, x = zyx
    vx, vy, vz = VOXEL_NM
    position = ((x + 0.5) * vx, (y + 0.5) * vy, (z + 0.5) * vz)
    return GraphPoint(int(supervoxels[zyx]) if node is None else node, position)


def root_volume(
    engine: GraphEngine, supervoxels: NDArray[np.uint64], timestamp: float | None = None
) -> NDArray[np.uint64]:
    flat: Ids = supervoxels.ravel()
    return engine.roots(flat, timestamp).reshape(supervoxels.shape)


def same_partition(a: NDArray[np.uint64], b: NDArray[np.uint64] | Labels) -> bool:
    """Tell whether two label volumes are equal up to the names of the labels, 0 kept."""
    pairs = np.unique(np.stack([a.ravel(), b.ravel().astype(np.uint64)]), axis=1)
    return len(np.unique(pairs[0])) == pairs.shape[1] == len(np.unique(pairs[1])) and bool(
        ((pairs[0] == 0) == (pairs[1] == 0)).all()
    )
