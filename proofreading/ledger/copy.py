"""A second copy of a ledger, in another place: one line of JSON for every event.

The ledger is the truth; this copy is for the day its file is deleted, overwritten by an
older one, or unreadable. It is written after each commit and never holds one up: where it
cannot be written, the person is told and work goes on.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO

from connectome.closing import Closing
from connectome.errors import SessionError
from proofreading.files import storage_errors

__all__ = ["Header", "LedgerCopy", "Row", "read_copy"]

Row = tuple[int, str, str, str]
"""Number, time, kind and body of an event, as the ledger's table has them."""

_VERSION = 1


@dataclass(frozen=True)
class Header:
    """What the first line says.

    Parameters
    ----------
    session_id : str
        Of which session.
    folder : str
        Where that session lay.
    info : dict
        What its ``session.json`` said.
    """

    session_id: str
    folder: str
    info: dict[str, object]

    def line(self) -> str:
        """Return it as a line of JSON."""
        values = {
            "version": _VERSION,
            "session": self.session_id,
            "folder": self.folder,
            "info": self.info,
        }
        return json.dumps(values) + "\n"


def read_copy(path: Path) -> tuple[Header, list[Row]]:
    """Return the events of a copy; what follows a torn or missing line is left out.

    Raises
    ------
    SessionError
        If there is no copy, or its first line cannot be read.
    """
    try:
        with path.open(encoding="utf-8") as file:
            header = _header(path, file.readline())
            return header, list(_rows(file))
    except FileNotFoundError as error:
        raise SessionError(
            f"There is no copy {path}.", "Look which there are: proofdesk recover"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise SessionError(
            f"The copy {path} cannot be read: {error}.", "Look at the disk."
        ) from error


def _header(path: Path, line: str) -> Header:
    try:
        values = json.loads(line)
        if values["version"] != _VERSION:
            raise SessionError(
                f"The copy {path} was written by a newer Proofdesk.", "Update Proofdesk."
            )
        return Header(str(values["session"]), str(values["folder"]), dict(values["info"]))
    except (ValueError, KeyError, TypeError) as error:
        raise SessionError(
            f"{path} is no copy of a session, or its beginning is damaged.",
            "Recover from another copy or a backup.",
        ) from error


def _rows(lines: Iterable[str]) -> Iterator[Row]:
    for expected, line in enumerate(lines, 1):
        try:
            number, at, kind, body = json.loads(line)
        except (ValueError, TypeError):
            return
        if number != expected or not line.endswith("\n"):
            return
        yield int(number), str(at), str(kind), str(body)


class LedgerCopy(Closing):
    """Follows one ledger.

    Parameters
    ----------
    path : Path
        The file; made if absent.
    header : Header
        What its first line is to say.
    rows : iterable of Row
        All events of the ledger; those that the copy lacks are added.

    Raises
    ------
    SessionError
        If the copy holds more than the ledger: then the ledger has lost something.
    StorageError
        If it cannot be written.
    """

    def __init__(self, path: Path, header: Header, rows: Iterable[Row]) -> None:
        self.path = path
        self.problem = ""
        known = list(rows)
        kept = self._kept(header, known)
        with storage_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            if kept is None:
                path.write_text(header.line(), encoding="utf-8")
            else:
                self._cut_torn_line(kept)
            self._file: IO[str] = path.open("a", encoding="utf-8", newline="")
            self.add(islice(known, kept or 0, None))

    def _kept(self, header: Header, known: list[Row]) -> int | None:
        """Return how many events the copy has of this ledger; None if it is not of it."""
        if not self.path.exists():
            return None
        try:
            old, copied = read_copy(self.path)
        except SessionError:
            self._put_aside()
            return None
        same = old.session_id == header.session_id and copied[: len(known)] == known[: len(copied)]
        if same and len(copied) > len(known):
            lost = len(copied) - len(known)
            raise SessionError(
                f"{lost} answers and edits of {Path(header.folder).name} are missing from its "
                "ledger, but not from the copy that Proofdesk keeps.",
                f"Bring them back: proofdesk recover {header.folder}. Or, if an older session was "
                f"put there on purpose, move {self.path} away.",
            )
        if not same:
            self._put_aside()
            return None
        return len(copied)

    def _put_aside(self) -> None:
        """Keep a copy that is of another history under another name."""
        number = 1
        while (aside := self.path.with_suffix(f".older-{number}.jsonl")).exists():
            number += 1
        with storage_errors(self.path):
            self.path.rename(aside)

    def _cut_torn_line(self, kept: int) -> None:
        """Drop what a crash left after the last whole line."""
        with self.path.open("rb+") as file:
            for _ in range(kept + 1):
                file.readline()
            file.truncate()

    def add(self, rows: Iterable[Row]) -> None:
        """Add events; a failure is remembered in `problem` and raises nothing."""
        try:
            self._file.write("".join(json.dumps(row) + "\n" for row in rows))
            self._file.flush()
        except (OSError, ValueError) as error:
            self.problem = f"The second copy in {self.path} is not written any more: {error}."

    def close(self) -> None:
        """Close the file; what a full disk did not take is in the ledger."""
        with suppress(OSError):
            self._file.close()
