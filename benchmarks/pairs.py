"""Pairs of touching segments in real data, always the same ones."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from connectome.precomputed.datastack import PrecomputedDatastack
from connectome.space import BoxNm, Cutout, PointNm

__all__ = ["PINKY40", "Pair", "touching_pairs"]

PINKY40 = Path(__file__).resolve().parents[2] / "shared" / "data" / "pinky40"
"""Where real meshes lie beside the repository; see its README."""

_SCALE = 1
_MARGIN_NM = 2500.0
_DEPTH_NM = 6000.0
"""How much along z is searched; it holds hundreds of pairs."""
_MIN_CONTACT = 60
"""Faces of voxels (about 16 x 40 nm) that two segments have to share."""
_MIN_VOXELS = 5000
_PAIRS_OF_A_SEGMENT = 4


@dataclass(frozen=True)
class Pair:
    """Two segments and the place where they touch."""

    a: int
    b: int
    center_nm: PointNm


def touching_pairs(n: int, data: Path = PINKY40, seed: int = 0) -> list[Pair]:
    """Return pairs that touch at least 2,500 nm from the faces of the volume.

    Two segments touch where voxels of both share a face; the place is that face which is
    nearest to the middle of all of them. Pairs are drawn at random among those with a
    contact worth looking at; no segment is in more than four.

    Raises
    ------
    ValueError
        If there are not so many.
    """
    stack = PrecomputedDatastack(str(data))
    bounds = stack.segmentation.scales[_SCALE].bounds_nm
    low, high = bounds.lower, bounds.upper
    box = BoxNm(
        (low[0] + _MARGIN_NM, low[1] + _MARGIN_NM, low[2] + _MARGIN_NM),
        (high[0] - _MARGIN_NM, high[1] - _MARGIN_NM, low[2] + _MARGIN_NM + _DEPTH_NM),
    )
    cutout = stack.segmentation.read_roots(box, _SCALE)
    found = _contacts(cutout)
    chosen: list[Pair] = []
    for index in np.random.default_rng(seed).permutation(len(found)):
        pair = found[index]
        used = [one for one in chosen for root in (one.a, one.b) if root in (pair.a, pair.b)]
        if len(used) < _PAIRS_OF_A_SEGMENT:
            chosen.append(pair)
        if len(chosen) == n:
            return chosen
    raise ValueError(f"There are only {len(chosen)} touching pairs, not {n}.")


def _contacts(cutout: Cutout) -> list[Pair]:
    """Return all pairs of a cutout that are large enough, sorted by their ids."""
    ids, places = _shared_faces(cutout)
    roots, counts = np.unique(cutout.data, return_counts=True)
    large = roots[(counts >= _MIN_VOXELS) & (roots != 0)]
    kept = np.isin(ids, large).all(axis=1)
    ids, places = ids[kept], places[kept]
    pairs, which, areas = np.unique(ids, axis=0, return_inverse=True, return_counts=True)
    order = np.argsort(which, kind="stable")
    groups = np.split(places[order], np.cumsum(areas)[:-1])
    return [
        Pair(int(a), int(b), _middle(group))
        for (a, b), group in zip(pairs, groups, strict=True)
        if len(group) >= _MIN_CONTACT
    ]


def _shared_faces(cutout: Cutout) -> tuple[NDArray[np.uint64], NDArray[np.float64]]:
    """Return the ids (k, 2), smaller first, on both sides of faces and their places (k, 3) nm."""
    data, voxel = cutout.data, np.asarray(cutout.scale.voxel_nm)
    all_ids, all_places = [], []
    for axis in range(3):
        below = np.moveaxis(data, axis, 0)[:-1]
        above = np.moveaxis(data, axis, 0)[1:]
        at = np.nonzero((below != above) & (below != 0) & (above != 0))
        all_ids.append(np.sort(np.stack([below[at], above[at]], axis=1), axis=1))
        zyx = np.insert(np.stack(at[1:], axis=1), axis, at[0], axis=1)
        half_way = np.full(3, 0.5)
        half_way[2 - axis] = 1.0
        all_places.append((zyx[:, ::-1] + half_way) * voxel + np.asarray(cutout.origin_nm))
    return np.concatenate(all_ids), np.concatenate(all_places)


def _middle(places: NDArray[np.float64]) -> PointNm:
    distance = np.linalg.norm(places - places.mean(axis=0), axis=1)
    x, y, z = (float(v) for v in places[int(np.argmin(distance))])
    return (x, y, z)
