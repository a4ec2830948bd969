"""Bring a session back from the second copy of its ledger."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from connectome.errors import SessionError
from proofreading.files import create_atomically, storage_errors
from proofreading.ledger.copy import Header, Row, read_copy
from proofreading.ledger.store import Ledger
from proofreading.session_lock import OwnerLock

__all__ = ["KeptCopy", "Recovered", "kept_copies", "recover"]

_FILES = ("ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm")


@dataclass(frozen=True)
class KeptCopy:
    """A second copy.

    Parameters
    ----------
    path : Path
        Its file.
    folder : str
        Where the session lay.
    events : int
        How many events it has.
    last : str
        When the last was written, as ISO 8601; empty if there is none.
    """

    path: Path
    folder: str
    events: int
    last: str


@dataclass(frozen=True)
class Recovered:
    """What was brought back.

    Parameters
    ----------
    session : Path
        The session's folder.
    events_before, events_after : int
        How many events its ledger had (as far as it could be read), and has now.
    put_aside : str
        Where the old ledger lies now; empty if there was none.
    """

    session: Path
    events_before: int
    events_after: int
    put_aside: str


def kept_copies(folder: Path) -> list[KeptCopy]:
    """Return the copies in a folder, the newest first; what cannot be read is left out."""
    found = []
    for path in folder.glob("*.jsonl"):
        with suppress(SessionError):
            header, rows = read_copy(path)
            last = rows[-1][1] if rows else ""
            found.append(KeptCopy(path, header.folder, len(rows), last))
    return sorted(found, key=lambda each: each.last, reverse=True)


def recover(session: Path, copies: Path) -> Recovered:
    """Give a session the longest history there is: its ledger's own, or its copy's.

    Nothing is deleted: an old ledger is put aside in the session's folder.

    Raises
    ------
    SessionError
        If there is no copy of it, it is open in a window, or the two histories part.
    StorageError
        If something cannot be written.
    """
    session = session.expanduser().absolute()
    path = _copy_of(session, copies)
    header, copied = read_copy(path)
    with storage_errors(session):
        session.mkdir(parents=True, exist_ok=True)
    lock = OwnerLock(session / "owner.lock")
    try:
        return _rebuild(session, header, copied)
    finally:
        lock.release()


def _rebuild(session: Path, header: Header, copied: list[Row]) -> Recovered:
    own = _readable(session / "ledger.sqlite")
    shared = min(len(own), len(copied))
    if own[:shared] != copied[:shared]:
        raise SessionError(
            f"The ledger of {session.name} and its copy tell different stories.",
            "Keep both, and restore the session from a backup of your own.",
        )
    longest = max(own, copied, key=len)
    aside = _put_aside(session)
    create_atomically(session / "session.json", json.dumps(header.info, indent=2) + "\n")
    Ledger.rebuilt(session / "ledger.sqlite", longest).close()
    return Recovered(session, len(own), len(longest), str(aside or ""))


def _copy_of(session: Path, copies: Path) -> Path:
    """Return the copy of a session: by its id, or by where it lay if that is gone too."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        plain = json.loads((session / "session.json").read_text(encoding="utf-8"))
        path = copies / f"{plain['id']}.jsonl"
        if path.exists():
            return path
    for each in kept_copies(copies):
        if each.folder == str(session):
            return each.path
    raise SessionError(
        f"There is no second copy of {session} on this machine.",
        "Look which there are: proofdesk recover",
    )


def _readable(path: Path) -> list[Row]:
    """Return the events of a ledger as far as it can be read."""
    rows: list[Row] = []
    if not path.exists():
        return rows
    with suppress(sqlite3.Error), closing(sqlite3.connect(path)) as db:
        for row in db.execute("SELECT number, at, kind, body FROM events ORDER BY number"):
            rows.append((int(row[0]), str(row[1]), str(row[2]), str(row[3])))
    return rows


def _put_aside(session: Path) -> Path | None:
    present = [session / name for name in _FILES if (session / name).exists()]
    if not present:
        return None
    aside = session / f"ledger-before-{datetime.now(UTC):%Y%m%d-%H%M%S-%f}"
    with storage_errors(aside):
        aside.mkdir()
        for path in present:
            path.replace(aside / path.name)
    return aside
