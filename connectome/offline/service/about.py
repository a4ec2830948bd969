"""What a route says of itself: the service's own description is made of these."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = [
    "BINARY",
    "BOUNDS",
    "ID",
    "IDS",
    "INTEGER",
    "TIMESTAMP",
    "About",
    "Schema",
    "array_of",
    "fields",
]

Schema = Mapping[str, Any]
"""A JSON schema (draft 2020-12, as OpenAPI 3.1 uses it)."""

BINARY: Schema = {"type": "string", "format": "binary"}
"""Raw little-endian 64-bit ids (or any other bytes), not JSON."""
ID: Schema = {
    "anyOf": [
        {"type": "integer", "minimum": 0, "maximum": 2**64 - 1},
        {"type": "string", "pattern": "^[0-9]{1,20}$"},
    ]
}
INTEGER: Schema = {"type": "integer"}
TIMESTAMP: Schema = {"type": "number", "description": "Seconds since 1970, UTC."}
BOUNDS: Schema = {
    "type": "string",
    "pattern": "^[0-9]+-[0-9]+_[0-9]+-[0-9]+_[0-9]+-[0-9]+$",
    "description": "x0-x1_y0-y1_z0-z1, voxels.",
}


def array_of(items: Schema) -> Schema:
    """Return the schema of a list."""
    return {"type": "array", "items": dict(items)}


IDS = array_of(ID)


def fields(**properties: Schema) -> Schema:
    """Return the schema of an object that has all of these fields."""
    return {
        "type": "object",
        "properties": {name: dict(schema) for name, schema in properties.items()},
        "required": list(properties),
    }


@dataclass(frozen=True)
class About:
    """The description of one route.

    Parameters
    ----------
    summary : str
        One sentence.
    query : mapping
        Schema of each parameter of the query; all are optional.
    body : mapping, optional
        Schema of the body: `BINARY`, or that of JSON.
    answer : mapping, optional
        Schema of the answer when all went well: `BINARY`, or that of JSON.
    status : int
        The HTTP status of that answer.
    path : mapping
        Schema of parameters of the path that are not what their names say.
    errors : mapping
        More statuses that a request may be answered with, each with a sentence.
    """

    summary: str
    query: Mapping[str, Schema] = field(default_factory=dict)
    body: Schema | None = None
    answer: Schema | None = None
    status: int = 200
    path: Mapping[str, Schema] = field(default_factory=dict)
    errors: Mapping[int, str] = field(default_factory=dict)
