"""Rows of annotation tables, written; each function is one step inside a transaction."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from connectome.offline.annotations.errors import (
    RowMissingError,
    RowRefusedError,
    SchemaError,
    SupersededError,
    TableMissingError,
    TooManyRowsError,
)
from connectome.offline.annotations.tables import TableMetadata
from connectome.offline.annotations.validation import flatten, violations_of

__all__ = ["INSERT_LIMIT", "delete", "find_table", "insert", "require_table", "update"]

INSERT_LIMIT = 10_000
"""Rows that one call may bring."""

_SHOWN = 20
"""Rows that do not fit that one answer names."""

_Annotations = Sequence[Mapping[str, Any]]


def find_table(via: sqlite3.Connection, table: str) -> TableMetadata | None:
    """Return what is known about a table that has not been deleted."""
    row = via.execute(
        "SELECT * FROM catalogue WHERE name=? AND deleted IS NULL", (table,)
    ).fetchone()
    return None if row is None else TableMetadata.from_row(row)


def require_table(via: sqlite3.Connection, table: str) -> TableMetadata:
    """Return what is known about a table, which must exist."""
    known = find_table(via, table)
    if known is None:
        raise TableMissingError(table)
    return known


def insert(via: sqlite3.Connection, now: int, table: str, annotations: _Annotations) -> list[int]:
    """Add rows; those without an id get the next ones."""
    known = _open(via, now, table, annotations)
    _check(known, annotations, partial=False)
    last = via.execute("SELECT max(id) FROM annotation WHERE number=?", (known.number,))
    highest = int(last.fetchone()[0] or 0)
    ids: list[int] = []
    for annotation in annotations:
        row_id = int(annotation.get("id", highest + 1))
        highest = max(highest, row_id)
        _add(via, now, known, row_id, flatten(known.schema_type, annotation))
        ids.append(row_id)
    return ids


def update(
    via: sqlite3.Connection, now: int, table: str, annotations: _Annotations
) -> dict[int, int]:
    """End rows and add others in their place, with what was not mentioned kept."""
    known = _open(via, now, table, annotations)
    _check(known, annotations, partial=True)
    followers = _followers(via, known)
    new_ids: dict[int, int] = {}
    for annotation in annotations:
        old = int(annotation["id"])
        kept = _standing(via, known, old)
        last = via.execute("SELECT max(id) FROM annotation WHERE number=?", (known.number,))
        new = int(last.fetchone()[0]) + 1
        _add(via, now, known, new, {**kept, **flatten(known.schema_type, annotation)})
        via.execute(
            "UPDATE annotation SET deleted=coalesce(deleted, ?), superseded=?"
            " WHERE number=? AND id=?",
            (now, new, known.number, old),
        )
        for number in followers:
            _follow(via, number, old, new)
        new_ids[old] = new
    return new_ids


def delete(via: sqlite3.Connection, now: int, table: str, ids: Sequence[int]) -> list[int]:
    """End rows; an end that a row has already stays."""
    known = _open(via, now, table, ())
    found: list[int] = []
    for row_id in dict.fromkeys(i for i in ids if 0 < i < 2**63):
        changed = via.execute(
            "UPDATE annotation SET deleted=coalesce(deleted, ?) WHERE number=? AND id=?",
            (now, known.number, row_id),
        )
        found += [row_id] * changed.rowcount
    return found


def _open(
    via: sqlite3.Connection, now: int, table: str, annotations: _Annotations
) -> TableMetadata:
    if len(annotations) > INSERT_LIMIT:
        raise TooManyRowsError(INSERT_LIMIT, len(annotations))
    known = require_table(via, table)
    via.execute("UPDATE catalogue SET modified=? WHERE number=?", (now, known.number))
    return known


def _check(known: TableMetadata, annotations: _Annotations, *, partial: bool) -> None:
    found = {}
    for place, annotation in enumerate(annotations):
        wrong = violations_of(known.schema_type, annotation, partial=partial)
        if partial and "id" not in annotation:
            wrong["id"] = ["Annotation requires an 'id' to update targeted row"]
        if wrong:
            found[place] = wrong
        if len(found) == _SHOWN:
            break
    if found:
        raise SchemaError(known.schema_type, found)


def _add(
    via: sqlite3.Connection, now: int, known: TableMetadata, row_id: int, flat: dict[str, Any]
) -> None:
    if known.details.reference_table is not None:
        _check_target(via, known.details.reference_table, flat["target_id"])
    try:
        via.execute(
            "INSERT INTO annotation(number, id, fields, created) VALUES (?,?,?,?)",
            (known.number, row_id, json.dumps(flat, allow_nan=False), now),
        )
    except sqlite3.IntegrityError as error:
        raise RowRefusedError(
            f"There is an annotation with ID {row_id} in {known.name} already.",
            "Leave the id away to be given one.",
        ) from error


def _check_target(via: sqlite3.Connection, table: str, target: int) -> None:
    row = via.execute(
        "SELECT 1 FROM annotation JOIN catalogue USING (number) WHERE name=? AND id=?",
        (table, target),
    ).fetchone()
    if row is None:
        raise RowMissingError(f"No annotation with ID {target} exists in {table}")


def _standing(via: sqlite3.Connection, known: TableMetadata, row_id: int) -> dict[str, Any]:
    row = via.execute(
        "SELECT fields, superseded FROM annotation WHERE number=? AND id=?",
        (known.number, row_id),
    ).fetchone()
    if row is None:
        raise RowMissingError(f"No annotation with {row_id} exists")
    if row[1] is not None:
        raise SupersededError(row_id, row[1])
    kept: dict[str, Any] = json.loads(row[0])
    return kept


def _followers(via: sqlite3.Connection, known: TableMetadata) -> list[int]:
    """Return the numbers of the tables whose rows go over to a row's successor."""
    rows = via.execute("SELECT * FROM catalogue WHERE deleted IS NULL").fetchall()
    tables = [TableMetadata.from_row(row) for row in rows]
    return [
        table.number
        for table in tables
        if table.details.reference_table == known.name and table.details.track_target_id_updates
    ]


def _follow(via: sqlite3.Connection, number: int, old: int, new: int) -> None:
    """Change what rows speak about in place, as the production's trigger does."""
    via.execute(
        "UPDATE annotation SET fields=json_set(fields, '$.target_id', ?)"
        " WHERE number=? AND deleted IS NULL AND json_extract(fields, '$.target_id')=?",
        (new, number, old),
    )
