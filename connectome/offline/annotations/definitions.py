"""Schema types as JSON schemas: one for clients, in the words of CAVE's, and a strict one.

The first is what ``/schema/api/v2/type/NAME`` answers (draft 07), where a position is any
array and a whole number any number. The second decides what is stored.
"""

from __future__ import annotations

from typing import Any

from connectome.offline.annotations.fields import POINT_PARTS, Field, Kind, SchemaType

__all__ = ["public_definition", "strict_definition"]

_DRAFT = "http://json-schema.org/draft-07/schema#"
_POINT_TITLES = frozenset(kind.value for kind in POINT_PARTS)
_VALID = {"title": "valid", "type": ["boolean", "null"], "default": False}
"""A field of every row that clients may send and that the service decides."""
_PUBLIC: dict[Kind, dict[str, Any]] = {
    Kind.TEXT: {"type": "string"},
    Kind.WHOLE: {"type": "number", "format": "integer"},
    Kind.NUMBER: {"type": "number", "format": "float"},
    Kind.FLAG: {"type": "boolean"},
    Kind.IDENTIFIER: {"type": "integer"},
    Kind.POSITION: {"type": "array"},
}
_LARGEST = 1.7e308
_FINITE = {"type": "number", "minimum": -_LARGEST, "maximum": _LARGEST}
_STRICT: dict[Kind, dict[str, Any]] = {
    Kind.TEXT: {"type": "string"},
    Kind.WHOLE: {"type": "integer", "minimum": -(2**63), "maximum": 2**63 - 1},
    Kind.NUMBER: _FINITE,
    Kind.FLAG: {"type": "boolean"},
    # JavaScript writes ids as text, because its numbers are exact up to 2**53 only.
    Kind.IDENTIFIER: {
        "anyOf": [
            {"type": "integer", "minimum": 0, "maximum": 2**63 - 1},
            {"type": "string", "pattern": "^[0-9]{1,19}$"},
        ]
    },
    Kind.POSITION: {"type": "array", "items": _FINITE, "minItems": 3, "maxItems": 3},
}


def public_definition(schema: SchemaType) -> dict[str, Any]:
    """Return the JSON schema that the schema service answers with."""
    kinds = {field.kind for field in schema.fields}
    definitions = {
        kind.value: _public_object(parts) for kind, parts in POINT_PARTS.items() if kind in kinds
    }
    own = _public_object(schema.fields)
    if schema.title not in _POINT_TITLES:
        own["properties"] = dict(sorted({**own["properties"], "valid": _VALID}.items()))
        own["additionalProperties"] = True
    definitions[schema.title] = own
    return {
        "$schema": _DRAFT,
        "definitions": definitions,
        "$ref": f"#/definitions/{schema.title}",
    }


def _public_object(fields: tuple[Field, ...]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {field.name: _public_field(field) for field in fields},
        "required": [field.name for field in fields if field.required],
        "additionalProperties": False,
    }


def _public_field(field: Field) -> dict[str, Any]:
    if field.kind in POINT_PARTS:
        return {"type": "object", "$ref": f"#/definitions/{field.kind.value}"}
    entry = dict(_PUBLIC[field.kind])
    if field.kind in (Kind.IDENTIFIER, Kind.POSITION):
        return entry
    entry["title"] = field.name
    if not field.required:
        entry["type"] = [entry["type"], "null"]
    if field.choices:
        entry |= {"enum": list(field.choices), "enumNames": []}
    if field.default is not None:
        entry["default"] = field.default
    return entry


def strict_definition(schema: SchemaType, *, partial: bool = False) -> dict[str, Any]:
    """Return the JSON schema that a row must meet; of a partial one nothing is required.

    Fields that the type does not have are allowed (and not stored), as CAVE does it.
    """
    own = _strict_object(schema.fields)
    if partial:
        own["required"] = []
    own["properties"]["id"] = {"type": "integer", "minimum": 1, "maximum": 2**62}
    return {"$schema": _DRAFT, **own}


def _strict_object(fields: tuple[Field, ...]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {field.name: _strict_field(field) for field in fields},
        "required": [field.name for field in fields if field.required],
    }


def _strict_field(field: Field) -> dict[str, Any]:
    parts = POINT_PARTS.get(field.kind)
    entry = dict(_STRICT[field.kind]) if parts is None else _strict_object(parts)
    if field.choices:
        entry["enum"] = list(field.choices)
    return entry if field.required else {"anyOf": [entry, {"type": "null"}]}
