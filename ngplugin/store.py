"""The sites of the annotation layer: what Neuroglancer shows is drawn from here.

Writers (the window's thread, workers) and readers (Neuroglancer's server thread) meet
in an immutable `Snapshot`: geometry is append-only and never moves, property columns
are replaced as a whole, so that a reader can never see a half-written cell and never
waits for a writer.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from connectome.space import BoxNm, PointNm
from ngplugin.grid import CellKey, Grid
from proofreading.decisions import Answer
from proofreading.sites import Site, SiteKind

__all__ = [
    "ANSWER_CODES",
    "FLAG_ASIDE",
    "FLAG_CURRENT",
    "FLAG_FAILED",
    "KIND_CODES",
    "SiteStore",
    "Snapshot",
]

KIND_CODES = {
    SiteKind.ENDPOINT: 0,
    SiteKind.CONTACT: 1,
    SiteKind.JUNCTION: 2,
    SiteKind.BOTTLENECK: 3,
}
ANSWER_CODES: dict[Answer | None, int] = {
    None: 0,
    Answer.ACCEPT: 1,
    Answer.REJECT: 2,
    Answer.UNSURE: 3,
    Answer.LATER: 4,
    Answer.SKIP: 5,
}
FLAG_CURRENT = 1
FLAG_FAILED = 2
FLAG_ASIDE = 4
UNJUDGED = -1.0

# The order of a record's properties in the file format: four-byte ones first.
PROPERTIES = np.dtype(
    [("probability", "<f4"), ("kind", "u1"), ("answer", "u1"), ("flags", "u1"), ("spare", "u1")]
)
RECORD = np.dtype([("point", "<f4", 3), ("properties", PROPERTIES)])


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
    segments : list of tuple of int
        Root ids related to each site, as when it was found.
    """

    count: int
    points: NDArray[np.float32]
    numbers: NDArray[np.uint64]
    cells: NDArray[np.int32]
    properties: NDArray[np.void]
    segments: list[tuple[int, ...]]

    def rows_in_cell(self, code: int) -> NDArray[np.intp]:
        """Return the rows of a cell, the ones that matter most first."""
        return self.by_importance(np.flatnonzero(self.cells[: self.count] == code))

    def by_importance(self, rows: NDArray[np.intp]) -> NDArray[np.intp]:
        """Order rows: undecided before decided, then by falling probability.

        The client thins out a crowded view from the end of each cell's list.
        """
        chosen = self.properties[rows]
        order = np.lexsort((-chosen["probability"], chosen["answer"] != 0))
        return rows[order]

    def encode(self, rows: NDArray[np.intp]) -> bytes:
        """Return a list of annotations: count, records, ids (little-endian).

        Follows ``neuroglancer_annotations_v1`` of the precomputed format.
        """
        head = np.array([rows.size], dtype="<u8").tobytes()
        return head + self._records(rows).tobytes() + self.numbers[rows].astype("<u8").tobytes()

    def encode_one(self, row: int) -> bytes:
        """Return one annotation with its related segments, as ``by_id`` serves it."""
        segments = self.segments[row]
        related = np.array([len(segments)], "<u4").tobytes() + np.array(segments, "<u8").tobytes()
        return self._records(np.array([row])).tobytes() + related

    def _records(self, rows: NDArray[np.intp]) -> NDArray[np.void]:
        records = np.zeros(rows.size, RECORD)
        records["point"] = self.points[rows]
        records["properties"] = self.properties[rows]
        return records


