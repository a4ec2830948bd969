"""Labelled pairs of touching segments, by the protocol that published figures use.

Watershed pairs: touching supervoxels, each at least 90 % pure. Automatic pairs:
touching segments after gaps of up to 3 voxels are filled, at least 70 % pure outside
ignored voxels. A pair is positive when both have the same ground-truth body. Body 0
and the catch-all bodies of the volume are left out everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference.datasets.contacts import Contacts, find_contacts, gaps_filled
from inference.datasets.volumes import TruthVolume

__all__ = ["Pairs", "automatic_pairs", "coarser_pairs", "labelled_pairs", "watershed_pairs"]

GAP_VOXELS = 3
WATERSHED_PURITY = 0.9
AUTOMATIC_PURITY = 0.7


@dataclass(frozen=True)
class Pairs:
    """Touching pairs of one label array, with their truth.

    Parameters
    ----------
    labels : ndarray (z, y, x)
        The array in which the pair's segments are seen.
    contacts : Contacts
        The pairs and their contacts, the pairs without truth left out.
    same : ndarray of bool, shape (n,)
        Whether both segments belong to one body.
    bodies : ndarray, shape (n, 2)
        Ground-truth body of each segment.
    """

    labels: NDArray[Any]
    contacts: Contacts
    same: NDArray[np.bool_]
    bodies: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.same)


def watershed_pairs(volume: TruthVolume) -> Pairs:
    """Return the pairs of touching supervoxels."""
    owners = _owners(volume.supervoxels, volume, WATERSHED_PURITY, ignore_unknown=False)
    return _labelled(volume.supervoxels, find_contacts(volume.supervoxels), owners)


def automatic_pairs(volume: TruthVolume) -> Pairs:
    """Return the pairs of touching segments of the automatic segmentation."""
    filled = gaps_filled(volume.segmentation, GAP_VOXELS)
    owners = _owners(volume.segmentation, volume, AUTOMATIC_PURITY, ignore_unknown=True)
    return _labelled(volume.segmentation, find_contacts(filled), owners)


def coarser_pairs(volume: TruthVolume, joined: float, rng: np.random.Generator) -> Pairs:
    """Return the pairs of a coarser segmentation made from pure supervoxels.

    Each contact inside a body is joined with probability ``joined``, so that segments
    of many sizes are seen in training, up to whole bodies.
    """
    base = watershed_pairs(volume)
    chosen = base.contacts.pairs[base.same & (rng.random(len(base)) < joined)]
    size = int(volume.supervoxels.max()) + 1
    coarse = _joined(chosen, size)[volume.supervoxels]
    owners = _owners(coarse, volume, WATERSHED_PURITY, ignore_unknown=False)
    return _labelled(coarse, find_contacts(coarse), owners)


def labelled_pairs(volume: TruthVolume, labels: NDArray[Any], contacts: Contacts) -> Pairs:
    """Return the pairs of any segmentation of a volume's voxels, both at least 90 % pure.

    Voxels without truth do not count against purity.
    """
    owners = _owners(labels, volume, WATERSHED_PURITY, ignore_unknown=True)
    return _labelled(labels, contacts, owners)


def _joined(pairs: NDArray[np.int64], size: int) -> NDArray[np.uint32]:
    """Return for each label the smallest label it is joined with, shape (size,)."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    links = coo_matrix((np.ones(len(pairs), np.int8), pairs.T), shape=(size, size))
    _, component = connected_components(links, directed=False)
    smallest = np.full(component.max() + 1, size, np.int64)
    np.minimum.at(smallest, component, np.arange(size))
    return smallest[component].astype(np.uint32)


def _owners(
    labels: NDArray[Any], volume: TruthVolume, purity: float, *, ignore_unknown: bool
) -> NDArray[np.int64]:
    """Return the body of each label, 0 where it is not pure enough, shape (max label + 1,).

    With ``ignore_unknown``, voxels without truth do not count against purity.
    """
    truth = volume.groundtruth.astype(np.int64)
    known = truth.ravel() != 0 if ignore_unknown else np.ones(truth.size, np.bool_)
    counted, bodies = labels.ravel()[known], truth.ravel()[known]
    span = int(truth.max()) + 1
    keys, counts = np.unique(counted.astype(np.int64) * span + bodies, return_counts=True)
    label, body = keys // span, keys % span
    total = np.bincount(label, weights=counts, minlength=int(labels.max()) + 1)
    owners = np.zeros(len(total), np.int64)
    pure = counts >= purity * total[label]
    owners[label[pure]] = body[pure]
    owners[np.isin(owners, volume.excluded_bodies)] = 0
    owners[0] = 0
    return owners


def _labelled(labels: NDArray[Any], contacts: Contacts, owners: NDArray[np.int64]) -> Pairs:
    bodies = owners[contacts.pairs]
    kept = np.flatnonzero((bodies > 0).all(axis=1))
    area = contacts.area[kept]
    faces = [contacts.faces[contacts.first[i] : contacts.first[i + 1]] for i in kept]
    chosen = Contacts(
        pairs=contacts.pairs[kept],
        area=area,
        center=contacts.center[kept],
        first=np.concatenate([[0], np.cumsum(area)]).astype(np.int64),
        faces=np.concatenate(faces) if faces else np.zeros((0, 3), np.int16),
    )
    return Pairs(labels, chosen, bodies[kept, 0] == bodies[kept, 1], bodies[kept])
