"""The file behind the annotation tables: SQLite, one transaction per call, readers never wait.

Rows are only ever added; an update or a deletion gives the old row an end, so that every
past moment can still be read.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from connectome.errors import DatastackError, StorageError

__all__ = ["Database", "from_stamp", "to_stamp"]

_FORMAT = "1"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta(key TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS catalogue(
  number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, schema_type TEXT NOT NULL,
  details TEXT NOT NULL, created INTEGER NOT NULL, deleted INTEGER, modified INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS annotation(
  number INTEGER NOT NULL REFERENCES catalogue(number), id INTEGER NOT NULL,
  fields TEXT NOT NULL, created INTEGER NOT NULL, deleted INTEGER, superseded INTEGER,
  PRIMARY KEY(number, id)) WITHOUT ROWID;
INSERT OR IGNORE INTO meta VALUES ('format', '1'), ('clock', 0);
"""
_BUSY_SECONDS = 10.0
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_stamp(moment: datetime) -> int:
    """Return microseconds since 1970 (of a time with its zone)."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def from_stamp(stamp: int) -> datetime:
    """Return the UTC time of microseconds since 1970."""
    return _EPOCH + timedelta(microseconds=stamp)


class Database:
    """The open file; every method may be called from any thread.

    Parameters
    ----------
    path : Path
        ``annotations.sqlite``; made if absent.
    clock : callable
        Returns microseconds since 1970.

    Raises
    ------
    DatastackError
        If the file is something else, or a newer program wrote it.
    StorageError
        If it cannot be made.
    """

    def __init__(
        self, path: Path, clock: Callable[[], int] = lambda: time.time_ns() // 1000
    ) -> None:
        self._clock = clock
        self._read_lock, self._write_lock = threading.Lock(), threading.Lock()
        try:
            self._writer = _connect(path)
            self._writer.executescript(_SCHEMA)
            found = self._writer.execute("SELECT value FROM meta WHERE key='format'").fetchone()
            self._reader = _connect(path)
            self._reader.execute("PRAGMA query_only=ON")
        except sqlite3.OperationalError as error:
            raise _unwritable(path, error) from error
        except sqlite3.DatabaseError as error:
            raise DatastackError(
                f"The annotation tables {path} cannot be read: {error}.",
                "Restore the file from a copy, or move it away to start without annotations.",
            ) from error
        if found[0] != _FORMAT:
            self.close()
            raise DatastackError(
                f"The annotation tables {path} were written by a newer version.",
                "Update Proofdesk.",
            )

    @contextmanager
    def transaction(self) -> Iterator[tuple[sqlite3.Connection, int]]:
        """Open the one write transaction; yields the connection and the time it happens at.

        Times strictly increase, whatever the machine's clock does. Any error undoes all.

        Raises
        ------
        StorageError
            If the disk is full, the file cannot be written, or another process writes.
        """
        with self._write_lock:
            try:
                self._writer.execute("BEGIN IMMEDIATE")
                now = self._writer.execute(
                    "UPDATE meta SET value = max(value + 1, ?) WHERE key='clock' RETURNING value",
                    (self._clock(),),
                ).fetchone()[0]
                yield self._writer, int(now)
                self._writer.commit()
            except sqlite3.Error as error:
                self._rollback()
                raise StorageError(
                    f"The annotations could not be written: {error}.",
                    "Make room on the disk and try again.",
                ) from error
            except BaseException:
                self._rollback()
                raise

    def read(self, query: str, values: Sequence[object] = ()) -> list[Any]:
        """Return the rows of a query; never waits for a writer."""
        with self._read_lock:
            return self._reader.execute(query, values).fetchall()

    def close(self) -> None:
        """Close the file."""
        with self._read_lock, self._write_lock:
            self._reader.close()
            self._writer.close()

    def _rollback(self) -> None:
        if self._writer.in_transaction:
            self._writer.rollback()


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    return connection


def _unwritable(path: Path, error: sqlite3.Error) -> StorageError:
    return StorageError(
        f"The annotation tables {path} cannot be written: {error}.",
        "Make room on the disk, or the folder writable.",
    )
