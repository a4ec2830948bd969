"""One edit of the past, and how it stands in a file: JSON with ids as strings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from connectome.graph import OperationDetails
from connectome.space import PointNm

__all__ = ["HistoryOperation", "OperationKind", "joined"]

OperationKind = Literal["merge", "split", "undo", "redo"]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_Pairs = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class HistoryOperation:
    """An edit that somebody made.

    Parameters
    ----------
    operation_id : int
        Its number on the server.
    kind : str
        ``merge``, ``split``, ``undo`` or ``redo``.
    is_merge : bool
        Whether it joined objects, whatever its kind.
    time : datetime
        When (UTC).
    user_id : str
        Who, as the server numbers them: personal data. Empty where it was left out.
    before_roots, after_roots : tuple of int
        The objects it replaced, and those it made.
    added_edges, removed_edges : tuple of (int, int)
        Supervoxels that it joined or parted.
    source_coords_nm, sink_coords_nm : tuple of (x, y, z)
        Where the person pointed.
    of_operation : int, optional
        The operation that an undo or redo is of.
    complete : bool
        False where the server keeps no row of it, so that edges and points are missing.
    """

    operation_id: int
    kind: OperationKind
    is_merge: bool
    time: datetime
    user_id: str
    before_roots: tuple[int, ...]
    after_roots: tuple[int, ...]
    added_edges: _Pairs = ()
    removed_edges: _Pairs = ()
    source_coords_nm: tuple[PointNm, ...] = ()
    sink_coords_nm: tuple[PointNm, ...] = ()
    of_operation: int | None = None
    complete: bool = True

    @property
    def order(self) -> tuple[datetime, int]:
        """What sorts operations by time."""
        return self.time, self.operation_id

    def as_json(self) -> dict[str, object]:
        """Return the record for a file."""
        return {
            "operation_id": self.operation_id,
            "kind": self.kind,
            "is_merge": self.is_merge,
            "timestamp": self.time.isoformat(timespec="milliseconds"),
            "user_id": self.user_id,
            "before_root_ids": [str(root) for root in self.before_roots],
            "after_root_ids": [str(root) for root in self.after_roots],
            "added_edges": [[str(a), str(b)] for a, b in self.added_edges],
            "removed_edges": [[str(a), str(b)] for a, b in self.removed_edges],
            "source_coords_nm": [list(point) for point in self.source_coords_nm],
            "sink_coords_nm": [list(point) for point in self.sink_coords_nm],
            "of_operation": self.of_operation,
            "complete": self.complete,
        }

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> HistoryOperation:
        """Read the record of a file; raises KeyError, TypeError or ValueError if it is none."""
        return cls(
            operation_id=int(record["operation_id"]),
            kind=record["kind"],
            is_merge=bool(record["is_merge"]),
            time=datetime.fromisoformat(record["timestamp"]),
            user_id=str(record["user_id"]),
            before_roots=tuple(int(root) for root in record["before_root_ids"]),
            after_roots=tuple(int(root) for root in record["after_root_ids"]),
            added_edges=_pairs(record["added_edges"]),
            removed_edges=_pairs(record["removed_edges"]),
            source_coords_nm=_points(record["source_coords_nm"]),
            sink_coords_nm=_points(record["sink_coords_nm"]),
            of_operation=record["of_operation"],
            complete=bool(record["complete"]),
        )


def joined(row: Mapping[str, Any], details: OperationDetails | None) -> HistoryOperation:
    """Put a row of a change log and one of the operation log together."""
    is_merge = bool(row["is_merge"])
    basic = HistoryOperation(
        operation_id=int(row["operation_id"]),
        kind="merge" if is_merge else "split",
        is_merge=is_merge,
        # Milliseconds; a fraction of a second in binary would round some of them down.
        time=_EPOCH + timedelta(milliseconds=round(row["timestamp"])),
        user_id=str(row["user_id"]),
        before_roots=tuple(int(root) for root in row["before_root_ids"]),
        after_roots=tuple(int(root) for root in row["after_root_ids"]),
        complete=False,
    )
    if details is None:
        return basic
    return replace(
        basic,
        kind=_kind(details) or basic.kind,
        # The change log names only the root that stayed with the object that was asked for.
        after_roots=details.new_roots or basic.after_roots,
        added_edges=details.added_edges,
        removed_edges=details.removed_edges,
        source_coords_nm=details.source_coords_nm,
        sink_coords_nm=details.sink_coords_nm,
        of_operation=details.undoes if details.undoes is not None else details.redoes,
        complete=True,
    )


def _kind(details: OperationDetails) -> OperationKind | None:
    if details.undoes is not None:
        return "undo"
    return "redo" if details.redoes is not None else None


def _pairs(rows: Sequence[Sequence[Any]]) -> _Pairs:
    return tuple((int(a), int(b)) for a, b in rows)


def _points(rows: Sequence[Sequence[Any]]) -> tuple[PointNm, ...]:
    return tuple((float(x), float(y), float(z)) for x, y, z in rows)
