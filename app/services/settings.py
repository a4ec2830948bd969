"""Where Proofdesk keeps its things on this machine.

No token is ever among them: those stay in the files of the CAVE tools.
"""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_data_path

from connectome.errors import StorageError

__all__ = ["copies_folder", "data_folder", "demo_folder"]


def data_folder() -> Path:
    """Return the folder for datastacks and sessions that Proofdesk makes itself.

    ``PROOFDESK_HOME`` overrides the platform's place.

    Raises
    ------
    StorageError
        If it cannot be created.
    """
    chosen = os.environ.get("PROOFDESK_HOME")
    folder = Path(chosen) if chosen else user_data_path("proofdesk", appauthor=False)
    return _made(folder)


def copies_folder() -> Path:
    """Return the folder of the second copies of ledgers."""
    return _made(data_folder() / "copies")


def demo_folder() -> Path:
    """Return the folder of the bundled demo's datastack and sessions."""
    return _made(data_folder() / "demo")


def _made(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(
            f"The folder {folder} cannot be created: {error.strerror}.",
            "Set PROOFDESK_HOME to a folder that you can write.",
        ) from error
    return folder
