"""The spatial folds in which every figure is measured.

Figures by the volume's protocol pool the folds ``low`` and ``high``. The fold ``middle``
covers the sections that neither of them tests, so that every place of the volume has a
model that never saw it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from connectome.errors import InputError
from inference.datasets.pairs import Pairs

__all__ = ["FOLDS", "PROTOCOL_FOLDS", "Fold", "both_unseen", "fold_named"]


Range = tuple[int, int]


@dataclass(frozen=True)
class Fold:
    """Blocks to train on and a block to test on, 32 sections apart.

    Bounds are section numbers of the contact position: ``[low, high)``.
    """

    name: str
    train_z: tuple[Range, ...]
    test_z: Range

    def train(self, pairs: Pairs) -> NDArray[np.bool_]:
        """Tell which pairs lie in a training block, shape (n,)."""
        return self.trains_at(pairs.contacts.center[:, 0])

    def test(self, pairs: Pairs) -> NDArray[np.bool_]:
        """Tell which pairs lie in the test block, shape (n,)."""
        return self.tests_at(pairs.contacts.center[:, 0])

    def trains_at(self, z: NDArray[np.integer]) -> NDArray[np.bool_]:
        """Tell which sections (n,) belong to a training block."""
        return np.asarray(np.logical_or.reduce([_within(z, bounds) for bounds in self.train_z]))

    def tests_at(self, z: NDArray[np.integer]) -> NDArray[np.bool_]:
        """Tell which sections (n,) belong to the test block."""
        return _within(z, self.test_z)

    def training_sections(self, depth: int) -> str:
        """Return the training blocks in words, for a volume of so many sections."""
        return " and ".join(f"{low} to {min(high, depth) - 1}" for low, high in self.train_z)

    def test_sections(self, depth: int) -> str:
        """Return the test block in words."""
        return f"{self.test_z[0]} to {min(self.test_z[1], depth) - 1}"


_END = 1 << 30
FOLDS = (
    Fold("low", train_z=((0, 140),), test_z=(172, _END)),
    Fold("high", train_z=((110, _END),), test_z=(0, 78)),
    Fold("middle", train_z=((0, 46), (204, _END)), test_z=(78, 172)),
)
PROTOCOL_FOLDS = ("low", "high")
"""The folds whose test answers are pooled into a published figure."""


def fold_named(name: str) -> Fold:
    """Return a fold.

    Raises
    ------
    InputError
        If there is none of this name.
    """
    for fold in FOLDS:
        if fold.name == name:
            return fold
    names = ", ".join(fold.name for fold in FOLDS)
    raise InputError(f"There is no fold {name!r}.", f"Folds are: {names}.")


def both_unseen(training: Pairs, fold: Fold, pairs: Pairs) -> NDArray[np.bool_]:
    """Tell for which pairs no training pair shows either body, shape (n,)."""
    seen = np.unique(training.bodies[fold.train(training)])
    return np.asarray(~np.isin(pairs.bodies, seen).any(axis=1))


def _within(z: NDArray[np.integer], bounds: Range) -> NDArray[np.bool_]:
    return np.asarray((z >= bounds[0]) & (z < bounds[1]))
