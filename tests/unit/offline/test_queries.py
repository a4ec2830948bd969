"""Queries of tables, against plain Python."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pyarrow
import pytest

from connectome.offline.queries import (
    MAX_ROWS,
    Answer,
    ColumnType,
    Comparison,
    Condition,
    Frame,
    Join,
    Query,
    QueryError,
    run_query,
    write_arrow,
)

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
BIG = 2**62 + 1
"""An id that a float would round."""


def frame(name: str = "cells", size: float = 8.0) -> Frame:
    columns = {
        "id": ColumnType.WHOLE,
        "created": ColumnType.TIME,
        "good": ColumnType.FLAG,
        "tag": ColumnType.TEXT,
        "score": ColumnType.NUMBER,
        "pt_root_id": ColumnType.WHOLE,
        "pt_position_x": ColumnType.NUMBER,
        "pt_position_y": ColumnType.NUMBER,
        "pt_position_z": ColumnType.NUMBER,
    }
    values: list[list[Any]] = [
        [1, NOON, True, "a", 0.5, BIG, 1, 2, 3],
        [2, NOON, False, "b", None, BIG + 2, 4, 5, 6],
        [3, NOON.replace(hour=13), None, None, 2.0, 0, 7, 8, 9],
    ]
    rows = [dict(zip(columns, row, strict=True)) for row in values]
    return Frame(name, columns, rows, ("pt_position",), (size, size, 40.0))


def ask(query: Query, *others: Frame) -> Answer:
    first = frame()
    return run_query({each.name: each for each in (first, *others)}, first.name, query)


def ids(answer: Answer) -> list[Any]:
    k = [output.name for output in answer.outputs].index("id")
    return [row[k] for row in answer.rows]


def where(column: str, comparison: Comparison, value: Any) -> list[Any]:
    return ids(ask(Query(conditions=(Condition("cells", column, comparison, value),))))


@pytest.mark.parametrize(
    ("column", "comparison", "value", "found"),
    [
        ("id", Comparison.EQUAL, 2, [2]),
        ("id", Comparison.EQUAL, "2", [2]),
        ("pt_root_id", Comparison.EQUAL, BIG, [1]),
        ("pt_root_id", Comparison.EQUAL, str(BIG), [1]),
        ("pt_root_id", Comparison.EQUAL, 2**64, []),
        ("pt_root_id", Comparison.IN, [BIG, 0], [1, 3]),
        ("pt_root_id", Comparison.NOT_IN, [0], [1, 2]),
        ("tag", Comparison.IN, ["a", "b"], [1, 2]),
        ("tag", Comparison.NOT_IN, ["a"], [2, 3]),
        ("tag", Comparison.GREATER, "a", [2]),
        ("tag", Comparison.MATCHES, "^[ab]$", [1, 2]),
        ("good", Comparison.EQUAL, False, [2]),
        ("score", Comparison.GREATER, 0.5, [3]),
        ("score", Comparison.GREATER_EQUAL, 0.5, [1, 3]),
        ("score", Comparison.LESS, 2, [1]),
        ("score", Comparison.LESS_EQUAL, 2, [1, 3]),
        ("created", Comparison.GREATER, "2024-05-01T12:30:00", [3]),
        ("created", Comparison.LESS, "2024-05-01T12:30:00+00:00", [1, 2]),
        ("pt_position", Comparison.INSIDE, [[1, 2, 3], [4, 5, 6]], [1, 2]),
        ("pt", Comparison.INSIDE, [[5, 0, 0], [9, 9, 9]], [3]),
    ],
)
def test_conditions(column: str, comparison: Comparison, value: Any, found: list[int]) -> None:
    assert where(column, comparison, value) == found


@pytest.mark.parametrize(
    ("column", "comparison", "value"),
    [
        ("nothing", Comparison.EQUAL, 1),
        ("id", Comparison.EQUAL, "x"),
        ("id", Comparison.EQUAL, None),
        ("id", Comparison.EQUAL, True),
        ("id", Comparison.IN, [[1]]),
        ("good", Comparison.EQUAL, 1),
        ("tag", Comparison.LESS, 3),
        ("tag", Comparison.MATCHES, "("),
        ("tag", Comparison.MATCHES, 3),
        ("id", Comparison.MATCHES, "1"),
        ("created", Comparison.LESS, "soon"),
        ("created", Comparison.LESS, 3),
        ("tag", Comparison.INSIDE, [[0, 0, 0], [1, 1, 1]]),
    ],
)
def test_conditions_that_make_no_sense(column: str, comparison: Comparison, value: Any) -> None:
    with pytest.raises(QueryError):
        where(column, comparison, value)


def test_columns_of_a_position_come_together() -> None:
    answer = ask(Query(select={"cells": ("tag", "pt_position", "pt_position_x")}))
    names = [output.name for output in answer.outputs]
    assert names == ["tag", "pt_position_x", "pt_position_y", "pt_position_z"]
    with pytest.raises(QueryError, match="no column"):
        ask(Query(select={"cells": ("nothing",)}))


def test_units() -> None:
    answer = ask(Query(select={"cells": ("pt_position",)}, desired_resolution=(16.0, 8.0, 40.0)))
    assert answer.rows == [[0.5, 2, 3], [2.0, 5, 6], [3.5, 8, 9]]
    assert answer.resolution == (16.0, 8.0, 40.0)
    kinds = [output.type for output in answer.outputs]
    assert kinds == [ColumnType.NUMBER, ColumnType.WHOLE, ColumnType.WHOLE]
    assert ask(Query()).resolution == (8.0, 8.0, 40.0)


def test_parts_of_the_answer() -> None:
    assert ids(ask(Query(limit=2))) == [1, 2]
    assert ids(ask(Query(offset=1, limit=1))) == [2]
    assert ask(Query(offset=1, limit=1)).found == 3
    assert ids(ask(Query(limit=0))) == []
    sampled = ids(ask(Query(sample=2)))
    assert len(sampled) == 2
    assert sampled == sorted(set(sampled))


def test_a_join() -> None:
    other = frame("notes", 4.0)
    join = Join("notes", "id", "cells", "id")
    suffixes = {"notes": "_note"}
    answer = ask(
        Query(joins=(join,), suffixes=suffixes, select={"notes": ("id", "pt_position")}), other
    )
    names = [output.name for output in answer.outputs]
    assert names[:2] == ["id", "created"]
    assert names[-4:] == [
        "id_note",
        "pt_position_note_x",
        "pt_position_note_y",
        "pt_position_note_z",
    ]
    assert [row[0] for row in answer.rows] == [row[-4] for row in answer.rows] == [1, 2, 3]
    assert answer.resolution is None
    only = Condition("notes", "tag", Comparison.EQUAL, "b")
    assert ids(ask(Query(joins=(join,), suffixes=suffixes, conditions=(only,)), other)) == [2]
    # A missing value is equal to no other.
    by_tag = Join("cells", "tag", "notes", "tag")
    assert ids(ask(Query(joins=(by_tag,), suffixes=suffixes), other)) == [1, 2]


@pytest.mark.parametrize(
    ("join", "suffixes"),
    [
        (Join("cells", "id", "notes", "id"), {}),
        (Join("cells", "nothing", "notes", "id"), {"notes": "_n"}),
        (Join("cells", "id", "cells", "id"), {"notes": "_n"}),
    ],
)
def test_joins_that_make_no_sense(join: Join, suffixes: dict[str, str]) -> None:
    with pytest.raises(QueryError):
        ask(Query(joins=(join,), suffixes=suffixes), frame("notes"))


def test_a_join_does_not_grow_without_bound() -> None:
    side = int(MAX_ROWS**0.5) + 2
    columns = {"k": ColumnType.WHOLE}
    left = Frame("cells", columns, [{"k": 1}] * side, (), (1.0, 1.0, 1.0))
    right = Frame("notes", columns, [{"k": 1}] * side, (), (1.0, 1.0, 1.0))
    query = Query(joins=(Join("cells", "k", "notes", "k"),), suffixes={"notes": "_n"})
    with pytest.raises(QueryError, match="more than"):
        run_query({"cells": left, "notes": right}, "cells", query)


def test_arrow_keeps_types_and_large_ids() -> None:
    table = pyarrow.ipc.open_stream(write_arrow(ask(Query()))).read_all()
    assert table.schema.field("pt_root_id").type == pyarrow.int64()
    assert table.schema.field("created").type == pyarrow.timestamp("us", tz="UTC")
    assert table.schema.field("score").type == pyarrow.float64()
    assert table.schema.field("pt_position_x").type == pyarrow.int64()
    rows = table.to_pylist()
    assert rows[0]["pt_root_id"] == BIG
    assert rows[1]["score"] is None
    assert rows[2]["created"] == NOON.replace(hour=13)
    assert [row["good"] for row in rows] == [True, False, None]
