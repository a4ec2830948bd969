"""Use-case: bring the edit history of a dataset from its server into a file."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from connectome.errors import DatastackError, InputError
from connectome.opening import open_datastack

if TYPE_CHECKING:
    from connectome.cave import CaveGraph
    from connectome.cave.history import CaveHistory
    from connectome.cave.history_file import HistoryFile
    from connectome.datastack import Datastack

__all__ = ["HistorySummary", "import_history", "read_roots"]

_BETWEEN = re.compile(r"[\s,;]+")
_COMMENT = re.compile(r"#.*")


@dataclass(frozen=True)
class HistorySummary:
    """What an import has done.

    Parameters
    ----------
    roots : int
        Segments that were wanted.
    already : int
        Of these, in the file before.
    imported : int
        Of these, read now.
    operations : int
        Edits in the file now.
    new_operations : int
        Of these, added now.
    incomplete : int
        Of the new ones, those of which the server keeps no points and edges.
    skipped : tuple of str
        Segments that could not be read, and why; the next import asks for them again.
    """

    roots: int
    already: int
    imported: int
    operations: int
    new_operations: int
    incomplete: int
    skipped: tuple[str, ...] = ()


def import_history(
    datastack: str,
    out: Path,
    *,
    roots: Iterable[int] | None = None,
    since: datetime | None = None,
    everything: bool = False,
    per_second: float = 2.0,
    users: bool = True,
    report: Callable[[str, float | None], None],
) -> HistorySummary:
    """Read the edits in the past of some segments into a file of JSON lines.

    It can be killed at any moment; the same call goes on where it was.

    Parameters
    ----------
    datastack : str
        Address of the datastack.
    out : Path
        The file.
    roots : iterable of int, optional
        The segments, or
    since : datetime, optional
        all present segments that edits have made since then (without a zone: UTC).
    everything : bool
        Whether to read edits as well that left no trace in the segment: taken back since, or
        made to what was then part of it.
    per_second : float
        Requests a second at most.
    users : bool
        Whether to write who made each edit, which is personal data.
    report : callable
        Told what is done, and how far it is.

    Raises
    ------
    InputError
        If the file belongs to something else or is being written, or neither roots nor a
        time are given.
    DatastackError
        If the datastack has no edit history.
    ServiceError
        If the server stops answering; what was read is kept.
    """
    if (roots is None) == (since is None):
        raise InputError(
            "It is not clear of which segments the history is wanted.",
            "Name a file with their ids, or the time since which they have changed.",
        )
    from connectome.cave.history import CaveHistory
    from connectome.cave.history_file import HistoryFile
    from connectome.cave.pace import Pace

    opened = open_datastack(datastack)
    try:
        history = CaveHistory(_graph(opened), Pace(per_second), everything=everything)
        source = f"{opened.address}, everything" if everything else opened.address
        with HistoryFile(out, source, users=users) as file:
            if since is not None:
                report("looking for changed segments", None)
                roots = history.changed_roots(since.replace(tzinfo=since.tzinfo or UTC))
            return _read(list(dict.fromkeys(roots or ())), history, file, report)
    finally:
        opened.close()


def _read(
    wanted: list[int],
    history: CaveHistory,
    file: HistoryFile,
    report: Callable[[str, float | None], None],
) -> HistorySummary:
    left = file.undone(wanted)
    new, incomplete, skipped = 0, 0, []
    for number, found in enumerate(history.of_roots(left, file.known), start=1):
        new += file.write(found)
        incomplete += sum(not operation.complete for operation in found.operations)
        if found.problem:
            skipped.append(f"{found.root}: {found.problem}")
        report(f"{len(file.known)} edits", number / len(left))
    return HistorySummary(
        roots=len(wanted),
        already=len(wanted) - len(left),
        imported=len(left) - len(skipped),
        operations=len(file.known),
        new_operations=new,
        incomplete=incomplete,
        skipped=tuple(skipped),
    )


def read_roots(path: Path) -> list[int]:
    """Return the ids in a text file: one a line, or between commas; ``#`` begins a remark.

    Raises
    ------
    InputError
        If the file cannot be read or holds something else.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"The file {path} cannot be read.", "Name a text file of ids.") from error
    words = [word for word in _BETWEEN.split(_COMMENT.sub(" ", text)) if word]
    for word in words:
        if not (word.isascii() and word.isdecimal() and 0 < int(word) < 2**64):
            raise InputError(
                f"The file {path} holds {word[:40]!r}, which is no id of a segment.",
                "Write one id a line.",
            )
    if not words:
        raise InputError(f"The file {path} holds no ids.", "Write one id a line.")
    return [int(word) for word in words]


def _graph(datastack: Datastack) -> CaveGraph:
    from connectome.cave import CaveGraph

    graph = datastack.graph
    if not isinstance(graph, CaveGraph):
        raise DatastackError(
            f"The datastack {datastack.name} is a flat segmentation and has no edit history.",
            "Name a datastack on a CAVE server, or an offline one.",
        )
    return graph
