"""Rows of annotation tables, read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from connectome.offline.annotations.database import Database, from_stamp, to_stamp
from connectome.offline.annotations.errors import TableRefusedError
from connectome.offline.annotations.fields import Kind
from connectome.offline.annotations.tables import TableMetadata

__all__ = ["FlatRow", "read_rows", "where_clause"]

FlatRow = dict[str, Any]
"""A row as one level of columns, see `AnnotationStore.rows`."""

_OWN = {"id": "id", "superceded_id": "superseded"}


def read_rows(
    database: Database, table: TableMetadata, condition: str, values: Sequence[object]
) -> list[FlatRow]:
    """Return the rows of a table that meet a condition, in the order of their ids."""
    found = database.read(
        "SELECT id, fields, created, deleted, superseded FROM annotation"
        f" WHERE number=? AND {condition} ORDER BY id",
        (table.number, *values),
    )
    return [_row(table, *row) for row in found]


def where_clause(
    table: TableMetadata, at: datetime | None, where: Mapping[str, object]
) -> tuple[str, list[object]]:
    """Return the condition of rows that stand (at a time) and have these values."""
    parts = ["deleted IS NULL"]
    values: list[object] = []
    if at is not None:
        parts = ["created <= ? AND (deleted IS NULL OR deleted > ?)"]
        values = [to_stamp(at)] * 2
    for name, value in where.items():
        if isinstance(value, int) and not -(2**63) <= value < 2**63:
            parts.append("FALSE")  # SQLite has no such number, so no row has it
            continue
        parts.append(f"{_expression(table, name)} IS ?")
        values.append(value)
    return " AND ".join(parts), values


def _expression(table: TableMetadata, name: str) -> str:
    if name in _OWN:
        return _OWN[name]
    # Only names of the schema type come into the query, never what a caller wrote.
    for column in table.schema.columns:
        if column.name == name and column.kind is not Kind.POSITION:
            return f"json_extract(fields, '$.{column.name}')"
    raise TableRefusedError(
        f"The table {table.name} has no column {name!r} to compare with.",
        "Ask for its schema type.",
    )


def _row(
    table: TableMetadata,
    row_id: int,
    fields: str,
    created: int,
    deleted: int | None,
    superseded: int | None,
) -> FlatRow:
    stored = json.loads(fields)
    row: FlatRow = {
        "id": row_id,
        "created": from_stamp(created),
        "deleted": None if deleted is None else from_stamp(deleted),
        "superceded_id": superseded,
        "valid": deleted is None,
    }
    for column in table.schema.columns:
        value = stored.get(column.name)
        row[column.name] = tuple(value) if isinstance(value, list) else value
    return row
