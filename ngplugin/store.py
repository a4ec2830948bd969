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
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from connectome.space import BoxNm, PointNm
from ngplugin.grid import CellKey, Grid
from ngplugin.placement import FEW_LEVELS, place
from ngplugin.snapshot import (
    UNJUDGED,
    SitePatch,
    Snapshot,
    Veils,
    empty,
    importance,
    relate,
    related,
    with_capacity,
)
from proofreading.decisions import Answer
from proofreading.row_index import ABSENT, RowIndex
from proofreading.site_columns import KIND_CODES, SiteColumns
from proofreading.sites import Site

__all__ = [
    "ANSWER_CODES",
    "FLAG_ASIDE",
    "FLAG_CURRENT",
    "FLAG_FAILED",
    "KIND_CODES",
    "SiteStore",
    "Snapshot",
]

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
_DISORDER = 2
"""Cells are arranged anew when one part in so many of the sites is new or has a new score."""


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
        levels: Sequence[int] = FEW_LEVELS,
        cell_limit: int = 1024,
    ) -> None:
        self.bounds = bounds
        self.voxel_nm = voxel_nm
        self.grid = Grid(bounds, tuple(levels))
        self.cell_limit = cell_limit
        self.veils: Veils | None = None
        """Which sites look as if they had not been judged; asked on any thread."""
        self._lock = threading.Lock()
        self._index = RowIndex()
        self._fill = np.zeros(self.grid.size, np.int64)
        self._served = np.zeros(self.grid.size, np.bool_)
        self._served_segments = False
        self._unplaced = 0
        self._current: int | None = None
        self._snapshot = empty(1024)

    def __len__(self) -> int:
        return self._snapshot.count

    def __contains__(self, site_id: object) -> bool:
        return isinstance(site_id, str) and self.row_of(int(site_id, 16)) is not None

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
        different = {site.number: site for site in sites}
        columns = SiteColumns.of(list(different.values()))
        unknown = np.full(len(columns), np.nan)
        codes = self.add_columns(columns, unknown, np.zeros(len(columns), np.bool_))
        return {self.grid.key(code) for code in codes.tolist()}

    def add_columns(
        self,
        columns: SiteColumns,
        probabilities: NDArray[np.float64],
        failed: NDArray[np.bool_],
    ) -> NDArray[np.int32]:
        """Add sites, all different, that are not known yet, with their scores.

        Returns
        -------
        ndarray of int32
            Codes of the cells that grew.
        """
        with self._lock:
            fresh = np.flatnonzero(self._index.rows(columns.sites["number"]) == ABSENT)
            if not fresh.size:
                return np.empty(0, np.int32)
            if fresh.size < len(columns):
                columns = columns.take(fresh)
                probabilities, failed = probabilities[fresh], failed[fresh]
            sites, base = columns.sites, self._snapshot
            count = base.count + len(columns)
            grown = with_capacity(base, count, base.related_from[base.count] + related(columns))
            new = slice(base.count, count)
            grown.points[new] = sites["point"]
            grown.numbers[new] = sites["number"]
            unknown = np.isnan(probabilities)
            grown.properties["probability"][new] = np.where(unknown, UNJUDGED, probabilities)
            grown.properties["flags"][new] = np.where(failed & unknown, FLAG_FAILED, 0)
            grown.properties["kind"][new] = sites["kind"]
            relate(columns, grown, base.count)
            codes = self._placed(sites["point"], grown.properties["probability"][new])
            grown.cells[new] = codes
            self._index.add(sites["number"], np.arange(base.count, count, dtype=np.int32))
            # The judged ones among the very first are in the order of their worth.
            self._unplaced += len(columns) if base.count else int(unknown.sum())
            self._snapshot = replace(grown, count=count)
            return _different(codes)

    def row_of(self, number: int) -> int | None:
        """Return the row of a site's number, or None where it is unknown."""
        row = self._index.row(number)
        return None if row == ABSENT else row

    def serve(self, code: int | None) -> None:
        """Note that the page has asked for a cell, or for the sites of a segment (None)."""
        if code is None:
            self._served_segments = True
        else:
            self._served[code] = True

    def forget_served(self) -> None:
        """Note that there is no page any more that holds any cell."""
        self._served[:] = False
        self._served_segments = False

    def on_page(self, numbers: Sequence[int] | NDArray[np.uint64]) -> list[int]:
        """Return those of the known sites that the page may hold.

        What it asks for later has the values of then.
        """
        wanted = np.asarray(numbers, np.uint64)
        if self._served_segments:
            return [int(number) for number in wanted]
        rows = self._index.rows(wanted)
        known = rows != ABSENT
        cells = self._snapshot.cells[rows[known]]
        held: list[int] = wanted[known][self._served[cells]].tolist()
        return held

    @property
    def is_disordered(self) -> bool:
        """Whether so much has come that it is time to `arrange`."""
        last = len(self.grid.shapes) - 1
        crowded = self._snapshot.count > self.cell_limit and last > 0
        return crowded and self._unplaced * _DISORDER > self._snapshot.count

    def keys_on_page(self, codes: NDArray[np.int32]) -> list[CellKey]:
        """Return those of these cells that the page may hold."""
        return [self.grid.key(code) for code in codes[self._served[codes]].tolist()]

    def arrange(self) -> NDArray[np.int32]:
        """Put what matters most into the coarse cells; return the codes of those that changed.

        Sites are shown from coarse to fine, so that from afar only the coarse ones are
        seen. Takes a part of a second for a million sites, without holding anybody up.
        """
        with self._lock:
            before, self._unplaced = self._snapshot, 0
        count = before.count
        order = np.lexsort(importance(before.properties[:count]))
        cells = np.empty(count, np.int32)
        fill = np.zeros_like(self._fill)
        cells[order] = place(self.grid, before.points[order], fill, self.cell_limit)
        with self._lock:
            now = self._snapshot
            # Sites that came meanwhile stay where they are.
            late = now.cells[count : now.count]
            fill += np.bincount(late, minlength=fill.size)
            moved = cells != now.cells[:count]
            codes = np.concatenate([cells[moved], now.cells[:count][moved]])
            self._fill = fill
            kept = now.cells.copy()
            kept[:count] = cells
            self._snapshot = replace(now, cells=kept)
        return _different(codes)

    def set_scores(
        self,
        numbers: NDArray[np.uint64],
        probabilities: NDArray[np.float64],
        failed: NDArray[np.bool_],
    ) -> NDArray[np.uint64]:
        """Record the newest scores of different sites (NaN: no probability).

        Returns
        -------
        ndarray of uint64
            The numbers changed; sites that the store does not hold are passed over.
        """
        with self._lock:
            rows = self._index.rows(numbers)
            known = rows != ABSENT
            rows, chances = rows[known], probabilities[known]
            table = self._snapshot.properties.copy()
            table["probability"][rows] = np.where(np.isnan(chances), UNJUDGED, chances)
            flags = table["flags"][rows] & (0xFF ^ FLAG_FAILED)
            table["flags"][rows] = flags | np.where(
                failed[known] & np.isnan(chances), np.uint8(FLAG_FAILED), np.uint8(0)
            )
            self._unplaced += rows.size
            self._snapshot = replace(self._snapshot, properties=table)
            changed: NDArray[np.uint64] = numbers[known]
            return changed

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

    def set_aside(
        self, numbers: NDArray[np.uint64], aside: NDArray[np.bool_]
    ) -> NDArray[np.uint64]:
        """Set sites aside that ask nothing of their own, or bring them back.

        Returns
        -------
        ndarray of uint64
            The numbers changed.
        """
        with self._lock:
            rows = self._index.rows(numbers)
            known = rows != ABSENT
            rows = rows[known]
            table = self._snapshot.properties.copy()
            flags = table["flags"][rows] & (0xFF ^ FLAG_ASIDE)
            table["flags"][rows] = flags | (FLAG_ASIDE * aside[known]).astype(np.uint8)
            self._snapshot = replace(self._snapshot, properties=table)
            changed: NDArray[np.uint64] = numbers[known]
            return changed

    def set_current(self, site_id: str | None) -> list[int]:
        """Put the ring around a site (None: around none) and return the numbers changed."""
        with self._lock:
            number = None if site_id is None else int(site_id, 16)
            old = None if self._current is None else self.row_of(self._current)
            new = None if number is None else self.row_of(number)
            self._current = number if new is not None else None
            rows = [row for row in (old, new) if row is not None]
            table = self._snapshot.properties.copy()
            table["flags"][rows] &= 0xFF ^ FLAG_CURRENT
            if new is not None:
                table["flags"][new] |= FLAG_CURRENT
            return self._publish(table, rows)

    def patch_of(self, numbers: Iterable[int] | NDArray[np.uint64]) -> SitePatch:
        """Return the present properties of the known ones of these sites, cell by cell."""
        with self._lock:
            wanted = np.fromiter(numbers, np.uint64)
            rows = self._index.rows(wanted)
            rows = rows[rows != ABSENT]
            snapshot = self._snapshot
        rows = rows[np.argsort(snapshot.cells[rows], kind="stable")]
        packed = snapshot.told(rows, self.veils)["properties"].tobytes()
        return SitePatch(
            snapshot.numbers[rows].tolist(), packed, self._counted(snapshot.cells[rows])
        )

    def rows_on_page(self, begin: int, end: int) -> bytes:
        """Return the sites from one row to before another that lie in cells of the page.

        Returns
        -------
        bytes
            Little-endian: the number of cells (8 bytes); level, x, y, z and number of sites of
            each (4 bytes each); the records and then the ids of the sites, cell by cell, the
            ones that matter most first in each.
        """
        snapshot = self._snapshot
        cells = snapshot.cells[begin : min(end, snapshot.count)]
        rows = begin + np.flatnonzero(self._served[cells])
        keys = (*importance(snapshot.properties[rows]), snapshot.cells[rows])
        rows = rows[np.lexsort(keys)]
        counted = self._counted(snapshot.cells[rows])
        head = np.array([(*key, count) for key, count in counted], "<u4").tobytes()
        return (
            np.array([len(counted)], "<u8").tobytes()
            + head
            + snapshot.told(rows, self.veils).tobytes()
            + snapshot.numbers[rows].astype("<u8").tobytes()
        )

    def _counted(self, codes: NDArray[np.int32]) -> list[tuple[CellKey, int]]:
        """Return how many there are of each of sorted cells."""
        begins = np.flatnonzero(np.diff(codes, prepend=-1))
        counts = np.diff(begins, append=codes.size)
        return [
            (self.grid.key(code), count)
            for code, count in zip(codes[begins].tolist(), counts.tolist(), strict=True)
        ]

    def _placed(
        self, points: NDArray[np.float32], probabilities: NDArray[np.float32]
    ) -> NDArray[np.int32]:
        """Return the code of each new site's cell; the probable ones choose first."""
        order = np.argsort(-probabilities, kind="stable")
        codes = np.empty(len(points), np.int32)
        codes[order] = place(self.grid, points[order], self._fill, self.cell_limit)
        return codes

    def _known(self, ids: Sequence[str], values: Sequence[float]) -> tuple[list[int], list[float]]:
        rows = self._index.rows(np.array([int(name, 16) for name in ids], np.uint64)).tolist()
        pairs = [(row, v) for row, v in zip(rows, values, strict=True) if row != ABSENT]
        return [row for row, _ in pairs], [value for _, value in pairs]

    def _publish(self, table: NDArray[np.void], rows: Sequence[int]) -> list[int]:
        old = self._snapshot
        self._snapshot = replace(old, properties=table)
        return [int(number) for number in old.numbers[list(rows)]]


def _different(codes: NDArray[np.int32]) -> NDArray[np.int32]:
    return np.flatnonzero(np.bincount(codes)).astype(np.int32)
