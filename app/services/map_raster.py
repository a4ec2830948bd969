"""The bird's-eye map: all sites seen along one axis, counted in cells.

Works on the columns that the viewer draws, so that a million sites take a fraction of a
second and nothing is read from a file.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from connectome.space import BoxNm, PointNm

__all__ = ["PLANES", "MapSites", "SiteMap", "draw_map", "nearest_site"]

PLANES = {"xy": (0, 1), "xz": (0, 2), "yz": (1, 2)}
"""What runs to the right and what runs down."""
MOST_CELLS, LEAST_CELLS = 200, 24
_PER_SITE = 1.2
"""So many cells along an edge for each root of the number of sites: about one site a cell."""
_PIECE = 200_000

Counts = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class MapSites:
    """The sites that ask something, as columns of n rows.

    Parameters
    ----------
    points : ndarray (n, 3)
        Positions, nm.
    numbers : ndarray of uint64
        Their ids as numbers.
    probability : ndarray of float
        Negative where nothing was judged.
    visited : ndarray of bool
        Whether they are answered.
    """

    points: NDArray[np.float32]
    numbers: NDArray[np.uint64]
    probability: NDArray[np.float32]
    visited: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.numbers)


@dataclass(frozen=True, eq=False)
class SiteMap:
    """Cells of equal edge; arrays have the shape (down, right).

    Parameters
    ----------
    plane : str
        A key of `PLANES`.
    low_nm : tuple of float
        The corner of the first cell, right and down.
    cell_nm : float
        Edge of a cell.
    total, visited : ndarray of int
        Sites in each cell, and those that are answered.
    best : ndarray of float
        The greatest probability of the open sites; NaN without any, -1 if none is judged.
    """

    plane: str
    low_nm: tuple[float, float]
    cell_nm: float
    total: Counts
    visited: Counts
    best: NDArray[np.float32]

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of cells, down and right."""
        return self.total.shape[0], self.total.shape[1]

    def cell_at(self, right_nm: float, down_nm: float) -> tuple[int, int] | None:
        """Return the cell (down, right) that holds a place, None outside."""
        right, down = (
            int((at - low) // self.cell_nm)
            for at, low in zip((right_nm, down_nm), self.low_nm, strict=True)
        )
        rows, columns = self.shape
        return (down, right) if 0 <= down < rows and 0 <= right < columns else None

    def place_of(self, point_nm: PointNm) -> tuple[float, float]:
        """Return where a position lies in the plane, right and down, nm."""
        right, down = PLANES[self.plane]
        return point_nm[right], point_nm[down]


def draw_map(sites: MapSites, bounds: BoxNm, plane: str, most: int | None = None) -> SiteMap:
    """Return the map of sites in a plane, with so many cells along its longer edge.

    By default as many as leave about one site to a cell, within reason.
    """
    axes = PLANES[plane]
    if most is None:
        most = min(max(round(_PER_SITE * len(sites) ** 0.5), LEAST_CELLS), MOST_CELLS)
    size = [max(bounds.size[axis], 1.0) for axis in axes]
    low = (bounds.lower[axes[0]], bounds.lower[axes[1]])
    cell = max(size) / most
    columns, rows = (max(int(np.ceil(edge / cell - 1e-9)), 1) for edge in size)
    total = np.zeros(rows * columns, np.int64)
    visited = np.zeros(rows * columns, np.int64)
    best = np.full(rows * columns, np.nan, np.float32)
    for piece in _pieces(len(sites)):
        right, down = (
            ((sites.points[piece, axis] - start) / cell).astype(np.int32)
            for axis, start in zip(axes, low, strict=True)
        )
        code = down.clip(0, rows - 1) * columns + right.clip(0, columns - 1)
        seen = sites.visited[piece]
        total += np.bincount(code, minlength=len(total))
        visited += np.bincount(code[seen], minlength=len(total))
        np.fmax.at(best, code[~seen], sites.probability[piece][~seen])
    shape = (rows, columns)
    return SiteMap(
        plane, low, cell, total.reshape(shape), visited.reshape(shape), best.reshape(shape)
    )


def nearest_site(sites: MapSites, seen: SiteMap, right_nm: float, down_nm: float) -> int | None:
    """Return the number of the site nearest to a place, an open one if one is as near.

    As near means: no more than one cell farther away than the nearest of all.
    """
    if not len(sites):
        return None
    axes = PLANES[seen.plane]
    distance = np.hypot(
        sites.points[:, axes[0]] - np.float32(right_nm),
        sites.points[:, axes[1]] - np.float32(down_nm),
    )
    nearest = int(distance.argmin())
    open_ = np.where(sites.visited, np.float32(np.inf), distance)
    other = int(open_.argmin())
    if open_[other] <= distance[nearest] + seen.cell_nm:
        nearest = other
    return int(sites.numbers[nearest])


def _pieces(count: int) -> Iterator[slice]:
    # Each holds the interpreter for some milliseconds only: a window waits for it.
    for start in range(0, count, _PIECE):
        yield slice(start, start + _PIECE)
