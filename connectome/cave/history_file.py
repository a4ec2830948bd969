"""An edit history in a file that grows: kill the program at any moment and go on later.

``FILE`` holds one operation a line and nothing else. ``FILE.progress`` (SQLite) holds which
roots are done; it is written after their operations have reached the disk, so that a root
is at worst read twice, and no operation is written twice. Whoever writes holds its lock.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from connectome.cave.history import RootHistory
from connectome.cave.operations import HistoryOperation
from connectome.closing import Closing
from connectome.errors import InputError, StorageError

__all__ = ["HistoryFile", "read_history"]

_TABLES = """
CREATE TABLE IF NOT EXISTS import (source TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS root (id TEXT PRIMARY KEY) WITHOUT ROWID;
"""


class HistoryFile(Closing):
    """The file of one import, open for one writer.

    Parameters
    ----------
    path : Path
        The file; made if it does not exist, gone on with if it does.
    source : str
        What is imported: the datastack's address, and how much of it.
    users : bool
        Whether to write who made each operation.

    Raises
    ------
    InputError
        If it belongs to another import, holds something else, or another program writes it.
    StorageError
        If it cannot be written.
    """

    def __init__(self, path: Path, source: str, *, users: bool = True) -> None:
        self.path = path
        self._users = users
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._progress = _locked(path.with_name(path.name + ".progress"), path)
        except OSError as error:
            raise _unwritable(path, error) from error
        try:
            self._check(source)
            self.known = {operation.operation_id for operation in self._mended()}
            self._file = path.open("ab")
        except OSError as error:
            self._progress.close()
            raise _unwritable(path, error) from error
        except BaseException:
            self._progress.close()
            raise

    def undone(self, roots: Iterable[int]) -> list[int]:
        """Return the roots that are not in the file yet, each once, in their order."""
        done = {int(root) for (root,) in self._progress.execute("SELECT id FROM root")}
        return [root for root in dict.fromkeys(roots) if root not in done]

    def write(self, history: RootHistory) -> int:
        """Add what was read of a root and return the number of new operations.

        A root with a problem is not done: its operations are kept, and the next import asks
        for it again.
        """
        fresh = [one for one in history.operations if one.operation_id not in self.known]
        try:
            self._file.write(b"".join(self._line(operation) for operation in fresh))
            self._file.flush()
            os.fsync(self._file.fileno())
            self.known.update(operation.operation_id for operation in fresh)
            if not history.problem:
                self._progress.execute(
                    "INSERT OR IGNORE INTO root VALUES (?)", (str(history.root),)
                )
        except (OSError, sqlite3.OperationalError) as error:
            raise _unwritable(self.path, error) from error
        return len(fresh)

    def close(self) -> None:
        """Close the files and give back the lock."""
        self._file.close()
        self._progress.close()

    def _line(self, operation: HistoryOperation) -> bytes:
        shown = operation if self._users else replace(operation, user_id="")
        return json.dumps(shown.as_json()).encode() + b"\n"

    def _check(self, source: str) -> None:
        self._progress.executescript(_TABLES)
        row = self._progress.execute("SELECT source FROM import").fetchone()
        if row is None:
            if self.path.exists() and self.path.stat().st_size:
                raise InputError(
                    f"The file {self.path} exists and is no import that can be gone on with.",
                    "Choose another name for the file.",
                )
            self._progress.execute("INSERT INTO import VALUES (?)", (source,))
        elif row[0] != source:
            raise InputError(
                f"The file {self.path} holds the history of {row[0]}.",
                "Choose another name for the file.",
            )

    def _mended(self) -> Iterator[HistoryOperation]:
        """Yield what is in the file, cutting off a line that a crash left unfinished."""
        if not self.path.exists():
            return
        with self.path.open("r+b") as file:
            whole = 0
            for line in file:
                if not line.endswith(b"\n"):
                    break
                yield _operation(line, self.path)
                whole += len(line)
            file.truncate(whole)


def read_history(path: Path) -> Iterator[HistoryOperation]:
    """Yield the operations of a file, in the order in which they were read.

    Raises
    ------
    InputError
        If the file cannot be read or holds something else.
    """
    try:
        with path.open("rb") as file:
            for line in file:
                # An import that runs now, or was killed, may have left half a line.
                if line.endswith(b"\n"):
                    yield _operation(line, path)
    except OSError as error:
        raise InputError(f"The file {path} cannot be read: {error.strerror}.") from error


def _operation(line: bytes, path: Path) -> HistoryOperation:
    try:
        return HistoryOperation.from_json(json.loads(line))
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"The file {path} holds a line that is no operation.", "Choose another file."
        ) from error


def _locked(progress: Path, path: Path) -> sqlite3.Connection:
    """Open the progress so that no other program can, until it is closed."""
    connection = sqlite3.connect(progress, timeout=0, isolation_level=None)
    try:
        connection.execute("PRAGMA locking_mode=EXCLUSIVE")
        connection.execute("BEGIN EXCLUSIVE")
        connection.execute("COMMIT")
    except sqlite3.DatabaseError as error:
        connection.close()
        if "locked" in str(error):
            raise InputError(
                f"Another program is writing to {path}.", "Wait until it ends, or stop it."
            ) from error
        raise InputError(
            f"The file {progress} beside {path} is damaged.", "Choose another name for the file."
        ) from error
    return connection


def _unwritable(path: Path, error: Exception) -> StorageError:
    reason = getattr(error, "strerror", None) or str(error)
    return StorageError(
        f"The file {path} cannot be written: {reason}.", "Check the disk and the folder's rights."
    )
