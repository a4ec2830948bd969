"""The two spatial folds in which every figure is measured."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from connectome.errors import InputError
from inference.datasets.pairs import Pairs

__all__ = ["FOLDS", "Fold", "both_unseen", "fold_named"]


@dataclass(frozen=True)
class Fold:
    """A block to train on and a block to test on, 32 sections apart.

    Bounds are section numbers of the contact position: train ``[low, high)``.
    """

    name: str
    train_z: tuple[int, int]
    test_z: tuple[int, int]

    def train(self, pairs: Pairs) -> NDArray[np.bool_]:
        """Tell which pairs lie in the training block, shape (n,)."""
        return _within(pairs.contacts.center[:, 0], self.train_z)

    def test(self, pairs: Pairs) -> NDArray[np.bool_]:
        """Tell which pairs lie in the test block, shape (n,)."""
        return _within(pairs.contacts.center[:, 0], self.test_z)


_END = 1 << 30
FOLDS = (
    Fold("low", train_z=(0, 140), test_z=(172, _END)),
    Fold("high", train_z=(110, _END), test_z=(0, 78)),
)


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
    raise InputError(f"There is no fold {name!r}.", "Folds are: low, high.")


def both_unseen(training: Pairs, fold: Fold, pairs: Pairs) -> NDArray[np.bool_]:
    """Tell for which pairs no training pair shows either body, shape (n,)."""
    seen = np.unique(training.bodies[fold.train(training)])
    return np.asarray(~np.isin(pairs.bodies, seen).any(axis=1))


def _within(z: NDArray[np.int64], bounds: tuple[int, int]) -> NDArray[np.bool_]:
    return np.asarray((z >= bounds[0]) & (z < bounds[1]))
