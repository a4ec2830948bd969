"""The schema service: what the annotations of each type are made of."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response
from starlette.routing import BaseRoute

from connectome.offline.annotations import SCHEMA_TYPES, public_definition
from connectome.offline.service.about import About, Schema, array_of, fields
from connectome.offline.service.routing import route
from connectome.offline.service.state import ServiceState
from connectome.offline.service.wire import Call, WireError, json_reply, shown

__all__ = ["ROUTES"]


def _types(_state: ServiceState, call: Call) -> Response:
    return json_reply(list(SCHEMA_TYPES), call)


def _one(_state: ServiceState, call: Call) -> Response:
    return json_reply(_definition(call.path["schema_type"]), call)


def _some(_state: ServiceState, call: Call) -> Response:
    names = [name for name in call.query.get("schema_names", "").split(",") if name]
    return json_reply({name: _definition(name) for name in names}, call)


def _all(_state: ServiceState, call: Call) -> Response:
    return json_reply({name: _definition(name) for name in SCHEMA_TYPES}, call)


def _definition(name: str) -> dict[str, Any]:
    if name not in SCHEMA_TYPES:
        raise WireError(404, f"Schema type: {shown(name)} is not a known annotation type.")
    return public_definition(SCHEMA_TYPES[name])


_STRING: Schema = {"type": "string"}
_DEFINITION = fields(**{"$schema": _STRING, "definitions": {"type": "object"}, "$ref": _STRING})
_DEFINITIONS: Schema = {"type": "object", "additionalProperties": _DEFINITION}
_ABOUT_TYPES = About("The names of the schema types.", answer=array_of(_STRING))
_ABOUT_ONE = About("One schema type as a JSON schema of draft 7.", answer=_DEFINITION)
_V2 = "/schema/api/v2"
ROUTES: tuple[BaseRoute, ...] = (
    route(f"{_V2}/type", _types, about=_ABOUT_TYPES),
    route(f"{_V2}/type/{{schema_type}}", _one, about=_ABOUT_ONE),
    route(
        f"{_V2}/types",
        _some,
        methods=("POST",),
        about=About(
            "Several schema types as JSON schemas.",
            query={"schema_names": {"type": "string", "description": "Names, with commas."}},
            answer=_DEFINITIONS,
        ),
    ),
    route(
        f"{_V2}/types_all",
        _all,
        about=About("All schema types as JSON schemas.", answer=_DEFINITIONS),
    ),
    # The first version of the interface, for old clients.
    route("/schema/type", _types, about=_ABOUT_TYPES),
    route("/schema/type/{schema_type}", _one, about=_ABOUT_ONE),
)
