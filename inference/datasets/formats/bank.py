"""Operation banks: what people have edited, and labelled proposals, one JSON object a line.

The format is that of ConnectomeBench2 (`operation_bank.jsonl` and its controls). Who made
an edit is personal data: it is neither kept on reading nor written. The file says
``is_merge`` of an edit; a merge edit repairs a *split* error.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from connectome.space import PointNm
from inference.datasets.formats.lines import read_lines, write_lines
from inference.datasets.formats.operations import Control, Edges, Operation, middle
from inference.datasets.formats.values import (
    id_of,
    ids_of,
    is_outlier,
    json_id,
    point_of,
    points_of,
    seconds_of,
    time_of,
)

__all__ = ["read_bank", "write_bank"]

_CONTROL = "control"


def read_bank(path: Path, dropped: Counter[str]) -> Iterator[Operation | Control]:
    """Yield the edits and controls of a file in its order, each edit once.

    Parameters
    ----------
    dropped : Counter
        What was left out is counted here: torn and unreadable lines, edits that stand
        twice, places more than a metre away, and lines without what an edit needs.

    Raises
    ------
    InputError
        If the file cannot be read or no line of it is a JSON object.
    """
    seen: set[int] = set()
    for record in read_lines(path, dropped):
        try:
            item = _control(record) if _is_control(record) else _operation(record)
        except (KeyError, TypeError, ValueError):
            dropped["lines without an id, segments or a place"] += 1
            continue
        if is_outlier(item.point_nm):
            dropped["places more than a metre away"] += 1
        elif isinstance(item, Operation) and item.operation_id in seen:
            dropped["edits that stand twice"] += 1
        else:
            if isinstance(item, Operation):
                seen.add(item.operation_id)
            yield item


def write_bank(path: Path, items: Iterable[Operation | Control]) -> int:
    """Write edits and controls, never who made them, and return how many.

    Raises
    ------
    StorageError
        If the file cannot be written.
    """
    return write_lines(path, (_record(item) for item in items))


def _is_control(record: Mapping[str, Any]) -> bool:
    return record.get("_type") == _CONTROL or "is_correct" in record


def _operation(record: Mapping[str, Any]) -> Operation:
    known = {
        "operation_id", "root_id", "species", "is_merge", "timestamp", "source_coords_nm",
        "sink_coords_nm", "interface_point_nm", "before_root_ids", "after_root_ids",
        "added_edges", "removed_edges",
    }  # fmt: skip
    sources, sinks = (points_of(record.get(f"{side}_coords_nm")) for side in ("source", "sink"))
    return Operation(
        operation_id=id_of(record["operation_id"]),
        is_merge=_flag(record["is_merge"]),
        species=str(record.get("species", "")),
        before=ids_of(record["before_root_ids"]),
        after=ids_of(record.get("after_root_ids")),
        point_nm=_place(record, sources, sinks),
        time=time_of(record.get("timestamp")),
        root=None if record.get("root_id") is None else id_of(record["root_id"]),
        sources_nm=sources,
        sinks_nm=sinks,
        added_edges=_edges(record.get("added_edges")),
        removed_edges=_edges(record.get("removed_edges")),
        extra={key: value for key, value in record.items() if key not in known},
    )


def _control(record: Mapping[str, Any]) -> Control:
    return Control(
        source_operation_id=id_of(record["source_operation_id"]),
        strategy=str(record.get("strategy", "")),
        is_correct=_flag(record["is_correct"]),
        is_merge=_flag(record["is_merge"]),
        species=str(record.get("species", "")),
        before=ids_of(record.get("before_root_ids")),
        after=ids_of(record.get("after_root_ids")),
        point_nm=point_of(record["interface_point_nm"]),
        before_time=time_of(record.get("before_timestamp")),
        after_time=time_of(record.get("after_timestamp")),
        root=None if record.get("root_id") is None else id_of(record["root_id"]),
        metadata=dict(record.get("metadata") or {}),
    )


def _place(
    record: Mapping[str, Any], sources: tuple[PointNm, ...], sinks: tuple[PointNm, ...]
) -> PointNm:
    given = record.get("interface_point_nm")
    # The published files have the origin where an edit has no points at all.
    if given is not None and (sources or sinks or any(given)):
        return point_of(given)
    return middle(sources, sinks)


def _flag(value: object) -> bool:
    if not isinstance(value, bool | int):
        msg = f"{value!r} is neither true nor false"
        raise ValueError(msg)
    return bool(value)


def _edges(value: object) -> Edges:
    if not isinstance(value, list | tuple):
        return ()
    return tuple((id_of(a), id_of(b)) for a, b in value)


def _record(item: Operation | Control) -> dict[str, Any]:
    record = _operation_record(item) if isinstance(item, Operation) else _control_record(item)
    return {key: value for key, value in record.items() if value is not None}


def _operation_record(item: Operation) -> dict[str, Any]:
    return {
        **item.extra,
        "operation_id": item.operation_id,
        "root_id": _optional_id(item.root),
        "species": item.species,
        "is_merge": item.is_merge,
        "timestamp": seconds_of(item.time),
        "source_coords_nm": [list(point) for point in item.sources_nm],
        "sink_coords_nm": [list(point) for point in item.sinks_nm],
        "interface_point_nm": list(item.point_nm),
        "before_root_ids": [json_id(root) for root in item.before],
        "after_root_ids": [json_id(root) for root in item.after],
        "added_edges": _edge_record(item.added_edges),
        "removed_edges": _edge_record(item.removed_edges),
    }


def _control_record(item: Control) -> dict[str, Any]:
    return {
        "source_operation_id": item.source_operation_id,
        "strategy": item.strategy,
        "is_correct": item.is_correct,
        "is_merge": item.is_merge,
        "root_id": _optional_id(item.root),
        "species": item.species,
        "interface_point_nm": list(item.point_nm),
        "before_root_ids": [json_id(root) for root in item.before],
        "after_root_ids": [json_id(root) for root in item.after],
        "before_timestamp": seconds_of(item.before_time),
        "after_timestamp": seconds_of(item.after_time),
        "metadata": dict(item.metadata),
        "_type": _CONTROL,
    }


def _optional_id(value: int | None) -> int | str | None:
    return None if value is None else json_id(value)


def _edge_record(edges: Edges) -> list[list[int | str]] | None:
    return [[json_id(a), json_id(b)] for a, b in edges] or None
