"""The annotation service: tables and their rows, in the form of CAVE's AnnotationEngine."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import wraps

from starlette.responses import Response
from starlette.routing import BaseRoute

from connectome.offline.annotations import TableMetadata
from connectome.offline.annotations.errors import (
    AnnotationError,
    SchemaError,
    SupersededError,
    TableMissingError,
    TooManyRowsError,
)
from connectome.offline.service.about import IDS, INTEGER, About, array_of, fields
from connectome.offline.service.annotation_about import (
    ANNOTATIONS,
    CHANGES,
    FLAT_ROW,
    METADATA,
    NAME,
    NEW_TABLE,
    ROW_ID,
)
from connectome.offline.service.annotation_wire import (
    notice_header,
    read_annotations,
    read_changes,
    read_details,
    read_metadata,
    read_object,
    read_text,
    write_metadata,
    write_row,
)
from connectome.offline.service.routers.auth import USER_ID
from connectome.offline.service.routing import Access, Handler, route
from connectome.offline.service.state import ServiceState
from connectome.offline.service.wire import Call, WireError, json_reply, shown

__all__ = ["ROUTES"]

_STATUS: tuple[tuple[type[AnnotationError], int], ...] = (
    (TooManyRowsError, 413),
    (SchemaError, 422),
    (SupersededError, 409),
    (TableMissingError, 404),
)


def _guarded(otherwise: int) -> Callable[[Handler], Handler]:
    """Check the volume's name, and answer what the store refuses with the statuses of CAVE.

    What has no status of its own is answered with `otherwise`.
    """

    def decorate(handler: Handler) -> Handler:
        @wraps(handler)
        def guarded(state: ServiceState, call: Call) -> Response:
            if call.path["volume"] != state.folder.name:
                raise WireError(400, f"aligned volume: {shown(call.path['volume'])} not valid")
            try:
                return handler(state, call)
            except AnnotationError as error:
                status = next((s for kind, s in _STATUS if isinstance(error, kind)), otherwise)
                more = {"errors": error.violations} if isinstance(error, SchemaError) else {}
                raise WireError(status, error.message, more) from error

        return guarded

    return decorate


@_guarded(400)
def _list(state: ServiceState, call: Call) -> Response:
    text = call.query.get("timestamp")
    at = None
    if text:
        try:
            at = datetime.fromisoformat(text)
        except ValueError as error:
            raise WireError(400, f"timestamp is not a time: {shown(text)}.") from error
        # Clients leave the zone away and mean UTC.
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return json_reply(state.annotations.tables(at), call)


@_guarded(400)
def _create(state: ServiceState, call: Call) -> Response:
    body = read_object(call.json(), "The body")
    table, schema_type = read_text(body, "table_name"), read_text(body, "schema_type")
    state.annotations.create_table(table, schema_type, read_details(read_metadata(body)))
    return Response(table, media_type="text/plain")


@_guarded(400)
def _update_table(state: ServiceState, call: Call) -> Response:
    body = read_object(call.json(), "The body")
    table = _owned(state, read_text(body, "table_name"))
    known = state.annotations.update_table(table, read_changes(read_metadata(body)))
    return json_reply(write_metadata(known), call)


@_guarded(404)
def _describe(state: ServiceState, call: Call) -> Response:
    known = state.annotations.metadata(call.path["annotation_table"])
    reply = json_reply(write_metadata(known), call, headers=notice_header(known))
    reply.status_code = 201  # Odd for a GET, but what the real service answers.
    return reply


@_guarded(404)
def _delete_table(state: ServiceState, call: Call) -> Response:
    state.annotations.delete_table(_owned(state, call.path["annotation_table"]))
    return json_reply(True, call)


@_guarded(404)
def _count(state: ServiceState, call: Call) -> Response:
    return json_reply(state.annotations.count(_readable(state, call).name), call)


@_guarded(404)
def _get(state: ServiceState, call: Call) -> Response:
    known = _readable(state, call)
    ids = [part.strip() for part in call.query.get("annotation_ids", "").split(",")]
    if not all(re.fullmatch("[0-9]{1,19}", part) for part in ids):
        raise WireError(400, "annotation_ids is not a list of ids.")
    rows = state.annotations.get(known.name, [int(part) for part in ids])
    return json_reply([write_row(row) for row in rows], call, headers=notice_header(known))


@_guarded(404)
def _post(state: ServiceState, call: Call) -> Response:
    table, annotations = _writable(state, call), read_annotations(call)
    return json_reply(state.annotations.insert(table, annotations), call)


@_guarded(400)
def _put(state: ServiceState, call: Call) -> Response:
    table, annotations = _writable(state, call), read_annotations(call)
    new_ids = state.annotations.update(table, annotations)
    return json_reply({str(old): new for old, new in new_ids.items()}, call)


@_guarded(404)
def _delete(state: ServiceState, call: Call) -> Response:
    table, ids = _writable(state, call), call.json_ids("annotation_ids").tolist()
    deleted = state.annotations.delete(table, ids)
    if not deleted:
        raise WireError(404, f"annotation_id {shown(ids)} not in table {table}")
    return json_reply(deleted, call)


def _owned(state: ServiceState, table: str) -> str:
    if state.annotations.metadata(table).details.user_id != USER_ID:
        raise WireError(401, f"You are not the owner of {table}.")
    return table


def _readable(state: ServiceState, call: Call) -> TableMetadata:
    known = state.annotations.metadata(call.path["annotation_table"])
    if not known.may_read(USER_ID):
        raise WireError(401, f"You may not read {known.name}.")
    return known


def _writable(state: ServiceState, call: Call) -> str:
    known = state.annotations.metadata(call.path["annotation_table"])
    if not known.may_write(USER_ID):
        raise WireError(401, f"You may not write to {known.name}.")
    return known.name


_A = "/annotation/api/v2/aligned_volume/{volume}/table"
_T = f"{_A}/{{annotation_table}}"
_WRITE = Access.WRITE
ROUTES: tuple[BaseRoute, ...] = (
    route(
        _A,
        _list,
        about=About(
            "The names of the annotation tables.",
            query={"timestamp": {"type": "string", "description": "As of this UTC time."}},
            answer=array_of(NAME),
        ),
    ),
    route(
        _A,
        _create,
        _WRITE,
        ("POST",),
        about=About(
            "Make a table; the answer is its name.",
            body=fields(table_name=NAME, schema_type=NAME, metadata=NEW_TABLE),
        ),
    ),
    route(
        _A,
        _update_table,
        _WRITE,
        ("PUT",),
        about=About(
            "Change what is said about a table.",
            body=fields(table_name=NAME, metadata={"type": "object", "properties": CHANGES}),
            answer=METADATA,
        ),
    ),
    route(
        _T,
        _describe,
        about=About("What is known about a table.", answer=METADATA, status=201),
    ),
    route(
        _T,
        _delete_table,
        _WRITE,
        ("DELETE",),
        about=About("End a table.", answer={"type": "boolean"}),
    ),
    route(
        f"{_T}/count",
        _count,
        about=About("How many rows were ever written to a table.", answer=INTEGER),
    ),
    route(
        f"{_T}/annotations",
        _get,
        about=About(
            "Rows by their ids, flat.",
            query={"annotation_ids": {"type": "string", "description": "Ids, with commas."}},
            answer=array_of(FLAT_ROW),
        ),
    ),
    route(
        f"{_T}/annotations",
        _post,
        _WRITE,
        ("POST",),
        about=About("Write new rows.", body=ANNOTATIONS, answer=array_of(ROW_ID)),
    ),
    route(
        f"{_T}/annotations",
        _put,
        _WRITE,
        ("PUT",),
        about=About(
            "Replace rows; the answer has the new id of each old one.",
            body=ANNOTATIONS,
            answer={"type": "object", "additionalProperties": ROW_ID},
        ),
    ),
    route(
        f"{_T}/annotations",
        _delete,
        _WRITE,
        ("DELETE",),
        about=About("End rows.", body=fields(annotation_ids=IDS), answer=array_of(ROW_ID)),
    ),
)
