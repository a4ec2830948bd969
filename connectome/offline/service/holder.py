"""Who serves a datastack: at most one process, and where to find it.

The lock is an exclusive SQLite transaction on an empty file: it works on every platform
and ends with the process, however that ends. ``service.json`` beside it tells other
processes of the same person where the service listens.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path

from connectome.errors import DatastackError, StorageError

__all__ = ["RunningAddress", "ServiceLock", "find_running"]

_ASK_SECONDS = 3.0


@dataclass(frozen=True)
class RunningAddress:
    """Where a service listens and what opens it."""

    name: str
    folder: str
    pid: int
    url: str
    token: str = field(repr=False)
    secret: str = field(repr=False)

    @property
    def viewer_prefix(self) -> str:
        """The address under which Neuroglancer reads, without a token."""
        return f"{self.url}/t/{self.secret}"


class ServiceLock:
    """The right to serve one datastack folder, held until `release`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._connection = self._acquire()

    def _acquire(self) -> sqlite3.Connection:
        path = self._folder / "service.lock"
        try:
            connection = sqlite3.connect(
                path, timeout=0, isolation_level=None, check_same_thread=False
            )
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                raise DatastackError(
                    f"The datastack {self._folder} is already served{_holder(self._folder)}.",
                    "Use that service, or stop it first.",
                ) from error
            raise StorageError(
                f"The lock file {path} cannot be written.", "Check the folder's permissions."
            ) from error
        return connection

    def announce(self, address: RunningAddress) -> None:
        """Write ``service.json``, readable by this person only, in one step."""
        # mkstemp makes the file with mode 0600, so the token is never open to others.
        handle, temporary = tempfile.mkstemp(dir=self._folder, prefix=".service-")
        with os.fdopen(handle, "w") as stream:
            json.dump(asdict(address), stream)
        Path(temporary).replace(_card(self._folder))

    def release(self) -> None:
        """Give the right back."""
        with contextlib.suppress(OSError):
            _card(self._folder).unlink(missing_ok=True)
        self._connection.close()


def find_running(folder: Path) -> RunningAddress | None:
    """Return where this datastack is being served, None if it is not.

    The answer is verified by asking the service with its token; what a dead process
    left behind is ignored.
    """
    import requests

    address = _read_card(folder)
    # The card of a folder that was copied while served speaks of the other folder.
    if address is None or Path(address.folder) != folder.resolve():
        return None
    with requests.Session() as session:
        session.trust_env = False  # A proxy must not see the token, nor answer for loopback.
        try:
            answer = session.get(
                f"{address.url}/info/api/v2/datastacks",
                headers={"Authorization": f"Bearer {address.token}"},
                timeout=_ASK_SECONDS,
            )
            known = answer.status_code == 200 and address.name in answer.json()
        except (requests.RequestException, ValueError, TypeError):
            return None
    return address if known else None


def _card(folder: Path) -> Path:
    return folder / "service.json"


def _read_card(folder: Path) -> RunningAddress | None:
    try:
        fields = json.loads(_card(folder).read_text())
        address = RunningAddress(**fields)
    except (OSError, ValueError, TypeError):
        return None
    return address if str(address.url).startswith("http://127.0.0.1:") else None


def _holder(folder: Path) -> str:
    address = _read_card(folder)
    return "" if address is None else f" by process {address.pid} at {address.url}"
