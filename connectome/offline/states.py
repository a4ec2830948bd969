"""Viewer states that were posted: kept as they came, byte for byte, and never changed.

A state is text here. Ids in it go beyond what a float can hold, so nothing may be read and
written again on the way.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from enum import StrEnum
from pathlib import Path

from connectome.errors import DatastackError, InputError, StorageError

__all__ = ["STATE_LIMIT", "TOTAL_LIMIT", "StateKind", "StateStore", "StateTooLargeError"]

STATE_LIMIT = 16 << 20
"""Bytes that one state may have."""
TOTAL_LIMIT = 1 << 30
"""Bytes that all states together may have."""
_SCHEMA = """
CREATE TABLE IF NOT EXISTS state(
  id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, ms INTEGER NOT NULL,
  size INTEGER NOT NULL, body BLOB NOT NULL);
"""


class StateKind(StrEnum):
    """What a text describes."""

    STATE = "state"
    """A view of Neuroglancer."""
    PROPERTY = "property"
    """Segment properties, an info file of Neuroglancer's."""


class StateTooLargeError(InputError):
    """A state, or all of them together, would become too large."""


class StateStore:
    """The states of one datastack; every method may be called from any thread.

    Parameters
    ----------
    path : Path
        ``states.sqlite``; made if absent.
    state_limit, total_limit : int
        Bytes that one state, and all of them together, may have.

    Raises
    ------
    DatastackError
        If the file is something else.
    StorageError
        If it cannot be made.
    """

    def __init__(
        self, path: Path, *, state_limit: int = STATE_LIMIT, total_limit: int = TOTAL_LIMIT
    ) -> None:
        self._lock = threading.Lock()
        self._state_limit, self._total_limit = state_limit, total_limit
        try:
            self._file = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._file.execute("PRAGMA journal_mode=WAL")
            self._file.executescript(_SCHEMA)
        except sqlite3.OperationalError as error:
            raise _unwritable(error) from error
        except sqlite3.DatabaseError as error:
            raise DatastackError(
                f"The saved views {path} cannot be read: {error}.",
                "Restore the file from a copy, or move it away to start without saved views.",
            ) from error

    def add(self, body: bytes, kind: StateKind = StateKind.STATE) -> int:
        """Keep a text and return its number.

        Raises
        ------
        StateTooLargeError
            If it is too long, or there is no room for it beside the others.
        StorageError
            If it cannot be written.
        """
        if len(body) > self._state_limit:
            raise StateTooLargeError(
                f"A saved view may have {self._state_limit} bytes; this one has {len(body)}.",
                "Leave selected segments or local annotations away.",
            )
        with self._lock:
            try:
                return self._add(body, kind)
            except sqlite3.Error as error:
                raise _unwritable(error) from error

    def get(self, number: int, kind: StateKind = StateKind.STATE) -> bytes | None:
        """Return the text as it came, None if there is none of this number and kind."""
        if not 0 < number < 2**63:
            return None
        with self._lock:
            row = self._file.execute(
                "SELECT body FROM state WHERE id=? AND kind=?", (number, kind.value)
            ).fetchone()
        return None if row is None else bytes(row[0])

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._file.close()

    def _add(self, body: bytes, kind: StateKind) -> int:
        # One statement, so that two processes cannot fill the last room at once.
        row = self._file.execute(
            "INSERT INTO state(kind, ms, size, body) SELECT ?1, ?2, ?3, ?4"
            " WHERE (SELECT coalesce(sum(size), 0) FROM state) + ?3 <= ?5 RETURNING id",
            (kind.value, time.time_ns() // 1_000_000, len(body), body, self._total_limit),
        ).fetchall()
        if not row:
            raise StateTooLargeError(
                f"There is no room for more saved views than {self._total_limit} bytes.",
                "Move states.sqlite away to start afresh.",
            )
        return int(row[0][0])


def _unwritable(error: sqlite3.Error) -> StorageError:
    return StorageError(
        f"The saved views cannot be written: {error}.", "Make room on the disk and try again."
    )
