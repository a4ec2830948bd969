"""Segmentations with errors we made: joins inside bodies, and bodies merged where they touch."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from connectome.datastack import Skeleton
from connectome.offline.membranes import openness
from connectome.skeletonize import skeletonize
from inference.datasets.contacts import Contacts
from inference.datasets.pairs import Pairs, automatic_pairs, coarser_pairs
from inference.datasets.volumes import TruthVolume

__all__ = [
    "Merge",
    "Variant",
    "automatic",
    "contact_openness",
    "joined",
    "merged",
    "skeletons_of",
    "true_bodies",
]

_SMALLEST_CONTACT = 40
"""Voxel faces that two bodies must share to be merged."""
_SMALLEST_SEGMENT = 4_000
"""Voxels of the smaller of two segments that are merged."""
_GAP_VOXELS = 4


@dataclass(frozen=True, eq=False)
class Merge:
    """Two segments of different bodies that were made one.

    Parameters
    ----------
    label : int
        What the merged segment is called.
    parts : tuple of int
        The two labels before; the first is `label`.
    bodies : tuple of int
        Their bodies.
    faces : ndarray, shape (n, 3)
        Voxels (zyx) where they touch.
    openness : float
        How little membrane the contact shows, 0 to 1.
    """

    label: int
    parts: tuple[int, int]
    bodies: tuple[int, int]
    faces: NDArray[np.int16]
    openness: float


@dataclass(frozen=True, eq=False)
class Variant:
    """A segmentation of a truth volume, with what is known about its segments.

    Parameters
    ----------
    name : str
        ``automatic``, ``joined 0.4``, ``bodies`` …
    labels : ndarray (z, y, x)
        The segments, 0 where unassigned.
    pairs : Pairs
        Touching pairs of labelled segments, before any merge.
    merges : tuple of Merge
        What was merged on purpose.
    """

    name: str
    labels: NDArray[Any]
    pairs: Pairs
    merges: tuple[Merge, ...] = ()


def automatic(volume: TruthVolume) -> Variant:
    """Return the automatic segmentation as it is."""
    pairs = automatic_pairs(volume)
    return Variant("automatic", pairs.labels, pairs)


def joined(volume: TruthVolume, share: float, seed: int = 0) -> Variant:
    """Return supervoxels joined inside bodies at this share of their contacts."""
    pairs = coarser_pairs(volume, share, np.random.default_rng(seed))
    return Variant(f"joined {share:g}", pairs.labels, pairs)


def true_bodies(volume: TruthVolume) -> Variant:
    """Return the bodies of the truth as a segmentation without split errors."""
    pairs = automatic_pairs(replace(volume, segmentation=volume.groundtruth))
    return Variant("bodies", volume.groundtruth, pairs)


def contact_openness(volume: TruthVolume, contacts: Contacts) -> NDArray[np.float64]:
    """Return for each contact the mean `openness` of its voxels, 0 to 1, shape (n,)."""
    free = openness(volume.em, volume.voxel_nm)
    if not len(contacts.area):
        return np.zeros(0)
    values = free[tuple(contacts.faces.astype(np.int64).T)].astype(np.float64) / 255
    return np.asarray(np.add.reduceat(values, contacts.first[:-1]) / contacts.area)


def merged(volume: TruthVolume, base: Variant, *, seed: int, weak: float = 2.0) -> Variant:
    """Merge pairs of touching segments of different bodies, each segment at most once.

    Parameters
    ----------
    weak : float
        How much contacts with little membrane are preferred, as automatic segmentations
        merge where the membrane is faint; 0 draws all contacts alike.
    """
    rng = np.random.default_rng(seed)
    chosen = _matching(volume, base, rng, weak)
    between = contact_openness(volume, base.pairs.contacts)
    labels = base.labels.copy()
    merges = []
    for row in chosen:
        merge = _merge(base.pairs, int(row), float(between[row]))
        _close_gap(base.labels, labels, merge)
        merges.append(merge)
    names = np.arange(int(labels.max()) + 1, dtype=labels.dtype)
    for merge in merges:
        names[merge.parts[1]] = merge.label
    return Variant(f"{base.name}, merged {seed}", names[labels], base.pairs, tuple(merges))


def _matching(
    volume: TruthVolume, base: Variant, rng: np.random.Generator, weak: float
) -> list[int]:
    """Return rows of pairs to merge, no segment twice."""
    contacts = base.pairs.contacts
    sizes = np.bincount(base.labels.ravel())
    large = (sizes[contacts.pairs] >= _SMALLEST_SEGMENT).all(axis=1)
    rows = np.flatnonzero(~base.pairs.same & large & (contacts.area >= _SMALLEST_CONTACT))
    between = contact_openness(volume, contacts)[rows]
    # Gumbel keys: the order of drawing without replacement with weights exp(weak * z).
    spread = max(float(between.std()), 1e-6)
    keys = rng.gumbel(size=len(rows)) + weak * (between - between.mean()) / spread
    taken: set[int] = set()
    found = []
    for row in rows[np.argsort(-keys)]:
        a, b = (int(v) for v in contacts.pairs[row])
        if a not in taken and b not in taken:
            taken |= {a, b}
            found.append(int(row))
    # About half of the segments stay as they are: they are the honest no.
    return found[: max(1, len(found) * 2 // 3)]


def _merge(pairs: Pairs, row: int, between: float) -> Merge:
    contacts = pairs.contacts
    a, b = (int(v) for v in contacts.pairs[row])
    one, other = (int(v) for v in pairs.bodies[row])
    faces = contacts.faces[contacts.first[row] : contacts.first[row + 1]]
    return Merge(a, (a, b), (one, other), faces, between)


def _close_gap(before: NDArray[Any], labels: NDArray[Any], merge: Merge) -> None:
    """Give the unassigned voxels between the two parts to the merged segment, in place.

    Otherwise a slit without label would tell a merge of ours from all other segments.
    """
    low = np.maximum(merge.faces.min(axis=0).astype(int) - 2 * _GAP_VOXELS, 0)
    high = merge.faces.max(axis=0).astype(int) + 2 * _GAP_VOXELS + 1
    window = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    here = before[window]
    near = [ndimage.distance_transform_edt(here != part) <= _GAP_VOXELS for part in merge.parts]
    labels[window][(here == 0) & near[0] & near[1]] = merge.label


def skeletons_of(
    volume: TruthVolume,
    labels: NDArray[Any],
    cache: Path | None = None,
    roots: tuple[int, ...] | None = None,
) -> list[Skeleton]:
    """Return skeletons of a label array, traced once when a cache folder is given.

    Parameters
    ----------
    roots : tuple of int, optional
        Of these segments only.
    """
    if cache is None:
        return list(skeletonize(labels, volume.voxel_nm, roots=roots))
    digest = hashlib.sha256(np.ascontiguousarray(labels).tobytes()).hexdigest()[:16]
    whole = cache / f"skeletons-{digest}.npz"
    if whole.exists():
        return [s for s in _stored(whole) if roots is None or s.root in roots]
    chosen = "" if roots is None else hashlib.sha256(repr(roots).encode()).hexdigest()[:8]
    path = cache / f"skeletons-{digest}{chosen}.npz"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        _store(path, list(skeletonize(labels, volume.voxel_nm, roots=roots)))
    return list(_stored(path))


def _store(path: Path, skeletons: list[Skeleton]) -> None:
    arrays: dict[str, Any] = {"roots": np.array([s.root for s in skeletons], np.int64)}
    for index, skeleton in enumerate(skeletons):
        arrays[f"v{index}"] = skeleton.vertices_nm
        arrays[f"e{index}"] = skeleton.edges
        arrays[f"r{index}"] = skeleton.radii_nm
    np.savez(path, **arrays)


def _stored(path: Path) -> Iterator[Skeleton]:
    with path.open("rb") as file, np.load(file) as stored:
        for index, root in enumerate(stored["roots"].tolist()):
            yield Skeleton(root, stored[f"v{index}"], stored[f"e{index}"], stored[f"r{index}"])
