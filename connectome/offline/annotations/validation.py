"""From an annotation as it is posted to the flat row that is stored, or the reasons why not."""

from __future__ import annotations

import importlib
import math
from collections.abc import Mapping
from functools import cache
from types import ModuleType
from typing import Any

from jsonschema import Draft7Validator
from jsonschema.exceptions import ValidationError, best_match

from connectome.offline.annotations.catalogue import SCHEMA_TYPES
from connectome.offline.annotations.definitions import strict_definition
from connectome.offline.annotations.fields import Column, Kind

__all__ = ["Violations", "flatten", "violations_of"]

Violations = dict[str, list[str]]
"""What is wrong with an annotation, by the name of the field."""


def violations_of(
    schema_type: str, annotation: Mapping[str, Any], *, partial: bool = False
) -> Violations:
    """Return what keeps an annotation out of a table; empty if nothing does.

    A partial annotation may leave out any field; what it has must be right.
    """
    found: Violations = {}
    for error in _validator(schema_type, partial).iter_errors(dict(annotation)):
        found |= _explain(error)
    if not found:
        found = _beyond_schema(schema_type, annotation)
    if not found and not partial:
        found = _upstream_violations(schema_type, annotation)
    return found


def flatten(schema_type: str, annotation: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns that a valid annotation fills; what it lacks is absent.

    Positions become lists of three numbers, ids whole numbers.
    """
    flat: dict[str, Any] = {}
    for column in SCHEMA_TYPES[schema_type].columns:
        value = _at(annotation, column)
        if value is not _ABSENT:
            flat[column.name] = _stored(value, column.kind)
    return flat


_ABSENT = object()


def _at(annotation: Mapping[str, Any], column: Column) -> Any:
    value: Any = annotation
    for name in column.path:
        if value is None:
            return None
        if name not in value:
            return _ABSENT
        value = value[name]
    return value


def _stored(value: Any, kind: Kind) -> Any:
    if value is None:
        return None
    if kind in (Kind.IDENTIFIER, Kind.WHOLE):
        return int(value)
    if kind is Kind.NUMBER:
        return float(value)
    return value


@cache
def _validator(schema_type: str, partial: bool) -> Draft7Validator:
    return Draft7Validator(strict_definition(SCHEMA_TYPES[schema_type], partial=partial))


def _explain(error: ValidationError) -> Violations:
    path = [str(part) for part in error.absolute_path]
    if error.validator == "required":
        missing = sorted(set(error.validator_value) - set(error.instance))
        return {".".join([*path, name]): ["This field is required."] for name in missing}
    if error.context:
        error = best_match(error.context) or error
    return {".".join(path) or "annotation": [_short(error.message)]}


def _beyond_schema(schema_type: str, annotation: Mapping[str, Any]) -> Violations:
    """Find what JSON schema cannot: NaN is neither above nor below a bound, and text has none."""
    found: Violations = {}
    for column in SCHEMA_TYPES[schema_type].columns:
        value = _at(annotation, column)
        numbers = value if isinstance(value, list) else [value]
        if any(isinstance(n, float) and not math.isfinite(n) for n in numbers):
            found[".".join(column.path)] = ["This is not a number."]
        if column.kind is Kind.IDENTIFIER and isinstance(value, str) and int(value) >= 2**63:
            found[".".join(column.path)] = ["This is not an id of 63 bits."]
    return found


def _short(text: str) -> str:
    """Keep an answer from repeating a megabyte of what was posted."""
    return text if len(text) <= 200 else f"{text[:120]} ... {text[-70:]}"


def _upstream_violations(schema_type: str, annotation: Mapping[str, Any]) -> Violations:
    """Ask CAVE's own package, where it is installed (it needs a numpy before 2)."""
    package = _upstream()
    if package is None or schema_type not in package.get_types():
        return {}
    messages = package.get_schema(schema_type)().validate(dict(annotation))
    return {str(name): [str(text)] for name, text in messages.items()}


@cache
def _upstream() -> ModuleType | None:
    try:
        return importlib.import_module("emannotationschemas")
    except ImportError:
        return None
