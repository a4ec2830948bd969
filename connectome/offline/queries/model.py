"""What is asked of tables, and what is answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from connectome.errors import InputError

__all__ = [
    "MAX_ROWS",
    "Answer",
    "ColumnType",
    "Comparison",
    "Condition",
    "Frame",
    "Join",
    "Output",
    "Query",
    "QueryError",
    "Row",
    "parts_of",
]

MAX_ROWS = 500_000
"""No answer has more rows."""

Row = dict[str, Any]


class QueryError(InputError):
    """The question makes no sense for these tables."""


class ColumnType(Enum):
    """What a column holds; the value is the name of its Arrow type."""

    WHOLE = "int64"
    NUMBER = "float64"
    FLAG = "bool"
    TEXT = "string"
    TIME = "timestamp"


@dataclass(frozen=True, eq=False)
class Frame:
    """A table as of a time.

    Parameters
    ----------
    name : str
        Its name.
    columns : mapping
        Columns in their order. A position ``pt_position`` is three of them, ending in
        ``_x``, ``_y`` and ``_z``.
    rows : list of dict
        Values by column, None where a row has none.
    positions : tuple of str
        Which positions there are.
    resolution : tuple of float
        Size in nm of one unit of the positions (x, y, z).
    """

    name: str
    columns: Mapping[str, ColumnType]
    rows: list[Row]
    positions: tuple[str, ...]
    resolution: tuple[float, float, float]


class Comparison(Enum):
    """How a condition compares."""

    IN = "in"
    NOT_IN = "not in"
    EQUAL = "="
    GREATER = ">"
    LESS = "<"
    GREATER_EQUAL = ">="
    LESS_EQUAL = "<="
    INSIDE = "inside"
    """A position in a box ((x, y, z), (x, y, z)), in units of the table, ends included."""
    MATCHES = "matches"
    """A text that a regular expression finds something in."""


@dataclass(frozen=True)
class Condition:
    """What the rows of one table must meet."""

    table: str
    column: str
    test: Comparison
    value: Any


@dataclass(frozen=True)
class Join:
    """Rows of two tables that have the same value in one column each."""

    left: str
    left_column: str
    right: str
    right_column: str


@dataclass(frozen=True)
class Query:
    """A question.

    Parameters
    ----------
    joins : tuple of Join
        Each brings one table that is not there yet.
    conditions : tuple of Condition
        All must hold.
    select : mapping, optional
        Columns of each table; everything of a table that is not named. A position may be
        named as a whole.
    suffixes : mapping
        What is added to the names of columns that two tables have.
    desired_resolution : tuple of float, optional
        Positions are given in this unit.
    """

    joins: tuple[Join, ...] = ()
    conditions: tuple[Condition, ...] = ()
    select: Mapping[str, tuple[str, ...]] | None = None
    suffixes: Mapping[str, str] = field(default_factory=dict)
    offset: int = 0
    limit: int | None = None
    sample: int | None = None
    desired_resolution: tuple[float, float, float] | None = None


@dataclass(frozen=True)
class Output:
    """One column of an answer: its name there, and where it comes from."""

    name: str
    table: str
    column: str
    type: ColumnType
    is_place: bool = False


@dataclass(frozen=True, eq=False)
class Answer:
    """What a query found: columns and rows of values, and the unit of all positions in nm.

    `resolution` is None where tables of different units were joined; `found` counts the
    rows without offset and limit.
    """

    outputs: tuple[Output, ...]
    rows: list[list[Any]]
    resolution: tuple[float, float, float] | None
    found: int


def parts_of(position: str) -> tuple[str, str, str]:
    """Return the three columns of a position."""
    return (f"{position}_x", f"{position}_y", f"{position}_z")
