"""Pictures of labelled pairs, cut once and kept in a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from connectome.space import PointNm
from inference.datasets.folds import Fold
from inference.datasets.pairs import Pairs
from inference.datasets.volumes import TruthVolume
from inference.judges.base import PairSample
from inference.pictures import pack_pair
from rendering.em import slice_cutouts
from rendering.spec import EMSpec

__all__ = ["Views", "cut_views", "pair_sample", "random_centers"]


@dataclass(frozen=True)
class Views:
    """Stored pictures with their truth.

    Parameters
    ----------
    pictures : ndarray of uint8, shape (n, planes, 2, size, size)
        As `inference.pictures.pack_pair` makes them; may lie in a file.
    same : ndarray of bool, shape (n,)
        The truth.
    pair : ndarray, shape (n,)
        Which pair each picture shows: pictures of one pair share a number.
    """

    pictures: NDArray[np.uint8]
    same: NDArray[np.bool_]
    pair: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.same)


def pair_sample(
    volume: TruthVolume, pairs: Pairs, index: int, voxel: NDArray[np.int64], spec: EMSpec
) -> PairSample:
    """Return one pair as a judge is asked about it, seen around a voxel (zyx)."""
    center = _center_nm(volume, voxel)
    slices = slice_cutouts(volume.imagery(), volume.labelled(pairs.labels), center, spec)
    a, b = (int(label) for label in pairs.contacts.pairs[index])
    return PairSample(slices, a, b)


def cut_views(
    volume: TruthVolume,
    pairs: Pairs,
    rows: NDArray[np.int64],
    centers: NDArray[np.int64],
    spec: EMSpec,
    file: Path | None = None,
) -> Views:
    """Cut one picture for each (row of ``pairs``, centre voxel zyx).

    Parameters
    ----------
    rows : ndarray, shape (n,)
        The pair of each picture.
    centers : ndarray, shape (n, 3)
        The middle of each picture.
    file : Path, optional
        Where to keep the pictures instead of in memory (a .npy file).
    """
    shape = (len(rows), len(spec.planes), 2, spec.size_px, spec.size_px)
    pictures: NDArray[np.uint8] = (
        np.empty(shape, np.uint8)
        if file is None
        else np.lib.format.open_memmap(file, mode="w+", dtype=np.uint8, shape=shape)
    )
    for position, (row, center) in enumerate(zip(rows, centers, strict=True)):
        sample = pair_sample(volume, pairs, int(row), center, spec)
        pictures[position] = pack_pair(sample.slices, sample.segment_a, sample.segment_b)
    return Views(pictures, pairs.same[rows], np.asarray(rows, np.int64))


def random_centers(
    pairs: Pairs, rows: NDArray[np.int64], fold: Fold, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return a random contact voxel for each row whose voxel lies in a training block.

    Returns
    -------
    rows, centers : ndarray
        The rows kept (m,) and their voxels (m, 3), zyx.
    """
    first = pairs.contacts.first
    area = pairs.contacts.area[rows]
    chosen = first[rows] + (rng.random(len(rows)) * area).astype(np.int64)
    centers = pairs.contacts.faces[chosen].astype(np.int64)
    kept = fold.trains_at(centers[:, 0])
    return rows[kept], centers[kept]


def _center_nm(volume: TruthVolume, voxel: NDArray[np.int64]) -> PointNm:
    z, y, x = (int(v) for v in voxel)
    return volume.scale.center_of((x, y, z))
