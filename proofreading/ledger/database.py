"""SQLite as the ledger and the catalogue use it: durable, shared, with clear errors.

Write-ahead logging lets one process write while others read; ``synchronous=FULL`` makes
every commit reach the disk before it is acknowledged (https://sqlite.org/wal.html).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from connectome.errors import ProofdeskError, SessionError, StorageError

__all__ = [
    "closing_on_error",
    "connect",
    "schema_version",
    "set_schema_version",
    "transaction",
    "translated",
]

BUSY_TIMEOUT_MS = 15_000

_FULL = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)
_UNWRITABLE = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM)
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """Open a database that any thread of this process may use, one at a time.

    Raises
    ------
    SessionError
        If it is missing (read-only), damaged, or no database.
    StorageError
        If the disk is full or the folder cannot be written.
    """
    if read_only and not path.exists():
        raise SessionError(
            f"{path} does not exist.", "Open the session once with the right to write."
        )
    with translated(path):
        if read_only:
            return _connect_reader(path)
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        with closing_on_error(connection):
            connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA recursive_triggers = ON")
        return connection


def _connect_reader(path: Path) -> sqlite3.Connection:
    try:
        return _open_uri(path, "mode=ro")
    except sqlite3.OperationalError:
        # A WAL database in a folder that cannot be written opens only as immutable, and
        # that is right only while no other process has unmerged pages beside it.
        wal = path.with_name(path.name + "-wal")
        if wal.exists() and wal.stat().st_size:
            raise
        return _open_uri(path, "immutable=1")


def _open_uri(path: Path, options: str) -> sqlite3.Connection:
    uri = f"file:{quote(str(path.resolve()))}?{options}"
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
    with closing_on_error(connection):
        connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    return connection


@contextmanager
def closing_on_error(connection: sqlite3.Connection) -> Iterator[None]:
    """Close the connection when the block fails, so that no handle leaks."""
    try:
        yield
    except BaseException:
        connection.close()
        raise


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Run the block as one write transaction: wholly on the disk afterwards, or not at all."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # SQLite has rolled back by itself after some errors (a full disk among them).
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def schema_version(connection: sqlite3.Connection) -> int:
    """Return the version the file was written with, 0 for a new file."""
    row: tuple[int] = connection.execute("PRAGMA user_version").fetchone()
    return row[0]


def set_schema_version(connection: sqlite3.Connection, version: int) -> None:
    """State the version of the file's tables."""
    connection.execute(f"PRAGMA user_version = {int(version)}")


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn what SQLite raises into errors of `connectome.errors`."""
    try:
        yield
    except sqlite3.Error as error:
        raise _meaning(error, path) from error


def _meaning(error: sqlite3.Error, path: Path) -> ProofdeskError:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in _FULL:
        return StorageError(
            f"{path.name} could not be written: the disk is full or failing.",
            f"Free space on the disk that holds {path.parent} and try again; nothing is lost.",
        )
    if code in _UNWRITABLE:
        return StorageError(
            f"{path} cannot be opened for writing.",
            "Check the permissions of its folder, or open the session read-only.",
        )
    if code in _BUSY:
        return SessionError(
            f"{path} is in use by another program.", "Close the other program and try again."
        )
    return SessionError(
        f"{path} is damaged or not a Proofdesk database ({error}).",
        "Restore it from a backup, or start a new session folder.",
    )
