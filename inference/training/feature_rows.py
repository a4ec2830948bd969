"""Measured places of labelled pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference.datasets.contacts import Contacts
from inference.datasets.folds import Fold
from inference.datasets.pairs import Pairs
from inference.features.pairs import pair_features
from inference.features.spec import FeatureSpec

__all__ = ["FeatureRows", "anchored", "concatenated", "measured_pairs", "spread_anchors"]


@dataclass(frozen=True)
class FeatureRows:
    """Measured places of labelled pairs.

    Parameters
    ----------
    values : ndarray of float32, shape (n, d)
        The features of each place.
    same : ndarray of bool, shape (n,)
        Whether both segments belong to one body.
    centers : ndarray, shape (n, 3)
        The voxel (zyx) around which was measured.
    pair : ndarray, shape (n,)
        Which pair each place belongs to.
    bodies : ndarray, shape (n, 2)
        True bodies of the segments.
    weight : ndarray, shape (n,)
        How much each row counts in training.
    """

    values: NDArray[np.float32]
    same: NDArray[np.bool_]
    centers: NDArray[np.int64]
    pair: NDArray[np.int64]
    bodies: NDArray[np.int64]
    weight: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.same)

    def rows(self, chosen: NDArray[Any]) -> FeatureRows:
        """Return some rows."""
        return FeatureRows(
            self.values[chosen],
            self.same[chosen],
            self.centers[chosen],
            self.pair[chosen],
            self.bodies[chosen],
            self.weight[chosen],
        )

    def trains(self, fold: Fold) -> NDArray[np.bool_]:
        """Tell which rows lie in the training block of a fold."""
        return fold.trains_at(self.centers[:, 0])


def concatenated(parts: Sequence[FeatureRows]) -> FeatureRows:
    """Return all rows; pairs of different parts stay different."""
    offsets = np.cumsum([0, *(int(part.pair.max(initial=-1)) + 1 for part in parts)])
    return FeatureRows(
        np.concatenate([part.values for part in parts]),
        np.concatenate([part.same for part in parts]),
        np.concatenate([part.centers for part in parts]),
        np.concatenate([p.pair + o for p, o in zip(parts, offsets, strict=False)]),
        np.concatenate([part.bodies for part in parts]),
        np.concatenate([part.weight for part in parts]),
    )


def measured_pairs(
    em: NDArray[np.uint8],
    pairs: Pairs,
    places: tuple[NDArray[np.int64], NDArray[np.int64]],
    voxel_nm: tuple[float, float, float],
    spec: FeatureSpec,
) -> FeatureRows:
    """Measure labelled pairs at some places: (rows of the pairs, voxels zyx)."""
    rows, voxels = places
    contacts = anchored(pairs.contacts, rows, voxels)
    values = pair_features(em, pairs.labels, contacts, voxel_nm, spec).values
    same = pairs.same[rows]
    return FeatureRows(values, same, voxels, rows, pairs.bodies[rows], np.ones(len(rows)))


def anchored(contacts: Contacts, rows: NDArray[np.int64], voxels: NDArray[np.int64]) -> Contacts:
    """Return the contacts of some rows, seen around other voxels than their middles."""
    area = contacts.area[rows]
    first = np.concatenate([[0], np.cumsum(area)]).astype(np.int64)
    within = np.arange(first[-1]) - np.repeat(first[:-1], area)
    faces = contacts.faces[np.repeat(contacts.first[rows], area) + within]
    return Contacts(contacts.pairs[rows], area, voxels, first, faces)


def spread_anchors(
    contacts: Contacts, voxel_nm: tuple[float, float, float], apart_nm: float, most: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return places (rows (m,), voxels (m, 3)): the middle of each contact, and more on large ones.

    A contact gets as many further places as its half-extent holds lengths of ``apart_nm``, at most
    ``most``, evenly spread over its faces.
    """
    rows: list[int] = []
    voxels: list[NDArray[np.int64]] = []
    size = np.asarray(voxel_nm[::-1])
    for row, center in enumerate(contacts.center):
        faces = contacts.faces[contacts.first[row] : contacts.first[row + 1]].astype(np.int64)
        away = np.sqrt((((faces - center) * size) ** 2).sum(axis=1).max())
        more = faces[_evenly(len(faces), min(most, int(away // apart_nm)))]
        rows += [row] * (1 + len(more))
        voxels += [center[None], more]
    return np.array(rows, np.int64), np.concatenate([np.zeros((0, 3), np.int64), *voxels])


def _evenly(count: int, wanted: int) -> NDArray[np.int64]:
    """Return the middles of so many equal parts of a range."""
    return ((np.arange(wanted) + 0.5) * count / max(wanted, 1)).astype(np.int64)
