"""Who has a session open for writing.

The operating system holds the lock and gives it back when the process ends, however it
ends, so that a crash leaves no stale lock; the file only says who the owner is.
"""

from __future__ import annotations

import getpass
import json
import os
import socket
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Self

from connectome.errors import SessionError, StorageError

__all__ = ["Owner", "OwnerLock", "person"]

if sys.platform == "win32":
    import msvcrt

    def _lock(file: IO[bytes]) -> None:
        # A byte far behind the text, so that others can still read who the owner is.
        file.seek(1 << 20)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock(file: IO[bytes]) -> None:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)


@dataclass(frozen=True)
class Owner:
    """The process that writes to a session."""

    pid: int
    host: str
    user: str
    since: str

    @classmethod
    def here(cls) -> Self:
        """Return this process."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        return cls(os.getpid(), socket.gethostname(), person(), now)


def person() -> str:
    """Return the login name, or the numeric user id of a machine that knows no name."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return str(os.getuid()) if hasattr(os, "getuid") else "unknown"


class OwnerLock:
    """Holds `owner.lock` of a session folder until `release` or the end of the process.

    Raises
    ------
    SessionError
        If another process, or another session object here, holds it.
    StorageError
        If the file cannot be written or the file system knows no locks.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._file = path.open("a+b")
        except OSError as error:
            raise StorageError(
                f"{path.parent} cannot be written ({error.strerror}).",
                "Check its permissions, or open the session read-only.",
            ) from error
        try:
            self._take()
        except BaseException:
            self._file.close()
            raise

    def release(self) -> None:
        """Give the lock back."""
        if not self._file.closed:
            # Emptied, not deleted: deleting could take away a lock that another just took.
            with suppress(OSError):
                self._file.truncate(0)
            self._file.close()

    def _take(self) -> None:
        try:
            _lock(self._file)
        except (BlockingIOError, PermissionError) as error:
            raise self._taken() from error
        except OSError as error:
            raise StorageError(
                f"{self.path.parent} lies on a disk that cannot lock files ({error.strerror}).",
                "Keep sessions on a local disk.",
            ) from error
        try:
            self._file.truncate(0)
            self._file.write(json.dumps(asdict(Owner.here())).encode())
            self._file.flush()
        except OSError as error:
            raise StorageError(
                f"{self.path.parent} cannot be written ({error.strerror}).",
                "Free space on its disk and try again.",
            ) from error

    def _taken(self) -> SessionError:
        owner = read_owner(self.path)
        who = "another window"
        if owner is not None:
            who = f"{owner.user} on {owner.host} (process {owner.pid}, since {owner.since})"
        return SessionError(
            f"{self.path.parent.name} is open already: {who}.",
            "Close it there, or open it here read-only.",
        )


def read_owner(path: Path) -> Owner | None:
    """Return who wrote the lock file last, or None if that cannot be told."""
    try:
        values = json.loads(path.read_text())
        return Owner(
            int(values["pid"]), str(values["host"]), str(values["user"]), str(values["since"])
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
