"""Use-case: what a person can begin with, and whether an address answers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from app.services.opening import Opened, resolve
from app.services.preferences import Preferences, PreferencesStore
from connectome.errors import InputError, ProofdeskError
from connectome.opening import open_datastack, server_in
from proofreading.session import read_info

__all__ = [
    "Recent",
    "cave_address",
    "connect",
    "precomputed_address",
    "recent_sessions",
    "remember",
]


@dataclass(frozen=True)
class Recent:
    """A session that was open before.

    Parameters
    ----------
    session : Path
        Its folder.
    datastack : str
        What it belongs to.
    used : datetime or None
        When something was last written to it; None if it cannot be told.
    problem : str
        Why it cannot be opened; empty if it can.
    """

    session: Path
    datastack: str
    used: datetime | None
    problem: str = ""


def recent_sessions(preferences: Preferences) -> list[Recent]:
    """Return the sessions that were open before, the newest first."""
    return [_recent(Path(path)) for path in preferences.recent]


def _recent(path: Path) -> Recent:
    try:
        info = read_info(path)
        changed = max(file.stat().st_mtime for file in path.glob("ledger.sqlite*"))
    except ProofdeskError as error:
        return Recent(path, "", None, error.message)
    except (OSError, ValueError):
        return Recent(path, "", None, f"There is no session {path} any more.")
    return Recent(path, info.datastack_name, datetime.fromtimestamp(changed, UTC))


def remember(session: Path, store: PreferencesStore | None = None) -> None:
    """Put a session at the head of the recent ones.

    Raises
    ------
    InputError, StorageError
        If the settings cannot be read or written.
    """
    kept = store or PreferencesStore()
    kept.write(kept.read().opened(session))


def cave_address(datastack: str, server: str) -> str:
    """Return the address of a CAVE datastack; a public one needs no server.

    Raises
    ------
    InputError
        If no datastack is named.
    """
    name, where = datastack.strip(), server.strip().rstrip("/")
    if not name:
        raise InputError("No datastack is named.", "Write its name, such as minnie65_public.")
    return f"cave:{name}@{where}" if where else f"cave:{name}"


def precomputed_address(url: str) -> str:
    """Return the address of a segmentation in the precomputed format.

    Raises
    ------
    InputError
        If nothing was written.
    """
    text = url.strip().removeprefix("precomputed:").removeprefix("//").strip()
    if not text:
        raise InputError(
            "No volume is named.", "Write its address, such as gs://bucket/segmentation."
        )
    return f"precomputed:{text}"


def connect(address: str, token: str = "") -> tuple[Opened, str]:
    """Open a datastack for a moment, and return what to open and what it is, in words.

    A token that was given is kept where the CAVE tools keep theirs, once the server has
    taken it: nothing else on this machine ever holds it.

    Raises
    ------
    InputError, MachineError, ServiceError
        If it does not answer, or the token is not taken.
    """
    datastack = open_datastack(address, token=token.strip() or None)
    try:
        size = " × ".join(f"{each:g}" for each in datastack.segmentation.scales[0].voxel_nm)
        words = f"{datastack.name} answers. Voxels of {size} nm."
    finally:
        datastack.close()
    server = server_in(address)
    if token.strip() and server is not None:
        from connectome.cave.client import keep_token

        keep_token(server, token.strip())
    return resolve(address), words
