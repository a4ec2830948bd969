"""Which scan a session follows: noted in its folder, so that it goes on whenever it is opened."""

from __future__ import annotations

from pathlib import Path

from proofreading.files import storage_errors, write_atomically

__all__ = ["followed_scan", "note_scan"]

_NOTE = "scan.txt"


def note_scan(artifacts: Path, folder: Path) -> None:
    """Note in a session's artifacts which scan it follows.

    Raises
    ------
    StorageError
        If it cannot be written.
    """
    with storage_errors(artifacts):
        artifacts.mkdir(parents=True, exist_ok=True)
    write_atomically(artifacts / _NOTE, f"{folder.resolve()}\n")


def followed_scan(session: Path) -> Path | None:
    """Return the folder of the scan that a session follows, None if it follows none."""
    note = session / "artifacts" / _NOTE
    return Path(note.read_text("utf-8").strip()) if note.exists() else None
