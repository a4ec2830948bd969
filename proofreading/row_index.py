"""From 64-bit numbers to rows, for millions of them, in arrays instead of a dictionary."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["ABSENT", "RowIndex"]

ABSENT = -1
"""The row of a number that is not in the index."""

_MERGED = 4
"""A run is merged into the one before it unless that is so many times as long."""


class RowIndex:
    """Finds rows by number; numbers are added once and never taken out.

    Sorted runs whose lengths fall by a factor: adding costs O(log n) amortised, finding
    one search in each run, and a million numbers take 12 MB (a `dict` takes ten times that).
    """

    def __init__(self) -> None:
        self._runs: list[tuple[NDArray[np.uint64], NDArray[np.int32]]] = []
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, numbers: NDArray[np.uint64], rows: NDArray[np.int32]) -> None:
        """Add numbers, none of which is there already, with their rows.

        Readers on other threads see the index before or after, never between.
        """
        if not numbers.size:
            return
        order = np.argsort(numbers)
        runs = [*self._runs, (numbers[order], rows[order])]
        while len(runs) > 1 and runs[-2][0].size < _MERGED * runs[-1][0].size:
            runs[-2:] = [_merged(runs[-2], runs[-1])]
        self._runs = runs
        self._count += numbers.size

    def rows(self, numbers: NDArray[np.uint64]) -> NDArray[np.int32]:
        """Return the row of each number, `ABSENT` where it is not known."""
        found = np.full(numbers.shape, ABSENT, np.int32)
        if not self._runs:
            return found
        # In order, each search begins near where the last one ended.
        order = np.argsort(numbers)
        wanted = numbers[order]
        for known, rows in self._runs:
            place = np.minimum(np.searchsorted(known, wanted), known.size - 1)
            here = known[place] == wanted
            found[order[here]] = rows[place[here]]
        return found

    def row(self, number: int) -> int:
        """Return the row of one number, `ABSENT` if it is not known."""
        wanted = np.uint64(number)
        for known, rows in self._runs:
            place = int(known.searchsorted(wanted))
            if place < known.size and known[place] == wanted:
                return int(rows[place])
        return ABSENT


def _merged(
    first: tuple[NDArray[np.uint64], NDArray[np.int32]],
    second: tuple[NDArray[np.uint64], NDArray[np.int32]],
) -> tuple[NDArray[np.uint64], NDArray[np.int32]]:
    places = np.searchsorted(first[0], second[0])
    return np.insert(first[0], places, second[0]), np.insert(first[1], places, second[1])
