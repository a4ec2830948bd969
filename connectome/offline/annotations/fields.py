"""What the rows of an annotation table are made of: fields, points and schema types."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum
from functools import cached_property

__all__ = [
    "POINT_PARTS",
    "Column",
    "Field",
    "Kind",
    "SchemaType",
    "bound",
    "derived",
    "flag",
    "identifier",
    "maybe",
    "number",
    "point",
    "reference",
    "schema",
    "text",
    "whole",
]


class Kind(Enum):
    """What a field holds."""

    TEXT = "text"
    WHOLE = "whole"
    """A whole number."""
    NUMBER = "number"
    FLAG = "flag"
    IDENTIFIER = "identifier"
    """A 64-bit id: of a root, a supervoxel, or a row of another table."""
    POSITION = "position"
    """Three numbers, voxels of the table's resolution (x, y, z)."""
    POINT = "SpatialPoint"
    """An object with a position."""
    BOUND = "BoundSpatialPoint"
    """A point that belongs to whatever object lies under it."""
    DERIVED = "DerivedSpatialPoint"
    """A bound point that was computed for a chunk."""


@dataclass(frozen=True)
class Field:
    """One field of a schema type.

    Parameters
    ----------
    name : str
        As it stands in a posted annotation.
    kind : Kind
        What it holds.
    required : bool
        Whether a row cannot be without it.
    choices : tuple
        The values that are allowed; empty for any.
    default : object
        What the schema service says it is when absent; None for nothing.
    """

    name: str
    kind: Kind
    required: bool = True
    choices: tuple[str | int, ...] = ()
    default: object = None


@dataclass(frozen=True)
class Column:
    """One column of the flat row: `path` leads to its value in a posted annotation."""

    name: str
    kind: Kind
    required: bool
    path: tuple[str, ...]


_POSITION = Field("position", Kind.POSITION)
_IDS = (
    Field("root_id", Kind.IDENTIFIER, required=False),
    Field("supervoxel_id", Kind.IDENTIFIER, required=False),
)
_CHUNK = (
    Field("dependent_chunk", Kind.IDENTIFIER),
    Field("level", Kind.IDENTIFIER, required=False),
)
POINT_PARTS: dict[Kind, tuple[Field, ...]] = {
    Kind.POINT: (_POSITION,),
    Kind.BOUND: (_POSITION, *_IDS),
    Kind.DERIVED: (*_CHUNK, _POSITION, *_IDS),
}
"""What the points of each kind consist of."""

_LOOKED_UP = frozenset({"root_id", "supervoxel_id"})
"""Fields of a point that follow from the segmentation and are never stored with the row."""


@dataclass(frozen=True)
class SchemaType:
    """A type of annotation table.

    Parameters
    ----------
    name : str
        As clients ask for it, such as ``bound_2tag``.
    title : str
        The name of its definition in the JSON schema.
    fields : tuple of Field
        Its fields.
    """

    name: str
    title: str
    fields: tuple[Field, ...]

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """The columns of a flat row; what is looked up in the segmentation has none."""
        return tuple(self._columns())

    @cached_property
    def bound_points(self) -> tuple[str, ...]:
        """Names of the points that belong to a root: ``pt`` has its place in ``pt_position``."""
        return tuple(f.name for f in self.fields if f.kind in (Kind.BOUND, Kind.DERIVED))

    @property
    def is_reference(self) -> bool:
        """Whether its rows speak about the rows of another table."""
        return any(field.name == "target_id" for field in self.fields)

    def _columns(self) -> Iterator[Column]:
        for field in self.fields:
            parts = POINT_PARTS.get(field.kind)
            if parts is None:
                if field.name not in _LOOKED_UP:
                    yield Column(field.name, field.kind, field.required, (field.name,))
                continue
            for part in parts:
                if part.name not in _LOOKED_UP:
                    name, path = f"{field.name}_{part.name}", (field.name, part.name)
                    yield Column(name, part.kind, field.required and part.required, path)


def schema(name: str, title: str, *fields: Field) -> SchemaType:
    """Return a schema type, its fields in the order of their names."""
    return SchemaType(name, title, tuple(sorted(fields, key=lambda field: field.name)))


def maybe(field: Field, default: object = None) -> Field:
    """Return the field as one that a row may be without."""
    return replace(field, required=False, default=default)


def text(name: str, *choices: str, default: object = None) -> Field:
    """Return a field of text."""
    return Field(name, Kind.TEXT, choices=choices, default=default)


def whole(name: str, *choices: int) -> Field:
    """Return a field of a whole number."""
    return Field(name, Kind.WHOLE, choices=choices)


def number(name: str) -> Field:
    """Return a field of a number."""
    return Field(name, Kind.NUMBER)


def flag(name: str) -> Field:
    """Return a field that is true or false."""
    return Field(name, Kind.FLAG)


def identifier(name: str) -> Field:
    """Return a field of a 64-bit id."""
    return Field(name, Kind.IDENTIFIER)


def reference() -> Field:
    """Return the field that names a row of the referenced table."""
    return Field("target_id", Kind.IDENTIFIER)


def point(name: str = "pt") -> Field:
    """Return a field of a place."""
    return Field(name, Kind.POINT)


def bound(name: str = "pt") -> Field:
    """Return a field of a place that belongs to an object."""
    return Field(name, Kind.BOUND)


def derived(name: str = "pt") -> Field:
    """Return a field of a place that was computed for a chunk."""
    return Field(name, Kind.DERIVED)
