"""Open what a person names: a datastack, a session, or neither."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from app.services.scan_note import followed_scan
from app.services.settings import copies_folder, data_folder, demo_folder
from connectome.errors import SessionError
from proofreading.scan.record import read_record
from proofreading.session import Role, Session, read_info

if TYPE_CHECKING:
    from connectome.datastack import Datastack

__all__ = ["Opened", "open_session", "resolve", "session_for"]


@dataclass(frozen=True)
class Opened:
    """A session folder (perhaps not made yet) and the address of its datastack.

    `models` are ids or folders of models to use besides those that the session names;
    `scan` is the folder of a scan that the session follows.
    """

    session: Path
    address: str
    models: tuple[str, ...] = ()
    scan: Path | None = None


def resolve(target: str | None, session: Path | None = None) -> Opened:
    """Return what to open for ``proofdesk open [DATASTACK|S|SCAN]``.

    A session folder names its datastack itself; a datastack without a session, or a scan's
    folder, gets one in the person's data folder; nothing at all means the bundled demo.

    Raises
    ------
    SessionError
        If a session folder was named that does not exist.
    InputError
        If a scan's folder cannot be read.
    """
    if target is None:
        from app.services.demo import ensure_demo

        return ensure_demo()
    if target.rstrip("/\\").endswith(".proofdesk"):
        path = Path(target)
        if not path.exists():
            raise SessionError(
                f"There is no session {path}.",
                "Name a datastack to begin one: proofdesk open DATASTACK --session S",
            )
        return Opened(path, read_info(path).datastack_address, scan=followed_scan(path))
    if (record := read_record(Path(target))) is not None:
        folder = Path(target).resolve()
        return Opened(session or session_for(str(folder)), record.address, scan=folder)
    return Opened(session or session_for(target), target)


def session_for(address: str) -> Path:
    """Return the session folder that a datastack gets when none is named."""
    last = re.split(r"[/\\:]", address.rstrip("/\\"))[-1]
    plain = re.sub(r"[^A-Za-z0-9_.-]+", "_", last) or "session"
    return data_folder() / "sessions" / f"{plain}.proofdesk"


def open_session(
    folder: Path, *, datastack: Datastack | None = None, role: Role = "writer"
) -> Session:
    """Open a session, created on first use when its datastack is given.

    Raises
    ------
    SessionError
        If the folder is no session, belongs to another datastack, is newer than this
        program, or another window holds it.
    """
    copies = copies_folder()
    if datastack is None:
        return Session.open(folder, create=False, role=role, copies=copies)
    folder.parent.mkdir(parents=True, exist_ok=True)
    return Session.open(
        folder,
        datastack_name=datastack.name,
        datastack_address=datastack.address,
        role=role,
        copies=copies,
    )


def demo_session() -> Path:
    """Return the demo's session folder."""
    return demo_folder() / "demo.proofdesk"
