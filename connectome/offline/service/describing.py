"""The service's description of itself: OpenAPI 3.1, made from the routes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.responses import Response

from connectome.offline.service.about import BINARY, About, Schema
from connectome.offline.service.access import TOKEN_NAME, Access
from connectome.offline.service.routing import ServiceRoute, route
from connectome.offline.service.state import VERSION, ServiceState
from connectome.offline.service.wire import Call, json_reply

__all__ = ["describe", "description_route"]

_SENTENCES = {
    400: "The request cannot be read or met; nothing has changed.",
    401: "The token is missing or wrong.",
    403: "The secret path allows reading only, or the page's origin is not allowed.",
    404: "There is no such thing.",
    409: "It was changed meanwhile.",
    413: "The body is too long.",
    422: "The body does not fit its schema.",
    500: "The graph could not do it: no cut was found, or the lock or the disk failed.",
}
_ERRORS = {
    Access.OPEN: (400, 403, 413),
    Access.READ: (400, 401, 403, 404, 413),
    Access.WRITE: (400, 401, 403, 404, 409, 413, 422),
    # What the export protocol can classify; a body that is too long is a 400.
    Access.EDIT: (400, 401, 403, 500),
}
_ERROR: Schema = {
    "type": "object",
    "properties": {
        "timestamp": {"type": "string"},
        "duration": {"type": "number", "description": "Milliseconds."},
        "code": {"type": "integer"},
        "message": {"type": "string"},
        "error": {"type": "string"},
    },
    "required": ["timestamp", "duration", "code", "message"],
}
_SCHEMES = {
    "token": {"type": "http", "scheme": "bearer"},
    "query": {"type": "apiKey", "in": "query", "name": TOKEN_NAME},
    "cookie": {"type": "apiKey", "in": "cookie", "name": TOKEN_NAME},
}
_ID: Schema = {"type": "string", "pattern": "^[0-9]{1,20}$", "description": "An id of 64 bits."}
_PATH: dict[str, Schema] = {"node": _ID, "root": _ID, "chunk": _ID, "state_id": _ID}
_NAMED = frozenset({"table", "name", "volume", "datastack"})
"""Parameters that hold the name of the one datastack."""


def description_route(routes: Sequence[ServiceRoute]) -> ServiceRoute:
    """Return the route that describes these routes, and itself."""

    def answer(state: ServiceState, call: Call) -> Response:
        return json_reply(describe((*routes, own), state), call)

    about = About("This description.", answer={"type": "object", "required": ["openapi"]})
    own = route("/openapi.json", answer, about=about)
    return own


def describe(routes: Sequence[ServiceRoute], state: ServiceState) -> dict[str, Any]:
    """Return the description of routes as OpenAPI 3.1 has it."""
    paths: dict[str, dict[str, Any]] = {}
    for entry in routes:
        operations = paths.setdefault(entry.path_format, {})
        for method in sorted((entry.methods or set()) - {"HEAD"}):
            operations[method.lower()] = _operation(entry, method, state.folder.name)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Proofdesk's offline datastack", "version": VERSION},
        "servers": [{"url": state.base_url}],
        "paths": paths,
        "components": {"schemas": {"Error": _ERROR}, "securitySchemes": _SCHEMES},
    }


def _operation(entry: ServiceRoute, method: str, name: str) -> dict[str, Any]:
    about = entry.about or About("")
    operation: dict[str, Any] = {
        "summary": about.summary,
        "operationId": f"{method.lower()}{entry.path_format}",
        "tags": [entry.path_format.split("/")[1]],
        "parameters": [*_in_path(entry, about, name), *_in_query(about)],
        "responses": _responses(entry.access, about),
        "security": [] if entry.access is Access.OPEN else [{key: []} for key in _SCHEMES],
    }
    if about.body is not None:
        operation["requestBody"] = {"required": True, "content": _content(about.body)}
    return operation


def _in_path(entry: ServiceRoute, about: About, name: str) -> list[dict[str, Any]]:
    return [
        {"name": key, "in": "path", "required": True, "schema": _path_schema(key, about, name)}
        for key in entry.param_convertors
    ]


def _path_schema(key: str, about: About, name: str) -> Schema:
    if key in about.path:
        return about.path[key]
    return {"enum": [name]} if key in _NAMED else _PATH.get(key, {"type": "string", "minLength": 1})


def _in_query(about: About) -> list[dict[str, Any]]:
    return [
        {"name": key, "in": "query", "required": False, "schema": dict(schema)}
        for key, schema in about.query.items()
    ]


def _responses(access: Access, about: About) -> dict[str, Any]:
    good: dict[str, Any] = {"description": "It went well."}
    if about.answer is not None:
        # No schema of an answer of bytes: a file may as well be JSON.
        good["content"] = {"*/*": {}} if about.answer == BINARY else _content(about.answer)
    error = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    sentences = {status: _SENTENCES[status] for status in _ERRORS[access]} | dict(about.errors)
    bad = {
        str(status): {"description": sentence, "content": error}
        for status, sentence in sorted(sentences.items())
    }
    return {str(about.status): good, **bad}


def _content(schema: Schema) -> dict[str, Any]:
    """Return a body's content: bytes are of any type, all else is JSON."""
    kind = "*/*" if schema == BINARY else "application/json"
    return {kind: {"schema": dict(schema)}}
