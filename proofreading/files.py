"""Files that are there whole or not at all."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from connectome.errors import StorageError

__all__ = ["create_atomically", "storage_errors", "write_atomically"]


def write_atomically(path: Path, text: str) -> None:
    """Replace a file; whoever reads it sees the old or the new text, also after a power cut.

    Raises
    ------
    StorageError
        If the folder cannot be written or the disk is full; the old file stays.
    """
    with storage_errors(path), _written_beside(path, text) as temporary:
        temporary.replace(path)
        _sync_folder(path.parent)


def create_atomically(path: Path, text: str) -> bool:
    """Create a file with its whole text, and tell whether it was not there before.

    Raises
    ------
    StorageError
        If the folder cannot be written or the disk is full.
    """
    with storage_errors(path), _written_beside(path, text) as temporary:
        try:
            # Unlike a rename, a link never replaces what another process just created.
            os.link(temporary, path)
        except FileExistsError:
            return False
        _sync_folder(path.parent)
    return True


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn errors of the file system into `StorageError`."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            message = f"{path.name} could not be written: the disk is full."
            hint = f"Free space on the disk that holds {path.parent} and try again."
        else:
            message = f"{path} cannot be written ({error.strerror})."
            hint = "Check the permissions of its folder, or choose another one."
        raise StorageError(message, hint) from error


@contextmanager
def _written_beside(path: Path, text: str) -> Iterator[Path]:
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            # mkstemp makes private files; a session may be shared with a group.
            with suppress(OSError):
                temporary.chmod(0o644)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
