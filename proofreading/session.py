"""A session: one folder, ``NAME.proofdesk``, with all that was found and decided.

::

    session.json       which datastack, and since when
    owner.lock         who writes to it now
    ledger.sqlite      the events
    catalogue.sqlite   sites and verdicts (derived)
    exports/           tables that were written
    artifacts/         pictures, logs, whatever may be deleted
"""

from __future__ import annotations

import json
import socket
import uuid
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Literal, Self

from connectome.closing import Closing
from connectome.errors import SessionError
from proofreading.catalogue import Catalogue
from proofreading.files import create_atomically, storage_errors, write_atomically
from proofreading.ledger.codec import from_plain, to_plain
from proofreading.ledger.copy import Header
from proofreading.ledger.events import SessionStarted
from proofreading.ledger.store import Ledger
from proofreading.session_lock import OwnerLock, person

__all__ = ["SCHEMA_VERSION", "Role", "Session", "SessionInfo", "read_info"]

SCHEMA_VERSION = 1

Role = Literal["writer", "worker"]


@dataclass(frozen=True)
class SessionInfo:
    """What `session.json` says."""

    schema_version: int
    id: str
    datastack_name: str
    datastack_address: str
    created: datetime


class Session(Closing):
    """An open session; see `Session.open`."""

    def __init__(
        self,
        folder: Path,
        info: SessionInfo,
        ledger: Ledger,
        catalogue: Catalogue,
        lock: OwnerLock | None,
    ) -> None:
        self.folder = folder
        self.info = info
        self.ledger = ledger
        self.catalogue = catalogue
        self._lock = lock

    @classmethod
    def open(
        cls,
        folder: Path,
        *,
        datastack_name: str | None = None,
        datastack_address: str | None = None,
        create: bool = True,
        read_only: bool = False,
        role: Role = "writer",
        copies: Path | None = None,
    ) -> Self:
        """Open a session folder, made new if it does not exist.

        Parameters
        ----------
        folder : Path
            ``NAME.proofdesk``.
        datastack_name, datastack_address : str, optional
            The datastack that the caller has in hand; needed for a new session, compared
            with an existing one.
        create : bool
            Whether a missing session is made.
        read_only : bool
            Write nothing and hold no lock; also opens a session of a newer Proofdesk.
        role : {"writer", "worker"}
            The writer (a window, ``decide``, ``export``) is alone and may add events. Workers
            (``detect``, ``judge``) add to the catalogue beside it and only read the ledger.
        copies : Path, optional
            Folder, best on another disk, for a second copy of the ledger.

        Raises
        ------
        SessionError
            If it is no session, of another datastack, newer, damaged, missing, or open in
            another window.
        StorageError
            If the folder cannot be written or the disk is full.
        """
        folder = Path(folder).expanduser().absolute()
        info = _existing(folder)
        if info is None:
            info = _create(
                folder, datastack_name, datastack_address, allowed=create and not read_only
            )
        _check_version(folder, info, read_only=read_only)
        _check_datastack(folder, info, datastack_name, datastack_address)
        with ExitStack() as undo:
            lock = None
            if role == "writer" and not read_only:
                lock = OwnerLock(folder / "owner.lock")
                undo.callback(lock.release)
                info = _moved(folder, info, datastack_address)
            ledger = _open_ledger(folder, read_only=read_only, role=role)
            undo.callback(ledger.close)
            catalogue = Catalogue.open(folder / "catalogue.sqlite", read_only=read_only)
            undo.callback(catalogue.close)
            session = cls(folder, info, ledger, catalogue, lock)
            if lock is not None and copies is not None:
                header = Header(info.id, str(folder), dict(to_plain(info)))
                ledger.keep_copy(copies / f"{info.id}.jsonl", header)
            if lock is not None:
                ledger.append(SessionStarted(person(), socket.gethostname(), _program_version()))
            undo.pop_all()
        return session

    @property
    def name(self) -> str:
        """The folder's name without ``.proofdesk``."""
        return self.folder.name.removesuffix(".proofdesk")

    @property
    def exports(self) -> Path:
        """Folder for tables, made when first asked for."""
        return self._made("exports")

    @property
    def artifacts(self) -> Path:
        """Folder for files that may be deleted, made when first asked for."""
        return self._made("artifacts")

    def close(self) -> None:
        """Close the files and give the lock back."""
        self.catalogue.close()
        self.ledger.close()
        if self._lock is not None:
            self._lock.release()

    def _made(self, name: str) -> Path:
        path = self.folder / name
        with storage_errors(path):
            path.mkdir(exist_ok=True)
        return path


