"""Which cell of the spatial index holds which site."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ngplugin.grid import Grid

__all__ = ["FEW_LEVELS", "levels_for", "place"]

FEW_LEVELS = (1, 4)
_MANY = 50_000


def levels_for(sites: int) -> tuple[int, ...]:
    """Return the levels of the spatial index for so many sites."""
    return FEW_LEVELS if sites < _MANY else (*FEW_LEVELS, 4 * FEW_LEVELS[-1])


def place(
    grid: Grid, points: NDArray[np.float32], fill: NDArray[np.int64], limit: int
) -> NDArray[np.int32]:
    """Return the code of a cell for each point: the coarsest that has room, first come first.

    Parameters
    ----------
    fill : ndarray of int64
        How many sites each cell holds; the new ones are added.
    limit : int
        Sites per cell; the finest level takes what is left over.
    """
    codes = np.empty(len(points), np.int32)
    waiting = np.arange(len(points))
    last = len(grid.shapes) - 1
    for level in range(last + 1):
        wanted = grid.codes(points[waiting], level)
        room = (
            np.full(waiting.size, True) if level == last else _rank(wanted) < limit - fill[wanted]
        )
        codes[waiting[room]] = wanted[room]
        fill += np.bincount(wanted[room], minlength=fill.size)
        waiting = waiting[~room]
    return codes


def _rank(codes: NDArray[np.int32]) -> NDArray[np.intp]:
    """Return how many of the same code stand before each."""
    order = np.argsort(codes, kind="stable")
    ordered = codes[order]
    begins = np.searchsorted(ordered, ordered)
    rank = np.empty(codes.size, np.intp)
    rank[order] = np.arange(codes.size) - begins
    return rank
