"""Where the segments of a label array touch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

__all__ = ["Contacts", "contact_center", "contact_spread", "find_contacts", "gaps_filled"]


@dataclass(frozen=True)
class Contacts:
    """Every pair of different non-zero labels that share a voxel face.

    Parameters
    ----------
    pairs : ndarray, shape (n, 2)
        Labels, the smaller first, sorted.
    area : ndarray, shape (n,)
        Number of shared faces.
    center : ndarray, shape (n, 3)
        The contact voxel (zyx) nearest to the centroid of the contact.
    first : ndarray, shape (n + 1,)
        Row of `faces` where each pair's faces begin.
    faces : ndarray, shape (m, 3)
        The voxel (zyx) before each shared face, sorted by pair.
    """

    pairs: NDArray[np.int64]
    area: NDArray[np.int64]
    center: NDArray[np.int64]
    first: NDArray[np.int64]
    faces: NDArray[np.int16]


def find_contacts(labels: NDArray[Any]) -> Contacts:
    """Return the contacts of a label array (zyx)."""
    found = [_faces_along(labels, axis) for axis in range(3)]
    low, high = (np.concatenate([part[i] for part in found]) for i in (0, 1))
    voxels = np.concatenate([part[2] for part in found])
    order = np.lexsort((high, low))
    low, high, voxels = low[order], high[order], voxels[order]
    starts = np.ones(len(low), np.bool_)
    starts[1:] = (low[1:] != low[:-1]) | (high[1:] != high[:-1])
    begin = np.flatnonzero(starts)
    first = np.append(begin, len(low)).astype(np.int64)
    area = np.diff(first)
    return Contacts(
        pairs=np.stack([low[begin], high[begin]], axis=1).astype(np.int64),
        area=area,
        center=_nearest_to_centroid(voxels, first, area),
        first=first,
        faces=voxels,
    )


def _faces_along(
    labels: NDArray[Any], axis: int
) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.int16]]:
    before = [slice(None)] * 3
    after = [slice(None)] * 3
    before[axis], after[axis] = slice(None, -1), slice(1, None)
    one, other = labels[tuple(before)], labels[tuple(after)]
    where = np.nonzero((one != other) & (one != 0) & (other != 0))
    a, b = one[where], other[where]
    return np.minimum(a, b), np.maximum(a, b), np.stack(where, axis=1).astype(np.int16)


def _nearest_to_centroid(
    voxels: NDArray[np.int16], first: NDArray[np.int64], area: NDArray[np.int64]
) -> NDArray[np.int64]:
    if not len(area):
        return np.zeros((0, 3), np.int64)
    positions = voxels.astype(np.float64)
    centroid = np.add.reduceat(positions, first[:-1], axis=0) / area[:, None]
    pair = np.repeat(np.arange(len(area)), area)
    distance = ((positions - centroid[pair]) ** 2).sum(axis=1)
    # Sorted by pair, then distance: the first row of each pair is its nearest voxel.
    order = np.lexsort((distance, pair))
    return voxels[order[first[:-1]]].astype(np.int64)


def gaps_filled(labels: NDArray[Any], reach: int) -> NDArray[Any]:
    """Return the labels with unassigned voxels given to the nearest label within ``reach``."""
    distance, nearest = ndimage.distance_transform_edt(labels == 0, return_indices=True)
    filled: NDArray[Any] = labels[tuple(nearest)]
    return np.where(distance <= reach, filled, labels.dtype.type(0))


def contact_center(labels: NDArray[Any], a: int, b: int, reach: int = 3) -> tuple[int, ...] | None:
    """Return the voxel (zyx) nearest to the centroid of the contact of two labels.

    Gaps of up to ``reach`` voxels on either side count as contact, as in training;
    None where the two do not touch in this array.
    """
    contacts = _contact_of(labels, a, b, reach)
    return tuple(int(v) for v in contacts.center[0]) if len(contacts.area) else None


def contact_spread(
    labels: NDArray[Any], a: int, b: int, count: int, reach: int = 3
) -> list[tuple[int, ...]]:
    """Return up to ``count`` voxels (zyx) spread evenly over the contact of two labels.

    The same labels always give the same voxels; none where the two do not touch.
    """
    faces = _contact_of(labels, a, b, reach).faces
    rows = np.linspace(0, len(faces) - 1, min(count, len(faces)), dtype=np.int64)
    return [tuple(int(v) for v in faces[row]) for row in rows]


def _contact_of(labels: NDArray[Any], a: int, b: int, reach: int) -> Contacts:
    dtype = np.uint8
    pair = np.where(labels == a, dtype(1), np.where(labels == b, dtype(2), dtype(0)))
    # Voxels of third segments are no gap, so only unassigned ones are filled.
    filled = gaps_filled(pair, reach)
    filled[(labels != 0) & (pair == 0)] = 0
    return find_contacts(filled)
