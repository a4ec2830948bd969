"""Queries in the words of CAVE's MaterializationEngine: what is read, what is written."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from starlette.responses import Response

from connectome.offline.queries import (
    Answer,
    Comparison,
    Condition,
    Join,
    Query,
    write_arrow,
)
from connectome.offline.service.annotation_wire import read_object, read_text
from connectome.offline.service.wire import Call, WireError, json_reply, shown

__all__ = ["read_live_joins", "read_moment", "read_query", "read_tables", "write_answer"]

_FILTERS: Mapping[str, Comparison] = {
    "filter_in_dict": Comparison.IN,
    "filter_notin_dict": Comparison.NOT_IN,
    "filter_equal_dict": Comparison.EQUAL,
    "filter_greater_dict": Comparison.GREATER,
    "filter_less_dict": Comparison.LESS,
    "filter_greater_equal_dict": Comparison.GREATER_EQUAL,
    "filter_less_equal_dict": Comparison.LESS_EQUAL,
    "filter_spatial_dict": Comparison.INSIDE,
    "filter_regex_dict": Comparison.MATCHES,
}
_DEFAULT_SUFFIXES = ("_x", "_y", "_z")
"""What tables get whose suffix is not said; the client expects the first two."""


def read_query(
    body: Mapping[str, Any], call: Call, tables: Sequence[str], joins: tuple[Join, ...]
) -> Query:
    """Read what is asked of these tables, the first of which is the one that is asked."""
    sample = call.optional_int("random_sample")
    if sample is not None and sample < 1:
        raise WireError(400, "random_sample is not above zero.")
    return Query(
        joins=joins,
        conditions=tuple(_conditions(body, tables)),
        select=_selected(body, tables),
        suffixes=_suffixes(body, tables),
        offset=_count(body, "offset") or 0,
        limit=_count(body, "limit"),
        sample=sample,
        desired_resolution=_resolution(body),
    )


def read_tables(body: Mapping[str, Any]) -> tuple[list[str], tuple[Join, ...]]:
    """Read ``tables``: pairs of a table and the column on which it is joined to the others."""
    pairs = body.get("tables")
    if not isinstance(pairs, list) or len(pairs) < 2 or not all(_are_texts(p, 2) for p in pairs):
        raise WireError(400, "The body holds no list 'tables' of pairs [table, column].")
    (first, column), *others = pairs
    return _distinct([pair[0] for pair in pairs]), tuple(
        Join(first, column, table, other) for table, other in others
    )


def read_live_joins(body: Mapping[str, Any]) -> tuple[list[str], tuple[Join, ...]]:
    """Read ``table`` and ``join_tables``: lists [table, column, table, column]."""
    first, rows = read_text(body, "table"), body.get("join_tables") or []
    if not isinstance(rows, list) or not all(_are_texts(row, 4) for row in rows):
        raise WireError(400, "join_tables is no list of [table, column, table, column].")
    joins = tuple(Join(*row) for row in rows)
    names = dict.fromkeys([first, *(name for j in joins for name in (j.left, j.right))])
    return list(names), joins


def read_moment(body: Mapping[str, Any]) -> datetime:
    """Read ``timestamp``, UTC if it does not say otherwise."""
    text = read_text(body, "timestamp")
    try:
        found = datetime.fromisoformat(text)
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise WireError(400, f"timestamp is not a time: {shown(text)}.") from error


def write_answer(answer: Answer, call: Call) -> Response:
    """Write an answer as an Arrow stream, or as JSON where ``return_pyarrow`` is off."""
    headers = {"column_names": json.dumps(_column_names(answer))}
    if answer.resolution is not None:
        headers["dataframe_resolution"] = ", ".join(str(size) for size in answer.resolution)
    if call.query.get("return_pyarrow", "true").lower() in ("0", "false", "no"):
        return json_reply(_records(answer), call, headers=headers)
    fixed = {"content-type": "data.arrow", "cache-control": "no-store"}
    return Response(write_arrow(answer), headers={**fixed, **headers})


def _records(answer: Answer) -> list[dict[str, object]]:
    names = [output.name for output in answer.outputs]
    return [dict(zip(names, map(_plain, row), strict=True)) for row in answer.rows]


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value


def _column_names(answer: Answer) -> dict[str, dict[str, str]]:
    names: dict[str, dict[str, str]] = {}
    for output in answer.outputs:
        names.setdefault(output.table, {})[output.column] = output.name
    return names


def _conditions(body: Mapping[str, Any], tables: Sequence[str]) -> list[Condition]:
    found = []
    for key, comparison in _FILTERS.items():
        for table, columns in _by_table(body, key, tables).items():
            for column, value in read_object(columns, f"{key} of {table}").items():
                _check_value(comparison, value, column)
                found.append(Condition(table, column, comparison, value))
    return found


def _check_value(comparison: Comparison, value: object, column: str) -> None:
    if comparison in (Comparison.IN, Comparison.NOT_IN) and not isinstance(value, list):
        raise WireError(400, f"The filter of {shown(column)} is no list.")
    if comparison is Comparison.INSIDE and not (
        isinstance(value, list) and len(value) == 2 and all(_are_numbers(end) for end in value)
    ):
        raise WireError(400, f"The box of {shown(column)} is not [[x, y, z], [x, y, z]].")


def _selected(
    body: Mapping[str, Any], tables: Sequence[str]
) -> Mapping[str, tuple[str, ...]] | None:
    """Read the columns that are wanted: a list for the only table, or lists by table."""
    wanted = body.get("select_columns")
    if wanted is None:
        wanted = body.get("select_column_map")
    if wanted is None:
        return None
    if isinstance(wanted, list):
        if len(tables) != 1:
            raise WireError(400, "With several tables, select_columns names them.")
        wanted = {tables[0]: wanted}
    names = _known(read_object(wanted, "select_columns"), "select_columns", tables)
    if not all(_are_texts(columns, None) for columns in names.values()):
        raise WireError(400, "select_columns holds something else than names of columns.")
    return {table: tuple(columns) for table, columns in names.items()}


def _suffixes(body: Mapping[str, Any], tables: Sequence[str]) -> Mapping[str, str]:
    given = body.get("suffix_map") if body.get("suffix_map") is not None else body.get("suffixes")
    if isinstance(given, list):
        given = dict(zip(tables, given, strict=False))
    said = {} if given is None else _known(read_object(given, "suffixes"), "suffixes", tables)
    if not _are_texts(list(said.values()), None):
        raise WireError(400, "A suffix is not text.")
    more = [*_DEFAULT_SUFFIXES, *(f"_{k}" for k in range(4, len(tables) + 1))]
    return {**dict(zip(tables, more, strict=False)), **said}


def _by_table(body: Mapping[str, Any], key: str, tables: Sequence[str]) -> dict[str, Any]:
    value = body.get(key)
    return {} if value is None else _known(read_object(value, key), key, tables)


def _known(value: dict[str, Any], key: str, tables: Sequence[str]) -> dict[str, Any]:
    strange = [table for table in value if table not in tables]
    if strange:
        raise WireError(400, f"{key} names the table {shown(strange[0])}, which is not asked.")
    return value


def _count(body: Mapping[str, Any], key: str) -> int | None:
    value = body.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**53:
        raise WireError(400, f"{key} is not a count: {shown(value)}.")
    return value


def _resolution(body: Mapping[str, Any]) -> tuple[float, float, float] | None:
    value = body.get("desired_resolution")
    if value is None:
        return None
    if not _are_numbers(value) or not all(1e-6 < size < 1e9 for size in value):
        raise WireError(400, f"desired_resolution is not three sizes: {shown(value)}.")
    x, y, z = (float(size) for size in value)
    return x, y, z


def _are_numbers(value: object) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 3
        and all(isinstance(v, int | float) and not isinstance(v, bool) for v in value)
        and all(math.isfinite(v) if isinstance(v, float) else abs(v) < 2**63 for v in value)
    )


def _are_texts(value: object, length: int | None) -> bool:
    return (
        isinstance(value, list)
        and (length is None or len(value) == length)
        and all(isinstance(each, str) for each in value)
    )


def _distinct(names: list[str]) -> list[str]:
    if len(set(names)) != len(names):
        raise WireError(400, "A table cannot be joined with itself.")
    return names
