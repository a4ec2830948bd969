"""Filter, join, select."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from connectome.offline.queries.conditions import rows_that_meet
from connectome.offline.queries.model import (
    MAX_ROWS,
    Answer,
    ColumnType,
    Frame,
    Join,
    Output,
    Query,
    QueryError,
    Row,
    parts_of,
)

__all__ = ["run_query"]

Combination = dict[str, Row]
"""One row of an answer before its columns are chosen: a row of each table."""


def run_query(frames: Mapping[str, Frame], first: str, query: Query) -> Answer:
    """Ask tables a question.

    Parameters
    ----------
    frames : mapping
        The tables by their names.
    first : str
        The table that is asked.
    query : Query
        The question.

    Raises
    ------
    QueryError
        If it names what is not there or compares what cannot be compared.
    """
    kept = {name: rows_that_meet(frame, query.conditions) for name, frame in frames.items()}
    combinations = [{first: row} for row in kept[first]]
    tables = [first]
    for join in query.joins:
        combinations = _joined(frames, kept, tables, combinations, join)
    found = len(combinations)
    if query.sample is not None and query.sample < found:
        chosen = sorted(random.sample(range(found), query.sample))
        combinations = [combinations[k] for k in chosen]
    last = query.offset + min(MAX_ROWS, MAX_ROWS if query.limit is None else query.limit)
    outputs = _outputs([frames[name] for name in tables], query)
    scales = {name: _scales(frames[name], query.desired_resolution) for name in tables}
    rows = [
        [_scaled(each[o.table][o.column], scales[o.table].get(o.column)) for o in outputs]
        for each in combinations[query.offset : last]
    ]
    units = {frames[name].resolution for name in tables}
    unit = query.desired_resolution or (units.pop() if len(units) == 1 else None)
    return Answer(_settled(outputs, rows), rows, unit, found)


def _joined(
    frames: Mapping[str, Frame],
    kept: Mapping[str, list[Row]],
    tables: list[str],
    combinations: list[Combination],
    join: Join,
) -> list[Combination]:
    """Bring in one more table, whose name is added to `tables`."""
    if join.left not in tables:
        join = Join(join.right, join.right_column, join.left, join.left_column)
    if join.left not in tables or join.right in tables:
        raise QueryError("Each join brings one table to those that are there already.")
    for table, column in ((join.left, join.left_column), (join.right, join.right_column)):
        if column not in frames[table].columns:
            raise QueryError(f"The table {table} has no column {column!r}.")
    partners: dict[object, list[Row]] = {}
    for row in kept[join.right]:
        partners.setdefault(row[join.right_column], []).append(row)
    out: list[Combination] = []
    for each in combinations:
        value = each[join.left][join.left_column]
        for partner in partners.get(value, ()) if value is not None else ():
            out.append({**each, join.right: partner})
        if len(out) > MAX_ROWS:
            raise QueryError(f"The joined tables have more than {MAX_ROWS} rows.")
    tables.append(join.right)
    return out


def _outputs(frames: Sequence[Frame], query: Query) -> tuple[Output, ...]:
    """Return the columns of the answer; names that two tables have get suffixes."""
    chosen = [(frame, name) for frame in frames for name in _chosen(frame, query.select)]
    names = [name for _, name in chosen]
    outputs = []
    for frame, name in chosen:
        suffix = query.suffixes.get(frame.name, "") if names.count(name) > 1 else ""
        place = name[:-2] in frame.positions
        given_name = _suffixed(name, suffix, place=place)
        outputs.append(Output(given_name, frame.name, name, frame.columns[name], place))
    given = [output.name for output in outputs]
    if len(set(given)) != len(given):
        twice = next(name for name in given if given.count(name) > 1)
        raise QueryError(f"Two columns would be called {twice!r}.", "Give each table a suffix.")
    return tuple(outputs)


def _suffixed(name: str, suffix: str, *, place: bool) -> str:
    """Add a suffix; the axis of a position stays last, which is how clients know it."""
    return f"{name[:-2]}{suffix}{name[-2:]}" if place else name + suffix


def _chosen(frame: Frame, select: Mapping[str, tuple[str, ...]] | None) -> list[str]:
    if select is None or frame.name not in select:
        return list(frame.columns)
    out: list[str] = []
    for name in select[frame.name]:
        parts = parts_of(name) if name in frame.positions else (name,)
        if any(part not in frame.columns for part in parts):
            raise QueryError(f"The table {frame.name} has no column {name!r}.")
        out.extend(part for part in parts if part not in out)
    return out


def _scales(frame: Frame, desired: tuple[float, float, float] | None) -> dict[str, float]:
    """Return what each part of a position is multiplied with."""
    if desired is None or desired == frame.resolution:
        return {}
    factors = [have / want for have, want in zip(frame.resolution, desired, strict=True)]
    return {
        part: factor
        for name in frame.positions
        for part, factor in zip(parts_of(name), factors, strict=True)
    }


def _scaled(value: Any, factor: float | None) -> Any:
    return value if factor is None or value is None else value * factor


def _settled(outputs: tuple[Output, ...], rows: list[list[Any]]) -> tuple[Output, ...]:
    """Return the columns with numbers that are all whole as whole numbers.

    Positions are numbers; in most tables they are voxels.
    """
    return tuple(_settle(output, k, rows) for k, output in enumerate(outputs))


def _settle(output: Output, k: int, rows: list[list[Any]]) -> Output:
    if not output.is_place or not all(_is_whole(row[k]) for row in rows):
        return output
    for row in rows:
        row[k] = int(row[k])
    return replace(output, type=ColumnType.WHOLE)


def _is_whole(value: Any) -> bool:
    return value is not None and abs(value) < 2**53 and math.floor(value) == value
