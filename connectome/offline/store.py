"""The log of edits in SQLite: one transaction per edit, one writer, readers never blocked.

Nothing here is ever updated or deleted. The truth about the graph is the ingested
arrays plus these rows; `connectome.offline.state` folds them.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from connectome.errors import DatastackError, StorageError
from connectome.offline.base import Rows
from connectome.offline.refusal import GraphRefusalError
from connectome.offline.state import EditRecord

__all__ = ["EditStore", "Operation", "write_operation", "write_record"]

_SCHEMA = """
CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE operation(
  id INTEGER PRIMARY KEY, kind TEXT NOT NULL, target INTEGER, user TEXT NOT NULL,
  ms INTEGER NOT NULL, status INTEGER NOT NULL, exception TEXT NOT NULL,
  request TEXT NOT NULL, edges_on BLOB NOT NULL, edges_off BLOB NOT NULL);
CREATE TABLE node(
  id INTEGER PRIMARY KEY, operation INTEGER NOT NULL REFERENCES operation(id),
  layer INTEGER NOT NULL, children BLOB NOT NULL);
CREATE INDEX node_of_operation ON node(operation);
CREATE TABLE lineage(
  old INTEGER NOT NULL, new INTEGER NOT NULL,
  operation INTEGER NOT NULL REFERENCES operation(id), PRIMARY KEY(old, new)) WITHOUT ROWID;
CREATE INDEX lineage_of_operation ON lineage(operation);
CREATE TABLE fake_edge(
  row INTEGER PRIMARY KEY, a INTEGER NOT NULL, b INTEGER NOT NULL,
  operation INTEGER NOT NULL REFERENCES operation(id));
"""
_BUSY_SECONDS = 10.0


@dataclass(frozen=True, eq=False)
class Operation:
    """One row of the operation log; `request` holds what was asked for, as JSON values."""

    id: int
    kind: str
    target: int | None
    user: str
    ms: int
    status: int
    exception: str
    request: Mapping[str, Any]
    on: Rows
    off: Rows
    roots: tuple[int, ...] = ()


class EditStore:
    """The log of one datastack.

    Parameters
    ----------
    path : Path
        ``graph.sqlite``.
    read_only : bool
        Whether this process may only follow what another one writes.
    commit : callable
        Ends a transaction; another one than SQLite's only to rehearse failures.

    Raises
    ------
    DatastackError
        If the file is missing or no such log.
    """

    def __init__(
        self,
        path: Path,
        *,
        read_only: bool = False,
        commit: Callable[[sqlite3.Connection], None] = sqlite3.Connection.commit,
    ) -> None:
        if not path.is_file():
            raise DatastackError(
                f"The datastack lacks its log of edits {path}.", "Run the ingest command again."
            )
        self._read_lock = threading.Lock()
        self._commit = commit
        try:
            self._reader = _connect(path)
            self._writer = None if read_only else _connect(path)
            self._reader.execute("SELECT value FROM meta").fetchone()
        except sqlite3.DatabaseError as error:
            raise DatastackError(
                f"The log of edits {path} cannot be read: {error}.",
                "Restore the folder from a copy, or ingest it again.",
            ) from error
        self._reader.execute("PRAGMA query_only=ON")

    @staticmethod
    def create(path: Path) -> None:
        """Write an empty log; the file must not exist."""
        connection = _connect(path)
        with connection:
            connection.executescript(_SCHEMA)
            connection.execute("INSERT INTO meta VALUES ('schema', '1')")
        connection.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Open the write transaction, commit it at the end, roll it back on any error.

        Raises
        ------
        StorageError
            If the disk is full or the file cannot be written.
        GraphRefusalError
            If another process holds the writer's place for longer than ten seconds.
        """
        if self._writer is None:
            raise DatastackError(
                "The datastack was opened for reading only.", "Send edits to its service."
            )
        try:
            self._writer.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            raise GraphRefusalError(500, "Could not acquire root lock") from error
        try:
            yield self._writer
            self._commit(self._writer)
        except sqlite3.Error as error:
            self._writer.rollback()
            raise StorageError(
                f"The edit could not be written: {error}.", "Make room on the disk and try again."
            ) from error
        except BaseException:
            self._writer.rollback()
            raise

    def data_version(self) -> int:
        """Return a number that changes when any connection but the reader's committed."""
        with self._read_lock:
            return int(self._reader.execute("PRAGMA data_version").fetchone()[0])

    def records(
        self, after: int, up_to_ms: int | None = None, via: sqlite3.Connection | None = None
    ) -> list[EditRecord]:
        """Return the applied edits with a higher operation id, at most up to a time."""
        if via is not None:
            return _read_records(via, after, up_to_ms)
        with self._read_lock:
            return _read_records(self._reader, after, up_to_ms)

    def operations(
        self, ids: Sequence[int], via: sqlite3.Connection | None = None
    ) -> dict[int, Operation]:
        """Return the rows of these operations; unknown ids are absent."""
        if via is not None:
            return _read_operations(via, ids)
        with self._read_lock:
            return _read_operations(self._reader, ids)

    def log(self) -> list[Operation]:
        """Return every row of the log, oldest first; refused edits too."""
        with self._read_lock:
            ids = [int(row[0]) for row in self._reader.execute("SELECT id FROM operation")]
            return list(_read_operations(self._reader, sorted(ids)).values())

    def last_on_target(self, target: int, via: sqlite3.Connection) -> tuple[int, str] | None:
        """Return number and kind of the last applied undo or redo of an operation."""
        row = via.execute(
            "SELECT id, kind FROM operation WHERE target=? AND status=0 ORDER BY id DESC",
            (target,),
        ).fetchone()
        return None if row is None else (int(row[0]), str(row[1]))

    def last_operation_at(self, ms: int) -> int:
        """Return the number of the last edit applied by a time, 0 if none."""
        with self._read_lock:
            row = self._reader.execute(
                "SELECT MAX(id) FROM operation WHERE status=0 AND ms<=?", (ms,)
            ).fetchone()
        return int(row[0] or 0)

    def last_row(self, via: sqlite3.Connection) -> tuple[int, int]:
        """Return the highest operation id given out, and the latest time, 0 if none."""
        row = via.execute("SELECT MAX(id), MAX(ms) FROM operation").fetchone()
        return int(row[0] or 0), int(row[1] or 0)

    def close(self) -> None:
        """Close the file."""
        with self._read_lock:
            self._reader.close()
        if self._writer is not None:
            self._writer.close()


