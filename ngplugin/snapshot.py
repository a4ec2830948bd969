"""The sites of the annotation layer at one moment, and how they look in the file format."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ngplugin.grid import CellKey
from proofreading.site_columns import SiteColumns

__all__ = [
    "PROPERTIES",
    "RECORD",
    "UNJUDGED",
    "SitePatch",
    "Snapshot",
    "Veils",
    "empty",
    "importance",
    "relate",
    "related",
    "with_capacity",
]

UNJUDGED = -1.0

Veils = Callable[[NDArray[np.uint64]], NDArray[np.bool_]]
"""Tells of sites, by their numbers, which are to look as if they had not been judged."""

# The order of a record's properties in the file format: four-byte ones first.
PROPERTIES = np.dtype(
    [("probability", "<f4"), ("kind", "u1"), ("answer", "u1"), ("flags", "u1"), ("spare", "u1")]
)
RECORD = np.dtype([("point", "<f4", 3), ("properties", PROPERTIES)])


class SitePatch(NamedTuple):
    """New properties of sites, one cell's after the other's.

    Parameters
    ----------
    numbers : list of int
        Site ids as numbers.
    packed : bytes
        Their `PROPERTIES`.
    cells : list of (CellKey, int)
        The cells, and how many of the sites lie in each.
    """

    numbers: list[int]
    packed: bytes
    cells: list[tuple[CellKey, int]]


@dataclass(frozen=True)
class Snapshot:
    """The sites at one moment; arrays are longer than `count` and only the first `count` hold.

    Parameters
    ----------
    points : ndarray, shape (capacity, 3), float32
        Positions xyz in nm.
    numbers : ndarray, shape (capacity,), uint64
        Site ids as numbers.
    cells : ndarray, shape (capacity,), int32
        Code of the cell of the spatial index that holds each site.
    properties : ndarray, shape (capacity,), `PROPERTIES`
        Probability (-1 where not judged), kind, answer and flags.
    related_from : ndarray, shape (capacity + 1,), int64
        Where the related segments of each site begin; the next one's begin ends them.
    related : ndarray, shape (m,), uint64
        Root ids related to the sites, as when these were found.
    """

    count: int
    points: NDArray[np.float32]
    numbers: NDArray[np.uint64]
    cells: NDArray[np.int32]
    properties: NDArray[np.void]
    related_from: NDArray[np.int64]
    related: NDArray[np.uint64]

    def rows_in_cell(self, code: int) -> NDArray[np.intp]:
        """Return the rows of a cell, the ones that matter most first."""
        return self.by_importance(np.flatnonzero(self.cells[: self.count] == code))

    def by_importance(self, rows: NDArray[np.intp]) -> NDArray[np.intp]:
        """Order rows: undecided before decided, then by falling probability.

        The client thins out a crowded view from the end of each cell's list.
        """
        return rows[np.lexsort(importance(self.properties[rows]))]

    def rows_of_segment(self, root: int) -> NDArray[np.intp]:
        """Return the rows of the sites that were found at this root."""
        end = int(self.related_from[self.count])
        places = np.flatnonzero(self.related[:end] == np.uint64(root))
        rows = np.searchsorted(self.related_from[: self.count + 1], places, side="right") - 1
        return np.unique(rows)

    def told(self, rows: NDArray[Any], veils: Veils | None) -> NDArray[np.void]:
        """Return the records of rows; veiled sites look as if they had not been judged."""
        records = self._records(rows)
        if veils is not None:
            judged = np.flatnonzero(records["properties"]["probability"] >= 0)
            hidden = judged[veils(self.numbers[rows[judged]])]
            records["properties"]["probability"][hidden] = UNJUDGED
        return records

    def encode(self, rows: NDArray[np.intp], veils: Veils | None = None) -> bytes:
        """Return a list of annotations: count, records, ids (little-endian).

        Follows ``neuroglancer_annotations_v1`` of the precomputed format.
        """
        head = np.array([rows.size], dtype="<u8").tobytes()
        return head + self.told(rows, veils).tobytes() + self.numbers[rows].astype("<u8").tobytes()

    def encode_one(self, row: int, veils: Veils | None = None) -> bytes:
        """Return one annotation with its related segments, as ``by_id`` serves it."""
        begin, end = self.related_from[row : row + 2].tolist()
        segments = list(dict.fromkeys(self.related[begin:end].tolist()))
        related = np.array([len(segments)], "<u4").tobytes() + np.array(segments, "<u8").tobytes()
        return self.told(np.array([row]), veils).tobytes() + related

    def _records(self, rows: NDArray[Any]) -> NDArray[np.void]:
        records = np.zeros(rows.size, RECORD)
        records["point"] = self.points[rows]
        records["properties"] = self.properties[rows]
        return records


def importance(properties: NDArray[np.void]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return what to sort by: undecided before decided, then by falling probability."""
    return -properties["probability"], properties["answer"] != 0


def related(columns: SiteColumns) -> int:
    """Return how many entries sites need in the list of related segments."""
    return len(columns) + columns.partners.size


def relate(columns: SiteColumns, into: Snapshot, first: int) -> None:
    """Write each site's own root and its partners' into the flat list of related segments."""
    begin = int(into.related_from[first])
    counts = columns.sites["partners"].astype(np.int64) + 1
    ends = begin + np.cumsum(counts)
    into.related_from[first + 1 : first + 1 + len(columns)] = ends
    own = np.zeros(related(columns), np.bool_)
    own[ends - counts - begin] = True
    flat = into.related[begin : begin + own.size]
    flat[own] = columns.sites["root"]
    flat[~own] = columns.partners["root"]


def empty(capacity: int, roots: int = 0) -> Snapshot:
    """Return arrays with room for so many sites and related segments."""
    return Snapshot(
        count=0,
        points=np.zeros((capacity, 3), np.float32),
        numbers=np.zeros(capacity, np.uint64),
        cells=np.full(capacity, -1, np.int32),
        properties=np.zeros(capacity, PROPERTIES),
        related_from=np.zeros(capacity + 1, np.int64),
        related=np.zeros(max(roots, 2 * capacity), np.uint64),
    )


def with_capacity(old: Snapshot, needed: int, roots: int) -> Snapshot:
    """Return arrays with room for `needed` rows; readers of the old ones are not disturbed."""
    if needed <= len(old.numbers) and roots <= len(old.related):
        return old
    grown = empty(max(needed, 2 * len(old.numbers)), max(roots, 2 * len(old.related)))
    for name in ("points", "numbers", "cells", "properties"):
        getattr(grown, name)[: old.count] = getattr(old, name)[: old.count]
    ends = int(old.related_from[old.count])
    grown.related_from[: old.count + 1] = old.related_from[: old.count + 1]
    grown.related[:ends] = old.related[:ends]
    return grown
