"""Numbers measured on pairs, kept between refits; derived data that may be deleted."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from connectome.closing import Closing
from proofreading.ledger.database import closing_on_error, connect, transaction, translated

__all__ = ["MeasuredPairs", "PairKey"]

PairKey = tuple[str, int]
"""A site and the supervoxel of its partner."""


class MeasuredPairs(Closing):
    """One row of numbers for each pair, as it was when it was first measured.

    A pair that a person joins cannot be measured any more, so it is measured before.

    Parameters
    ----------
    path : Path
        A SQLite file, made when missing.
    spec_hash : str
        How the numbers are measured; those measured another way are not found.

    Raises
    ------
    SessionError, StorageError
        If the file cannot be read or written.
    """

    def __init__(self, path: Path, spec_hash: str) -> None:
        self._path = path
        self._spec = spec_hash
        self._lock = threading.Lock()
        self._db = connect(path)
        with closing_on_error(self._db), translated(path):
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._db.execute(
                "CREATE TABLE IF NOT EXISTS pairs (spec TEXT NOT NULL, site_id TEXT NOT NULL,"
                " partner TEXT NOT NULL, numbers BLOB NOT NULL,"
                " PRIMARY KEY (spec, site_id, partner)) WITHOUT ROWID"
            )
        self._known: dict[PairKey, NDArray[np.float32]] = {}
        self._read()

    def __len__(self) -> int:
        return len(self._known)

    def __contains__(self, key: object) -> bool:
        return key in self._known

    def rows(self, keys: Iterable[PairKey]) -> NDArray[np.float32]:
        """Return the numbers of measured pairs, shape (n, d).

        Raises
        ------
        KeyError
            If a pair was not measured.
        """
        return np.array([self._known[key] for key in keys], np.float32)

    def some(self, most: int = 512) -> NDArray[np.float32]:
        """Return the numbers of some measured pairs, shape (n, d); none if there are none."""
        rows = list(islice(self._known.values(), most))
        return np.array(rows, np.float32) if rows else np.empty((0, 0), np.float32)

    def look_up(self, keys: Iterable[PairKey]) -> None:
        """Take in what another process may have measured of these pairs."""
        missing = [key for key in keys if key not in self._known]
        with self._lock, translated(self._path):
            for site, partner in missing:
                row = self._db.execute(
                    "SELECT numbers FROM pairs WHERE spec = ? AND site_id = ? AND partner = ?",
                    (self._spec, site, str(partner)),
                ).fetchone()
                if row is not None:
                    self._known[site, partner] = np.frombuffer(row[0], "<f4")

    def add(self, measured: Mapping[PairKey, NDArray[np.float32]]) -> None:
        """Keep what was measured; what is known of a pair already stays."""
        fresh = {key: row for key, row in measured.items() if key not in self._known}
        with self._lock, translated(self._path), transaction(self._db):
            self._db.executemany(
                "INSERT OR IGNORE INTO pairs (spec, site_id, partner, numbers) VALUES (?, ?, ?, ?)",
                [
                    (self._spec, site, str(partner), np.asarray(row, "<f4").tobytes())
                    for (site, partner), row in fresh.items()
                ],
            )
        self._known.update(fresh)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def _read(self) -> None:
        with translated(self._path):
            rows = self._db.execute(
                "SELECT site_id, partner, numbers FROM pairs WHERE spec = ?", (self._spec,)
            )
            for site, partner, numbers in rows:
                self._known[site, int(partner)] = np.frombuffer(numbers, "<f4")
