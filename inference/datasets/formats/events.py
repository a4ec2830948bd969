"""Lists of edits in one JSON file: ConnectomeBench's events, and lists of split operations.

Their segments are sorted by size, so that of more than two the first two are the pair.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from connectome.errors import InputError
from inference.datasets.formats.operations import Operation
from inference.datasets.formats.values import (
    id_of,
    ids_of,
    is_outlier,
    point_of,
    time_of,
    without_people,
)

__all__ = ["load_events", "read_events"]

_KNOWN = {
    "operation_id", "is_merge", "species", "timestamp", "neuron_id", "interface_point",
    "interface_point_nm", "before_root_ids", "after_root_ids",
}  # fmt: skip


def load_events(path: Path) -> list[dict[str, Any]]:
    """Return the records of a file, without whatever says who made the edits.

    Raises
    ------
    InputError
        If it cannot be read or is no JSON list of objects.
    """
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise InputError(f"The file {path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise InputError(
            f"The file {path} is damaged: it is no JSON.", "Get the file again."
        ) from error
    if not isinstance(content, list) or not all(isinstance(one, dict) for one in content):
        raise InputError(f"The file {path} holds no list of edits.", "Give a JSON list of objects.")
    return [without_people(record) for record in content]


def read_events(path: Path, dropped: Counter[str]) -> Iterator[Operation]:
    """Yield the edits of a file in its order, each once.

    Raises
    ------
    InputError
        If it cannot be read or is no JSON list of objects.
    """
    seen: set[int] = set()
    for record in load_events(path):
        if record.get("interface_point", record.get("interface_point_nm")) is None:
            dropped["edits without a place"] += 1
            continue
        try:
            operation = _operation(record)
        except (KeyError, TypeError, ValueError):
            dropped["edits without an id, segments or a place"] += 1
            continue
        if operation.operation_id in seen:
            dropped["edits that stand twice"] += 1
        elif is_outlier(operation.point_nm):
            dropped["places more than a metre away"] += 1
        else:
            seen.add(operation.operation_id)
            yield operation


def _operation(record: Mapping[str, Any]) -> Operation:
    place = record.get("interface_point", record.get("interface_point_nm"))
    return Operation(
        operation_id=id_of(record["operation_id"]),
        is_merge=bool(record["is_merge"]),
        species=str(record.get("species", "")),
        before=ids_of(record["before_root_ids"])[:2],
        after=ids_of(record["after_root_ids"])[:2],
        point_nm=point_of(place),
        time=time_of(record.get("timestamp")),
        root=None if record.get("neuron_id") is None else id_of(record["neuron_id"]),
        extra={key: value for key, value in record.items() if key not in _KNOWN},
    )
