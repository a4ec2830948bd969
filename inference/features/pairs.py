"""Numbers that tell whether two touching segments are one neurite, for many pairs at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference.datasets.contacts import Contacts, find_contacts
from inference.features.block import Block, prepared
from inference.features.contact import contact_columns
from inference.features.shape import shape_columns
from inference.features.spec import FeatureSpec
from inference.features.surface import surfaces

__all__ = ["PairFeatures", "feature_names", "measured", "pair_features"]

_AT_ONCE = 128


@dataclass(frozen=True)
class PairFeatures:
    """A table of numbers about pairs of segments.

    Parameters
    ----------
    names : tuple of str
        Columns; ``em.…`` needs the microscopy, ``shape.…`` the labels alone.
    values : ndarray of float32, shape (n, d)
        Rows in the order of `pairs`.
    pairs : ndarray, shape (n, 2)
        The labels.
    """

    names: tuple[str, ...]
    values: NDArray[np.float32]
    pairs: NDArray[np.int64]

    def columns(self, prefix: str) -> NDArray[np.int64]:
        """Return the columns whose names begin so."""
        return np.array([i for i, name in enumerate(self.names) if name.startswith(prefix)])


def pair_features(
    em: NDArray[np.uint8],
    labels: NDArray[Any],
    contacts: Contacts,
    voxel_nm: tuple[float, float, float],
    spec: FeatureSpec,
    *,
    filled: bool = False,
) -> PairFeatures:
    """Measure every pair of a block of voxels.

    Parameters
    ----------
    em, labels : ndarray (z, y, x)
        Microscopy and segments.
    contacts : Contacts
        The pairs, found in ``labels`` or in ``labels`` with small gaps filled.
    voxel_nm : tuple of float
        Voxel size (x, y, z) in nm.
    filled : bool
        Whether the gaps of ``labels`` were filled with `gaps_filled_nm` before.

    Notes
    -----
    Whatever is measured lies within ``spec.reach_nm`` of a contact's middle, and no number
    depends on which of the two segments is called first.
    """
    return measured(
        prepared(em, labels, contacts.center, voxel_nm, spec, filled=filled), contacts, spec
    )


def measured(block: Block, contacts: Contacts, spec: FeatureSpec) -> PairFeatures:
    """Measure every pair of a block that was prepared with the same spec."""
    tables = list(_tables(block, contacts, spec))
    names, first = tables[0] if tables else (feature_names(spec), np.zeros((0, 0), np.float32))
    if not tables:
        first = np.zeros((0, len(names)), np.float32)
    values = np.concatenate([first, *(table for _, table in tables[1:])])
    return PairFeatures(names, values, contacts.pairs)


def feature_names(spec: FeatureSpec) -> tuple[str, ...]:
    """Return the names of the columns, in order."""
    labels = np.ones((2, 2, 4), np.uint32)
    labels[:, :, 2:] = 2
    contacts, em = find_contacts(labels), np.zeros(labels.shape, np.uint8)
    block = prepared(em, labels, contacts.center, (10.0, 10.0, 10.0), spec)
    return next(_tables(block, contacts, spec))[0]


def _tables(
    block: Block, contacts: Contacts, spec: FeatureSpec
) -> Iterator[tuple[tuple[str, ...], NDArray[np.float32]]]:
    for begin in range(0, len(contacts.area), _AT_ONCE):
        rows = np.arange(begin, min(begin + _AT_ONCE, len(contacts.area)))
        surface = surfaces(block, contacts, rows, spec)
        parts = (contact_columns(block, surface, spec), shape_columns(block, surface, spec))
        names = tuple(name for part in parts for name in part.names)
        values = [column for part in parts for column in part.values]
        yield names, np.stack(values, axis=1).astype(np.float32)
