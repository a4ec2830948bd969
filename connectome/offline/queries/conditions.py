"""Which rows of a table meet the conditions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from connectome.offline.queries.model import (
    ColumnType,
    Comparison,
    Condition,
    Frame,
    QueryError,
    Row,
    parts_of,
)

__all__ = ["rows_that_meet"]


def rows_that_meet(frame: Frame, conditions: Sequence[Condition]) -> list[Row]:
    """Return the rows of a table that meet all conditions on it.

    Raises
    ------
    QueryError
        If a condition names what is not there or compares what cannot be compared.
    """
    rows = frame.rows
    for condition in conditions:
        if condition.table == frame.name:
            holds = _test(frame, condition)
            rows = [row for row in rows if holds(row)]
    return rows


def _test(frame: Frame, condition: Condition) -> Callable[[Row], bool]:
    """Return what tells whether a row meets a condition; a missing value meets none."""
    column, value = condition.column, condition.value
    if condition.test is Comparison.INSIDE:
        return _inside(frame, column, value)
    kind = frame.columns.get(column)
    if kind is None:
        raise QueryError(f"The table {frame.name} has no column {column!r}.")
    if condition.test is Comparison.MATCHES:
        return _matches(frame, column, kind, value)
    if condition.test in (Comparison.IN, Comparison.NOT_IN):
        wanted = {_as(kind, each, column) for each in value}
        if condition.test is Comparison.IN:
            return lambda row: row[column] in wanted
        return lambda row: row[column] not in wanted
    bound = _as(kind, value, column)
    compare = _COMPARE[condition.test]
    return lambda row: row[column] is not None and compare(row[column], bound)


_COMPARE: dict[Comparison, Callable[[Any, Any], bool]] = {
    Comparison.EQUAL: lambda a, b: bool(a == b),
    Comparison.GREATER: lambda a, b: bool(a > b),
    Comparison.LESS: lambda a, b: bool(a < b),
    Comparison.GREATER_EQUAL: lambda a, b: bool(a >= b),
    Comparison.LESS_EQUAL: lambda a, b: bool(a <= b),
}


def _as(kind: ColumnType, value: object, column: str) -> Any:
    """Return a value as the column holds it.

    Whole numbers may come as text, because JavaScript rounds ids; a whole number in a
    column of numbers, and the reverse, compares as a number.
    """
    if kind is ColumnType.TIME and isinstance(value, str):
        return _moment(value)
    if kind in (ColumnType.WHOLE, ColumnType.NUMBER):
        if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= 20:
            return int(value)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return value
    wanted = {ColumnType.FLAG: bool, ColumnType.TEXT: str}.get(kind)
    if wanted is not None and isinstance(value, wanted):
        return value
    raise QueryError(
        f"The column {column} holds {kind.value}, not values like {str(value)[:40]!r}."
    )


def _moment(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise QueryError(f"This is not a time: {text[:40]!r}.") from error


def _inside(frame: Frame, position: str, box: Any) -> Callable[[Row], bool]:
    name = position if position in frame.positions else f"{position}_position"
    if name not in frame.positions:
        raise QueryError(f"The table {frame.name} has no position {position!r}.")
    low, high = box
    x, y, z = parts_of(name)

    def holds(row: Row) -> bool:
        place = (row[x], row[y], row[z])
        return None not in place and all(
            a <= p <= b for a, p, b in zip(low, place, high, strict=True)
        )

    return holds


def _matches(frame: Frame, column: str, kind: ColumnType, pattern: object) -> Callable[[Row], bool]:
    """Match in time linear in the text, whatever the pattern: Arrow uses RE2."""
    import pyarrow
    import pyarrow.compute

    if kind is not ColumnType.TEXT or not isinstance(pattern, str):
        raise QueryError(f"The column {column} holds {kind.value}; patterns are for text.")
    values = sorted({row[column] for row in frame.rows if row[column] is not None})
    try:
        hits = pyarrow.compute.match_substring_regex(
            pyarrow.array(values, pyarrow.string()), pattern
        ).to_pylist()
    except pyarrow.ArrowInvalid as error:
        raise QueryError(f"This is no regular expression: {pattern[:80]!r}.") from error
    good = {value for value, hit in zip(values, hits, strict=True) if hit}
    return lambda row: row[column] in good
