"""A small volume of which everything is known, ingested as an offline datastack.

Tubes run along x, with a sheath of background between them. Each is cut in the middle by
the segmentation (a split error that a merge repairs), made of short supervoxels, and
whole in the ground truth.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from connectome.offline.layout import DatastackFolder

NAME = "offline_tubes"
VOXEL_NM = (8.0, 8.0, 16.0)
SHAPE_ZYX = (40, 72, 144)
_PITCH = 12
_WALL = 2
_PIECE = 24
CUT = 72
"""The x at which every tube is cut in two segments."""


@dataclass(frozen=True)
class Tubes:
    """Arrays (z, y, x) of the volume."""

    em: NDArray[np.uint8]
    supervoxels: NDArray[np.uint64]
    segmentation: NDArray[np.uint64]
    groundtruth: NDArray[np.uint64]


def make_tubes() -> Tubes:
    """Return the volume."""
    z, y, x = np.indices(SHAPE_ZYX)
    rows, columns = SHAPE_ZYX[1] // _PITCH, SHAPE_ZYX[0] // _PITCH + 1
    tube = (z // _PITCH) * rows + y // _PITCH + 1
    inside = (z % _PITCH >= _WALL) & (y % _PITCH >= _WALL)
    pieces = SHAPE_ZYX[2] // _PIECE
    truth = np.where(inside, tube, 0).astype(np.uint64)
    segments = np.where(inside, tube + (x >= CUT) * rows * columns, 0).astype(np.uint64)
    supervoxels = np.where(inside, (tube - 1) * pieces + x // _PIECE + 1, 0).astype(np.uint64)
    noise = np.random.default_rng(7).integers(0, 40, SHAPE_ZYX)
    em = np.where(inside, 170, 40).astype(np.int64) + noise
    return Tubes(em.astype(np.uint8), supervoxels, segments, truth)


def ingest_tubes(out: Path) -> Path:
    """Ingest the volume and return the datastack's folder."""
    from connectome.offline.ingest import IngestRequest, ingest

    tubes = make_tubes()
    arrays: dict[str, Any] = {
        "em": tubes.em,
        "supervoxels": tubes.supervoxels,
        "segmentation": tubes.segmentation,
        "groundtruth": tubes.groundtruth,
    }
    ingest(IngestRequest(resolution_nm=VOXEL_NM, name=NAME, out=out, **arrays), lambda *_: None)
    return out


def supervoxels_at(folder: DatastackFolder, *points: tuple[float, float, float]) -> list[int]:
    """Return the supervoxel under each point of a datastack, in nm."""
    from connectome.precomputed import PrecomputedSegmentation, PrecomputedVolume, supervoxel_at

    url = folder.supervoxels.resolve().as_uri()
    segmentation = PrecomputedSegmentation(PrecomputedVolume(url))
    return [supervoxel_at(segmentation, point) for point in points]


def center_nm(voxel: tuple[int, int, int]) -> tuple[float, float, float]:
    """Return the centre of a voxel (x, y, z) in nm."""
    x, y, z = ((i + 0.5) * v for i, v in zip(voxel, VOXEL_NM, strict=True))
    return x, y, z


def tube_point(tube: int, x: int) -> tuple[float, float, float]:
    """Return a position in the middle of a tube (numbered from 0), at voxel ``x``."""
    rows = SHAPE_ZYX[1] // _PITCH
    middle = (_PITCH + _WALL) // 2
    return center_nm((x, tube % rows * _PITCH + middle, tube // rows * _PITCH + middle))


def halves(
    folder: DatastackFolder, tube: int = 0
) -> tuple[list[int], list[tuple[float, float, float]]]:
    """Return a supervoxel and a point on each side of a tube's cut."""
    points = [tube_point(tube, 66), tube_point(tube, 78)]
    return supervoxels_at(folder, *points), points