def write_operation(via: sqlite3.Connection, operation: Operation) -> None:
    """Add one row of the operation log."""
    via.execute(
        "INSERT INTO operation VALUES (?,?,?,?,?,?,?,?,?,?)",
        (
            operation.id,
            operation.kind,
            operation.target,
            operation.user,
            operation.ms,
            operation.status,
            operation.exception,
            json.dumps(operation.request),
            operation.on.astype("<i8").tobytes(),
            operation.off.astype("<i8").tobytes(),
        ),
    )


def write_record(via: sqlite3.Connection, record: EditRecord, *, first_fake: int, top: int) -> None:
    """Add what an edit changed; its operation must be there already."""
    number = record.operation_id
    nodes = [(i, number, 2, c.astype("<u8").tobytes()) for i, c in record.new_l2]
    nodes += [(i, number, top, c.astype("<u8").tobytes()) for i, c in record.new_roots]
    via.executemany("INSERT INTO node VALUES (?,?,?,?)", nodes)
    links = [(old, new, number) for old, new in record.links]
    via.executemany("INSERT INTO lineage VALUES (?,?,?)", links)
    pairs = [(first_fake + k, int(a), int(b), number) for k, (a, b) in enumerate(record.fakes)]
    via.executemany("INSERT INTO fake_edge VALUES (?,?,?,?)", pairs)


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    return connection


def _read_records(via: sqlite3.Connection, after: int, up_to_ms: int | None) -> list[EditRecord]:
    limit = 2**62 if up_to_ms is None else up_to_ms
    rows = via.execute(
        "SELECT id, ms, edges_on, edges_off FROM operation"
        " WHERE id>? AND ms<=? AND status=0 ORDER BY id",
        (after, limit),
    ).fetchall()
    return [_read_record(via, *row) for row in rows]


def _read_record(
    via: sqlite3.Connection, number: int, ms: int, on: bytes, off: bytes
) -> EditRecord:
    nodes = via.execute(
        "SELECT id, layer, children FROM node WHERE operation=? ORDER BY layer, rowid", (number,)
    ).fetchall()
    links = via.execute("SELECT old, new FROM lineage WHERE operation=?", (number,)).fetchall()
    pairs = via.execute(
        "SELECT a, b FROM fake_edge WHERE operation=? ORDER BY row", (number,)
    ).fetchall()
    made = [(i, layer, np.frombuffer(c, dtype="<u8").astype(np.uint64)) for i, layer, c in nodes]
    return EditRecord(
        operation_id=number,
        ms=ms,
        on=np.frombuffer(on, dtype="<i8").astype(np.int64),
        off=np.frombuffer(off, dtype="<i8").astype(np.int64),
        fakes=np.asarray(pairs, dtype=np.uint64).reshape(-1, 2),
        new_l2=tuple((i, c) for i, layer, c in made if layer == 2),
        new_roots=tuple((i, c) for i, layer, c in made if layer > 2),
        links=tuple((old, new) for old, new in links),
    )


def _read_operations(via: sqlite3.Connection, ids: Sequence[int]) -> dict[int, Operation]:
    found: dict[int, Operation] = {}
    for number in ids:
        row = via.execute("SELECT * FROM operation WHERE id=?", (number,)).fetchone()
        if row is None:
            continue
        roots = via.execute(
            "SELECT id FROM node WHERE operation=? AND layer>2 ORDER BY id", (number,)
        ).fetchall()
        found[number] = Operation(
            id=row[0],
            kind=row[1],
            target=row[2],
            user=row[3],
            ms=row[4],
            status=row[5],
            exception=row[6],
            request=json.loads(row[7]),
            on=np.frombuffer(row[8], dtype="<i8").astype(np.int64),
            off=np.frombuffer(row[9], dtype="<i8").astype(np.int64),
            roots=tuple(int(r[0]) for r in roots),
        )
    return found
