"""Use-cases of an offline datastack's keeper: is it whole, and what was done to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from connectome.graph import OperationStatus
from connectome.offline.layout import DatastackFolder

if TYPE_CHECKING:
    from connectome.offline.checking import CheckReport
    from connectome.offline.store import Operation

__all__ = ["LogLine", "check_folder", "read_log"]


@dataclass(frozen=True)
class LogLine:
    """One operation of the log, as it is printed."""

    operation_id: int
    time: datetime
    kind: str
    user: str
    applied: bool
    roots: tuple[str, ...]
    note: str


def check_folder(folder: Path, report: Callable[[str, float | None], None]) -> CheckReport:
    """Verify every invariant of a datastack; reads only.

    Raises
    ------
    DatastackError
        If the folder is no complete datastack.
    """
    from connectome.offline.checking import check_datastack

    return check_datastack(folder, report)


def read_log(folder: Path, last: int | None = None) -> list[LogLine]:
    """Return the operations of a datastack, oldest first.

    Parameters
    ----------
    folder : Path
        The datastack.
    last : int, optional
        Only so many of the latest.

    Raises
    ------
    DatastackError
        If the folder is no complete datastack.
    """
    from connectome.offline.store import EditStore

    store = EditStore(DatastackFolder.open(folder).graph_db, read_only=True)
    try:
        rows = store.log()
    finally:
        store.close()
    return [_line(row) for row in (rows if last is None else rows[-last:] if last > 0 else [])]


def _line(row: Operation) -> LogLine:
    note = row.exception if row.status != OperationStatus.SUCCESS else ""
    if row.target is not None and not note:
        note = f"of operation {row.target}"
    return LogLine(
        operation_id=row.id,
        time=datetime.fromtimestamp(row.ms / 1000, UTC),
        kind=row.kind,
        user=row.user,
        applied=row.status == OperationStatus.SUCCESS,
        roots=tuple(str(root) for root in row.roots),
        note=note,
    )
