"""The spatial index of the site layer: fixed levels of cells over the datastack's box."""

from __future__ import annotations

import math
from bisect import bisect_right
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from connectome.space import BoxNm, PointNm

__all__ = ["CellKey", "Grid"]


class CellKey(NamedTuple):
    """One cell of one level."""

    level: int
    x: int
    y: int
    z: int

    @property
    def chunk(self) -> str:
        """The key under which the client keeps the cell, and its file name with ``_``."""
        return f"{self.x},{self.y},{self.z}"


class Grid:
    """Levels of equal cells, coarse first.

    Parameters
    ----------
    bounds : BoxNm
        What the cells fill.
    splits : tuple of int
        For each level the number of cells along the longest edge; shorter edges get
        proportionally fewer, so that cells are nearly cubes.
    """

    def __init__(self, bounds: BoxNm, splits: tuple[int, ...]) -> None:
        self.bounds = bounds
        longest = max(bounds.size)
        self.shapes = tuple(_shape(bounds.size, longest / split) for split in splits)
        sizes = [math.prod(shape) for shape in self.shapes]
        self._first = [sum(sizes[:level]) for level in range(len(sizes))]

    def cell_size(self, level: int) -> PointNm:
        """Return the edge lengths (x, y, z) of a level's cells in nm."""
        x, y, z = (s / n for s, n in zip(self.bounds.size, self.shapes[level], strict=True))
        return (x, y, z)

    def code(self, key: CellKey) -> int:
        """Return a number for the cell that no other cell of any level has."""
        _, ny, nz = self.shapes[key.level]
        return self._first[key.level] + (key.x * ny + key.y) * nz + key.z

    @property
    def size(self) -> int:
        """Number of cells of all levels; their codes lie below it."""
        return self._first[-1] + math.prod(self.shapes[-1])

    def codes(self, points: NDArray[np.floating], level: int) -> NDArray[np.int32]:
        """Return the code of the cell of a level for each point, shape (n, 3), in nm."""
        shape = np.array(self.shapes[level])
        inside = (points - np.array(self.bounds.lower)) / np.array(self.bounds.size)
        places = np.clip((inside * shape).astype(np.int64), 0, shape - 1)
        within = (places[:, 0] * shape[1] + places[:, 1]) * shape[2] + places[:, 2]
        codes: NDArray[np.int32] = (self._first[level] + within).astype(np.int32)
        return codes

    def key(self, code: int) -> CellKey:
        """Return the cell of a code."""
        level = bisect_right(self._first, code) - 1
        _, ny, nz = self.shapes[level]
        rest, z = divmod(code - self._first[level], nz)
        return CellKey(level, *divmod(rest, ny), z)

    def __contains__(self, key: object) -> bool:
        if not isinstance(key, CellKey) or not 0 <= key.level < len(self.shapes):
            return False
        inside = zip((key.x, key.y, key.z), self.shapes[key.level], strict=True)
        return all(0 <= i < n for i, n in inside)


def _shape(size: PointNm, cell: float) -> tuple[int, int, int]:
    x, y, z = (max(1, round(edge / cell)) for edge in size)
    return (x, y, z)