def read_info(folder: Path) -> SessionInfo:
    """Return what a session folder says about itself, without opening it.

    Raises
    ------
    SessionError
        If it is missing or no session.
    """
    info = _existing(folder)
    if info is None:
        raise _missing(folder)
    return info


def _existing(folder: Path) -> SessionInfo | None:
    path = folder / "session.json"
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if folder.exists():
            _refuse_strange(folder)
        return None
    except NotADirectoryError as error:
        raise _strange(folder) from error
    except OSError as error:
        raise SessionError(
            f"{path} cannot be read ({error.strerror}).", "Check its permissions."
        ) from error
    except ValueError as error:
        raise SessionError(
            f"{path} is damaged.", "Restore it from a backup, or start a new session."
        ) from error
    return from_plain(SessionInfo, plain)


def _refuse_strange(folder: Path) -> None:
    """Refuse a folder with other things in it; what a broken-off creation leaves is ours."""
    if not folder.is_dir() or any(
        not entry.name.startswith((".session.json.", "owner.lock")) for entry in folder.iterdir()
    ):
        raise _strange(folder)


def _strange(folder: Path) -> SessionError:
    return SessionError(
        f"{folder} is not a Proofdesk session (it has no session.json).",
        "Give a session folder, or a new name such as monday.proofdesk.",
    )


def _missing(folder: Path) -> SessionError:
    return SessionError(
        f"There is no session {folder}.",
        "Check the path, or name the datastack so that the session can be made.",
    )


def _create(folder: Path, name: str | None, address: str | None, *, allowed: bool) -> SessionInfo:
    if not allowed or name is None or address is None:
        raise _missing(folder)
    info = SessionInfo(SCHEMA_VERSION, str(uuid.uuid4()), name, address, datetime.now(UTC))
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    if create_atomically(folder / "session.json", _text(info)):
        return info
    return read_info(folder)  # another process made it at the same moment


def _text(info: SessionInfo) -> str:
    return json.dumps(to_plain(info), indent=2) + "\n"


def _check_version(folder: Path, info: SessionInfo, *, read_only: bool) -> None:
    if info.schema_version > SCHEMA_VERSION and not read_only:
        raise SessionError(
            f"{folder.name} was written by a newer Proofdesk (version {info.schema_version}).",
            "Update Proofdesk, or open the session read-only.",
        )


def _check_datastack(
    folder: Path, info: SessionInfo, name: str | None, address: str | None
) -> None:
    another_name = name is not None and name != info.datastack_name
    another_place = (
        address is not None
        and address != info.datastack_address
        and not (_may_have_moved(address) and _may_have_moved(info.datastack_address))
    )
    if another_name or another_place:
        raise SessionError(
            f"{folder.name} belongs to the datastack {info.datastack_name} "
            f"({info.datastack_address}), not to {name or address}.",
            "Open it with its own datastack, or choose another session folder.",
        )


def _may_have_moved(address: str) -> bool:
    """Tell whether an address is a folder: those may be moved, servers may not."""
    return not address.startswith(("cave:", "precomputed:"))


def _moved(folder: Path, info: SessionInfo, address: str | None) -> SessionInfo:
    if address is None or address == info.datastack_address:
        return info
    moved = SessionInfo(info.schema_version, info.id, info.datastack_name, address, info.created)
    write_atomically(folder / "session.json", _text(moved))
    return moved


def _open_ledger(folder: Path, *, read_only: bool, role: Role) -> Ledger:
    path = folder / "ledger.sqlite"
    if role == "worker" and not read_only and not path.exists():
        Ledger.open(path).close()
    return Ledger.open(path, read_only=read_only or role == "worker")


def _program_version() -> str:
    try:
        return metadata.version("proofdesk")
    except metadata.PackageNotFoundError:
        return "unknown"
