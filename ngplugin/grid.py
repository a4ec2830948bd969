"""The spatial index of the site layer: fixed levels of cells over the datastack's box."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

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

    def cells_at(self, point: PointNm) -> Iterator[CellKey]:
        """Yield the cells that hold the point, coarse first; outside points take the nearest."""
        x, y, z = (
            min(max((p - low) / edge, 0.0), 1.0)
            for p, low, edge in zip(point, self.bounds.lower, self.bounds.size, strict=True)
        )
        for level, (nx, ny, nz) in enumerate(self.shapes):
            i, j, k = min(int(x * nx), nx - 1), min(int(y * ny), ny - 1), min(int(z * nz), nz - 1)
            yield CellKey(level, i, j, k)

    def code(self, key: CellKey) -> int:
        """Return a number for the cell that no other cell of any level has."""
        _, ny, nz = self.shapes[key.level]
        return self._first[key.level] + (key.x * ny + key.y) * nz + key.z

    def __contains__(self, key: object) -> bool:
        if not isinstance(key, CellKey) or not 0 <= key.level < len(self.shapes):
            return False
        inside = zip((key.x, key.y, key.z), self.shapes[key.level], strict=True)
        return all(0 <= i < n for i, n in inside)


def _shape(size: PointNm, cell: float) -> tuple[int, int, int]:
    x, y, z = (max(1, round(edge / cell)) for edge in size)
    return (x, y, z)
