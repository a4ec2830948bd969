"""What makes a pair unlike the training: which group of its numbers brings the distance.

Each group of numbers is replaced by what is usual among other pairs of the same dataset, and
the fall of the distance is the group's part in it; a deletion test of the distance.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["LEAST", "Blame", "blamed"]

Floats = NDArray[np.float32]

LEAST = 0.1
"""A group that brings less than this part of the distance is not named."""
_GROUPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("grey values around the contact", ("em.ball",)),
    ("the grey profile across the contact", ("em.profile", "em.shade", "em.unlike")),
    ("the membrane between them", ("em.",)),
    ("the neurites' thickness", ("shape.section", "shape.behind")),
    ("the shapes around the contact", ("shape.ball",)),
    ("the size and form of the contact", ("shape.",)),
)


@dataclass(frozen=True)
class Blame:
    """A group of numbers in words, and the part of the distance (0 to 1) that it brings."""

    words: str
    share: float


def blamed(
    distances: Callable[[Floats], NDArray[np.float64] | None],
    names: Sequence[str],
    row: Floats,
    usual: Floats,
) -> tuple[Blame, ...]:
    """Return what is unusual about a row, the most unusual first.

    Parameters
    ----------
    distances : callable
        The distances (n,) of rows (n, d) from the training.
    names : sequence of str
        The names of the d numbers.
    row : ndarray, shape (d,)
        The pair in question.
    usual : ndarray, shape (n, d)
        Other pairs of the dataset.
    """
    if not len(usual):
        return ()
    columns = _columns(names)
    typical = np.median(usual, axis=0).astype(np.float32)
    rows = np.tile(row, (len(columns) + 1, 1))
    for place, which in enumerate(columns.values(), 1):
        rows[place, which] = typical[which]
    found = distances(rows)
    if found is None or found[0] <= 0:
        return ()
    falls = 1 - found[1:] / found[0]
    blames = [Blame(words, float(fall)) for words, fall in zip(columns, falls, strict=True)]
    return tuple(sorted((b for b in blames if b.share >= LEAST), key=lambda b: -b.share))


def _columns(names: Sequence[str]) -> dict[str, list[int]]:
    """Return the columns of each group that has any; each belongs to the first that fits."""
    found: dict[str, list[int]] = {}
    for column, name in enumerate(names):
        for words, prefixes in _GROUPS:
            if name.startswith(prefixes):
                found.setdefault(words, []).append(column)
                break
    return found
