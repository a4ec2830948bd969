"""Edit histories as they come: from a graph, from a file of operations, from a bank."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from connectome.cave.history_file import read_history
from connectome.cave.operations import HistoryOperation, joined
from connectome.errors import InputError
from connectome.graph import Graph, Lineage, OperationDetails
from inference.datasets.formats.bank import read_bank
from inference.datasets.formats.history import as_history
from inference.datasets.formats.operations import Operation

__all__ = ["from_bank", "operations_of_graph", "read_edit_log"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ROOTS_AT_ONCE = 200
_OPERATIONS_AT_ONCE = 100


def operations_of_graph(
    graph: Graph, roots: Iterable[int]
) -> tuple[list[HistoryOperation], Lineage]:
    """Read the edits in the past and future of some roots, and their lineage.

    Raises
    ------
    ServiceError
        If the graph cannot be read.
    """
    lineage = _whole(graph, sorted(set(roots)))
    before: dict[int, set[int]] = {}
    after: dict[int, set[int]] = {}
    for old, new in lineage.edges:
        if operation := lineage.operation_ids.get(new):
            before.setdefault(operation, set()).add(old)
            after.setdefault(operation, set()).add(new)
    numbers = sorted(before)
    found = []
    for start in range(0, len(numbers), _OPERATIONS_AT_ONCE):
        details = graph.operations(numbers[start : start + _OPERATIONS_AT_ONCE])
        for number, row in sorted(details.items()):
            made = max(lineage.timestamps.get(r, _EPOCH) for r in after[number])
            found.append(_operation(row, before[number], after[number], made))
    return found, lineage


def read_edit_log(path: Path, dropped: Counter[str]) -> list[HistoryOperation]:
    """Read a file of edits: a history import, an operation bank, or a JSON list.

    Parameters
    ----------
    dropped : Counter
        What could not be read is counted here, by reason.

    Raises
    ------
    InputError
        If the file cannot be read or holds no edits.
    """
    try:
        with path.open(encoding="utf-8") as file:
            first = file.readline()
        if first.lstrip().startswith("["):
            return [_listed(record) for record in json.loads(path.read_text(encoding="utf-8"))]
        imported = "kind" in json.loads(first) if first.strip() else False
    except OSError as error:
        raise InputError(f"The file {path} cannot be read: {error.strerror}.") from error
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"The file {path} holds no edits.",
            "Name a file of `proofdesk history`, an operation bank, or a list of operations.",
        ) from error
    if imported:
        return list(read_history(path))
    items = [item for item in read_bank(path, dropped) if isinstance(item, Operation)]
    if not items:
        raise InputError(f"The file {path} holds no edits.", "Choose another file.")
    timed = [item for item in items if item.time is not None]
    if len(timed) < len(items):
        dropped["edits without a time"] += len(items) - len(timed)
    return [from_bank(item) for item in timed]


def from_bank(operation: Operation) -> HistoryOperation:
    """Return an edit of an operation bank; its one place stands for points that are missing.

    Raises
    ------
    ValueError
        If the bank does not say when it was made.
    """
    edit = as_history(operation)
    return edit if edit.complete else replace(edit, source_coords_nm=(operation.point_nm,))


def _whole(graph: Graph, roots: list[int]) -> Lineage:
    """Read a lineage in parts that a server answers."""
    edges: set[tuple[int, int]] = set()
    times: dict[int, datetime] = {}
    operations: dict[int, int] = {}
    for start in range(0, len(roots), _ROOTS_AT_ONCE):
        part = graph.lineage(roots[start : start + _ROOTS_AT_ONCE])
        edges.update(part.edges)
        times.update(part.timestamps)
        operations.update(part.operation_ids)
    return Lineage(tuple(sorted(edges)), times, operations)


def _operation(
    row: OperationDetails, before: set[int], after: set[int], made: datetime
) -> HistoryOperation:
    # The time of the roots themselves decides what is right before and right after.
    milliseconds = (made - _EPOCH) / timedelta(milliseconds=1)
    basic = {
        "operation_id": row.operation_id,
        "is_merge": bool(row.added_edges) or (not row.removed_edges and len(before) > len(after)),
        "timestamp": milliseconds,
        "user_id": "",
        "before_root_ids": sorted(before),
        "after_root_ids": sorted(after),
    }
    return joined(basic, row)


def _listed(record: Mapping[str, Any]) -> HistoryOperation:
    """Read one operation of a list that knows segments and one place only."""
    x, y, z = (float(value) for value in record["interface_point"])
    is_merge = bool(record["is_merge"])
    return HistoryOperation(
        operation_id=int(record["operation_id"]),
        kind="merge" if is_merge else "split",
        is_merge=is_merge,
        time=datetime.fromtimestamp(float(record["timestamp"]), UTC),
        user_id="",
        before_roots=tuple(int(root) for root in record["before_root_ids"]),
        after_roots=tuple(int(root) for root in record["after_root_ids"]),
        # One place is all that is known: it stands for both sides, and no cut is told.
        source_coords_nm=((x, y, z),),
        complete=False,
    )
