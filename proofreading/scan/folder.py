"""A scan's folder: every result a Parquet file named by a hash, there whole or not at all.

::

    scan.json                what is scanned, and how
    touching/ links/         what groups of blocks hold of contacts and of links inside segments
    joined/                  contacts and weak cuts of the whole volume, by block
    traced/                  sites along the skeletons of groups of roots
    sites/                   sites that are ready, and verdicts/ what models say of them
    present.json             which of these hold now: others are of earlier states
    index.html               how far it is

Any number of processes may write: a name says what is in a file, so that whoever writes
it last writes the same.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from connectome.errors import InputError, MissingPackageError
from proofreading.files import storage_errors

if TYPE_CHECKING:
    import pyarrow

__all__ = ["ResultFolder"]


class ResultFolder:
    """The results of a scan.

    Parameters
    ----------
    path : Path
        The folder, seen under the same path by every worker.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def file(self, kind: str, name: str) -> Path:
        """Return where a result lies or will lie."""
        return self.path / kind / f"{name}.parquet"

    def has(self, kind: str, name: str) -> bool:
        """Tell whether a result is there."""
        return self.file(kind, name).exists()

    def names(self, kind: str) -> list[str]:
        """Return the names of the results of a kind, sorted."""
        return sorted(path.stem for path in (self.path / kind).glob("*.parquet"))

    def write(
        self,
        kind: str,
        name: str,
        columns: Mapping[str, Any],
        *,
        about: Mapping[str, object] | None = None,
    ) -> None:
        """Write a result, whole or not at all.

        Parameters
        ----------
        columns : mapping of str to array
            What pyarrow can hold; rows in an order that the content decides.
        about : mapping, optional
            What `about` returns: JSON, kept in the file's own notes.

        Raises
        ------
        StorageError
            If the disk is full or the folder cannot be written.
        """
        arrow, parquet = _packages()
        table = arrow.table(dict(columns))
        table = table.replace_schema_metadata({"proofdesk": json.dumps(about or {})})
        path = self.file(kind, name)
        with storage_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(prefix=".", suffix=".part", dir=path.parent)
            try:
                with os.fdopen(handle, "wb") as file:
                    parquet.write_table(table, file, compression="zstd", row_group_size=1 << 16)
                    file.flush()
                    os.fsync(file.fileno())
                # The files of one scan are shared between workers of several accounts.
                Path(temporary).chmod(0o644)
                Path(temporary).replace(path)
            finally:
                Path(temporary).unlink(missing_ok=True)

    def read(
        self,
        kind: str,
        name: str,
        columns: Iterable[str] | None = None,
        where: tuple[str, int] | None = None,
    ) -> pyarrow.Table:
        """Return a result, or some columns of it, or the rows with one value in a column.

        Raises
        ------
        InputError
            If it is damaged or gone.
        """
        arrow, parquet = _packages()
        path = self.file(kind, name)
        filters = None if where is None else [(where[0], "=", where[1])]
        wanted = None if columns is None else list(columns)
        try:
            return parquet.read_table(path, columns=wanted, filters=filters, partitioning=None)
        except (OSError, arrow.ArrowException) as error:
            raise _damaged(path) from error

    def rows(self, kind: str, name: str) -> int:
        """Return how many rows a result has."""
        _, parquet = _packages()
        return int(self._notes(kind, name, lambda path: parquet.read_metadata(path).num_rows))

    def about(self, kind: str, name: str) -> dict[str, Any]:
        """Return the notes of a result."""
        _, parquet = _packages()
        notes = self._notes(kind, name, lambda path: parquet.read_schema(path).metadata or {})
        found: dict[str, Any] = json.loads(notes.get(b"proofdesk", b"{}"))
        return found

    def _notes(self, kind: str, name: str, read: Callable[[Path], Any]) -> Any:
        arrow, _ = _packages()
        path = self.file(kind, name)
        try:
            return read(path)
        except (OSError, arrow.ArrowException) as error:
            raise _damaged(path) from error


def _damaged(path: Path) -> InputError:
    return InputError(
        f"The result {path} cannot be read.", "Delete it and scan again: only it is made anew."
    )


def _packages() -> tuple[Any, Any]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise MissingPackageError(
            "The package pyarrow is not installed.", "Install Proofdesk with the extra `cluster`."
        ) from error
    return pyarrow, parquet