class SiteStore:
    """The truth of the site layer; every method may be called from any thread.

    Parameters
    ----------
    bounds : BoxNm
        The box of the datastack; fixed, because the spatial index hangs on it.
    voxel_nm : tuple of float
        Edge lengths of a voxel (x, y, z) in nm, the unit of the viewer's positions.
    levels : sequence of int
        Number of cells along the longest edge for each level of the spatial index,
        coarse first. Sites fill the coarsest cell that has room. The client asks for
        every cell in view, empty ones too, so few cells leave its connections to the
        imagery.
    cell_limit : int
        Sites per cell; the finest level takes what is left over.
    """

    def __init__(
        self,
        bounds: BoxNm,
        voxel_nm: PointNm,
        *,
        levels: Sequence[int] = (1, 4),
        cell_limit: int = 1024,
    ) -> None:
        self.bounds = bounds
        self.voxel_nm = voxel_nm
        self.grid = Grid(bounds, tuple(levels))
        self.cell_limit = cell_limit
        self._lock = threading.Lock()
        self._rows: dict[int, int] = {}
        self._fill: dict[int, int] = {}
        self._by_segment: dict[int, list[int]] = {}
        self._current: int | None = None
        self._snapshot = _empty(1024)

    def __len__(self) -> int:
        return self._snapshot.count

    def __contains__(self, site_id: object) -> bool:
        return isinstance(site_id, str) and int(site_id, 16) in self._rows

    @property
    def snapshot(self) -> Snapshot:
        """The sites now."""
        return self._snapshot

    @property
    def current(self) -> str | None:
        """The id of the current site, if there is one."""
        number = self._current
        return None if number is None else f"{number:016x}"

    def add(self, sites: Sequence[Site]) -> set[CellKey]:
        """Add sites that are not known yet and return the cells that grew."""
        with self._lock:
            unique = {site.number: site for site in sites}
            fresh = [(n, site) for n, site in unique.items() if n not in self._rows]
            base = self._snapshot
            count = base.count + len(fresh)
            grown = _with_capacity(base, count)
            keys = [self._enter(n, site, grown) for n, site in fresh]
            if fresh:
                new = slice(base.count, count)
                grown.points[new] = [site.point_nm for _, site in fresh]
                grown.numbers[new] = [number for number, _ in fresh]
                grown.cells[new] = [self.grid.code(key) for key in keys]
                grown.properties[new] = [
                    (UNJUDGED, KIND_CODES[site.kind], 0, 0, 0) for _, site in fresh
                ]
            self._snapshot = replace(grown, count=count)
            return set(keys)

    def row_of(self, number: int) -> int | None:
        """Return the row of a site's number, or None where it is unknown."""
        return self._rows.get(number)

    def rows_of_segment(self, root: int) -> NDArray[np.intp]:
        """Return the rows of the sites that were found at this root."""
        with self._lock:
            return np.array(self._by_segment.get(root, ()), dtype=np.intp)

    def set_probabilities(self, ids: Sequence[str], values: Sequence[float]) -> list[int]:
        """Record calibrated probabilities (0 to 1) and return the numbers of the sites changed.

        Ids that the store does not hold are passed over: a verdict may arrive for a
        site that another session found.

        Raises
        ------
        ValueError
            If a value is not between 0 and 1 or the lengths differ.
        """
        if not all(math.isfinite(v) and 0.0 <= v <= 1.0 for v in values):
            msg = "a probability is between 0 and 1"
            raise ValueError(msg)
        with self._lock:
            rows, kept = self._known(ids, values)
            table = self._snapshot.properties.copy()
            table["probability"][rows] = kept
            table["flags"][rows] &= 0xFF ^ FLAG_FAILED
            return self._publish(table, rows)

    def set_failed(self, ids: Sequence[str]) -> list[int]:
        """Mark sites whose verdict could not be made and return the numbers changed."""
        with self._lock:
            rows, _ = self._known(ids, [UNJUDGED] * len(ids))
            table = self._snapshot.properties.copy()
            table["probability"][rows] = UNJUDGED
            table["flags"][rows] |= FLAG_FAILED
            return self._publish(table, rows)

    def set_answers(self, ids: Sequence[str], answers: Sequence[Answer | None]) -> list[int]:
        """Record answers (None takes one back) and return the numbers changed."""
        with self._lock:
            rows, kept = self._known(ids, [ANSWER_CODES[answer] for answer in answers])
            table = self._snapshot.properties.copy()
            table["answer"][rows] = kept
            return self._publish(table, rows)

    def set_aside(self, ids: Sequence[str], aside: Sequence[bool]) -> list[int]:
        """Set sites aside that ask nothing of their own, or bring them back.

        Returns
        -------
        list of int
            The numbers changed.
        """
        with self._lock:
            rows, kept = self._known(ids, [FLAG_ASIDE * value for value in aside])
            table = self._snapshot.properties.copy()
            flags = table["flags"][rows] & (0xFF ^ FLAG_ASIDE)
            table["flags"][rows] = flags | np.array(kept, np.uint8)
            return self._publish(table, rows)

    def set_current(self, site_id: str | None) -> list[int]:
        """Put the ring around a site (None: around none) and return the numbers changed."""
        with self._lock:
            number = None if site_id is None else int(site_id, 16)
            old = None if self._current is None else self._rows[self._current]
            new = None if number is None else self._rows.get(number)
            self._current = number if new is not None else None
            rows = [row for row in (old, new) if row is not None]
            table = self._snapshot.properties.copy()
            table["flags"][rows] &= 0xFF ^ FLAG_CURRENT
            if new is not None:
                table["flags"][new] |= FLAG_CURRENT
            return self._publish(table, rows)

    def properties_of(self, numbers: Iterable[int]) -> tuple[list[int], bytes]:
        """Return the known ones of these numbers and their packed `PROPERTIES`."""
        with self._lock:
            known = [number for number in numbers if number in self._rows]
            rows = np.array([self._rows[number] for number in known], dtype=np.intp)
            return known, self._snapshot.properties[rows].tobytes()

    def _enter(self, number: int, site: Site, into: Snapshot) -> CellKey:
        """Index a site under its number and segments and find its cell."""
        row = len(into.segments)
        segments = tuple(dict.fromkeys([site.root, *(p.root for p in site.partners)]))
        into.segments.append(segments)
        for root in segments:
            self._by_segment.setdefault(root, []).append(row)
        self._rows[number] = row
        return self._roomy_cell(site.point_nm)

    def _roomy_cell(self, point: PointNm) -> CellKey:
        for key in self.grid.cells_at(point):
            code = self.grid.code(key)
            filled = self._fill.get(code, 0)
            if filled < self.cell_limit or key.level == len(self.grid.shapes) - 1:
                break
        self._fill[code] = filled + 1
        return key

    def _known(self, ids: Sequence[str], values: Sequence[float]) -> tuple[list[int], list[float]]:
        pairs = [
            (self._rows[int(name, 16)], value)
            for name, value in zip(ids, values, strict=True)
            if int(name, 16) in self._rows
        ]
        return [row for row, _ in pairs], [value for _, value in pairs]

    def _publish(self, table: NDArray[np.void], rows: Sequence[int]) -> list[int]:
        old = self._snapshot
        self._snapshot = replace(old, properties=table)
        return [int(number) for number in old.numbers[list(rows)]]


def _empty(capacity: int) -> Snapshot:
    return Snapshot(
        count=0,
        points=np.zeros((capacity, 3), np.float32),
        numbers=np.zeros(capacity, np.uint64),
        cells=np.full(capacity, -1, np.int32),
        properties=np.zeros(capacity, PROPERTIES),
        segments=[],
    )


def _with_capacity(old: Snapshot, needed: int) -> Snapshot:
    """Return arrays with room for `needed` rows; readers of the old ones are not disturbed."""
    if needed <= len(old.numbers):
        return old
    grown = _empty(max(needed, 2 * len(old.numbers)))
    for name in ("points", "numbers", "cells", "properties"):
        getattr(grown, name)[: old.count] = getattr(old, name)[: old.count]
    grown.segments.extend(old.segments)
    return grown
