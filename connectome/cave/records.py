"""From the server's JSON to the words of `connectome.graph`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from connectome.graph import EditReceipt, Lineage, OperationDetails, OperationStatus
from connectome.space import PointNm

__all__ = ["lineage_of", "operation_of", "receipt_of"]


def receipt_of(answer: Mapping[str, Any]) -> EditReceipt | None:
    """Read the answer to an edit; None where it carries no operation."""
    operation = answer["operation_id"]
    if operation is None:
        return None
    return EditReceipt(int(operation), tuple(int(root) for root in answer["new_root_ids"]))


def lineage_of(answer: Mapping[str, Any]) -> Lineage:
    """Read a lineage graph in node-link form."""
    edges = tuple((int(link["source"]), int(link["target"])) for link in answer["links"])
    times = {
        int(node["id"]): datetime.fromtimestamp(float(node["timestamp"]), UTC)
        for node in answer["nodes"]
        if node.get("timestamp") is not None
    }
    # PyChunkedGraph names at each root the operation that replaced it, none at a current
    # root: so the operation that made a root stands at those it was made of.
    ending = {
        int(node["id"]): int(node["operation_id"])
        for node in answer["nodes"]
        if node.get("operation_id") is not None
    }
    return Lineage(edges, times, {new: ending[old] for old, new in edges if old in ending})


def operation_of(
    operation_id: int, row: Mapping[str, Any], voxel_nm: tuple[float, float, float]
) -> OperationDetails:
    """Read a row of the operation log, whose coordinates are voxels of the base grid."""
    return OperationDetails(
        operation_id=operation_id,
        # Rows of old servers have no status; they were written after success only.
        status=int(row.get("operation_status", OperationStatus.SUCCESS)),
        user=str(row.get("user", "")),
        timestamp=_time(row.get("timestamp")),
        new_roots=tuple(int(root) for root in row.get("roots") or ()),
        added_edges=_pairs(row.get("added_edges") or ()),
        removed_edges=_pairs(row.get("removed_edges") or ()),
        source_coords_nm=_points(row.get("source_coords") or (), voxel_nm),
        sink_coords_nm=_points(row.get("sink_coords") or (), voxel_nm),
        source_ids=_ids(row.get("source_ids")),
        sink_ids=_ids(row.get("sink_ids")),
        undoes=_number(row.get("undo_operation_id")),
        redoes=_number(row.get("redo_operation_id")),
        raw=dict(row),
    )


def _number(value: Any) -> int | None:
    return None if value is None else int(value)


def _ids(value: Any) -> tuple[int, ...]:
    # A single id may come without its list.
    if value is None:
        return ()
    return tuple(int(one) for one in (value if isinstance(value, list | tuple) else [value]))


def _pairs(rows: Sequence[Sequence[Any]]) -> tuple[tuple[int, int], ...]:
    return tuple((int(a), int(b)) for a, b in rows)


def _points(rows: Sequence[Any], voxel_nm: tuple[float, float, float]) -> tuple[PointNm, ...]:
    # A single point may come without its list.
    many = [rows] if rows and not isinstance(rows[0], Sequence) else rows
    vx, vy, vz = voxel_nm
    return tuple((float(x) * vx, float(y) * vy, float(z) * vz) for x, y, z in many)


def _time(text: object) -> datetime | None:
    """Read ISO 8601 or the form of HTTP dates; both are UTC."""
    if not isinstance(text, str):
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        try:
            time = parsedate_to_datetime(text)
        except ValueError:
            return None
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
