"""The materialization service: annotation tables joined with roots, in Arrow.

There is one version, number 1: the segmentation as it was ingested, under the annotations
that stand now. A live query has the rows and the roots as of any time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import wraps
from typing import Any

import numpy as np
from starlette.responses import Response
from starlette.routing import BaseRoute

from connectome.offline.annotations import Kind, TableMetadata
from connectome.offline.annotations.errors import AnnotationError
from connectome.offline.queries import Answer, ColumnType, Output, Query, QueryError, run_query
from connectome.offline.service.about import BINARY, INTEGER, About, Schema, array_of, fields
from connectome.offline.service.annotation_wire import read_object, write_metadata
from connectome.offline.service.query_wire import (
    read_live_joins,
    read_moment,
    read_query,
    read_tables,
    write_answer,
)
from connectome.offline.service.routers.auth import USER_ID
from connectome.offline.service.routing import Access, Handler, route
from connectome.offline.service.state import ServiceState
from connectome.offline.service.wire import Call, WireError, json_reply, shown

__all__ = ["ROUTES"]

_VERSION = 1
_YEARS = timedelta(days=36_525)


def _guarded(handler: Handler) -> Handler:
    """Check the datastack's name and the version, and answer what makes no sense with 4xx."""

    @wraps(handler)
    def guarded(state: ServiceState, call: Call) -> Response:
        name, known = call.path["datastack"], state.folder.name
        if name != known:
            raise WireError(404, f"There is no datastack {shown(name)} here, only {known!r}.")
        version = call.path.get("version", str(_VERSION))
        if version != str(_VERSION):
            raise WireError(404, f"There is no version {shown(version)} here, only {_VERSION}.")
        try:
            return handler(state, call)
        except AnnotationError as error:
            raise WireError(404, error.message) from error
        except QueryError as error:
            raise WireError(400, str(error)) from error

    return guarded


@_guarded
def _versions(_state: ServiceState, call: Call) -> Response:
    return json_reply([_VERSION], call)


@_guarded
def _version(state: ServiceState, call: Call) -> Response:
    return json_reply(_version_record(state), call)


@_guarded
def _all_versions(state: ServiceState, call: Call) -> Response:
    return json_reply([_version_record(state)], call)


def _version_record(state: ServiceState) -> dict[str, object]:
    made = _ingested(state)
    return {
        "id": _VERSION,
        "version": _VERSION,
        "datastack": state.folder.name,
        "time_stamp": _moment(made),
        "expires_on": _moment(made + _YEARS),
        "valid": True,
        "status": "AVAILABLE",
        "is_merged": True,
        "parent_version": None,
    }


@_guarded
def _tables(state: ServiceState, call: Call) -> Response:
    return json_reply([known.name for known in _readable(state)], call)


@_guarded
def _describe(state: ServiceState, call: Call) -> Response:
    return json_reply(_table_record(state, _table(state, call.path["annotation_table"])), call)


@_guarded
def _describe_all(state: ServiceState, call: Call) -> Response:
    return json_reply([_table_record(state, known) for known in _readable(state)], call)


def _table_record(state: ServiceState, known: TableMetadata) -> dict[str, object]:
    return {
        **write_metadata(known),
        "schema": known.schema_type,
        "annotation_table": known.name,
        "aligned_volume": state.folder.name,
        "pcg_table_name": state.folder.name,
        "segmentation_source": f"graphene://{state.base_url}/segmentation/table/{state.folder.name}",
        "last_updated": _moment(known.last_modified),
    }


@_guarded
def _count(state: ServiceState, call: Call) -> Response:
    known = _table(state, call.path["annotation_table"])
    return json_reply(len(state.annotations.rows(known.name)), call)


@_guarded
def _query(state: ServiceState, call: Call) -> Response:
    body, table = read_object(call.json(), "The body"), call.path["annotation_table"]
    return _asked(state, call, [table], read_query(body, call, [table], ()))


@_guarded
def _join(state: ServiceState, call: Call) -> Response:
    body = read_object(call.json(), "The body")
    tables, joins = read_tables(body)
    return _asked(state, call, tables, read_query(body, call, tables, joins))


@_guarded
def _live(state: ServiceState, call: Call) -> Response:
    body = read_object(call.json(), "The body")
    tables, joins = read_live_joins(body)
    query, at = read_query(body, call, tables, joins), read_moment(body)
    if at < _ingested(state):
        raise WireError(400, "The datastack did not exist yet at that time.")
    if not call.flag("allow_invalid_root_ids"):
        _check_roots(state, query, at)
    for table in tables:
        _table(state, table, at)
    frames = {table: state.live.frame(table, at=at, roots_at=at) for table in tables}
    return _answer(run_query(frames, tables[0], query), call)


def _asked(state: ServiceState, call: Call, tables: Sequence[str], query: Query) -> Response:
    for table in tables:
        _table(state, table)
    made = _ingested(state)
    frames = {table: state.live.frame(table, at=None, roots_at=made) for table in tables}
    return _answer(run_query(frames, tables[0], query), call)


def _answer(answer: Answer, call: Call) -> Response:
    if call.flag("count"):
        column = Output("count", "", "count", ColumnType.WHOLE)
        answer = Answer((column,), [[answer.found]], answer.resolution, 1)
    return write_answer(answer, call)


def _check_roots(state: ServiceState, query: Query, at: datetime) -> None:
    """Refuse roots that were not current at the time: nothing would be found, in silence."""
    asked: set[int] = set()
    for condition in query.conditions:
        if condition.column.endswith("_root_id"):
            values = condition.value if isinstance(condition.value, list) else [condition.value]
            asked |= {v for v in values if isinstance(v, int) and 0 < v < 2**64}
    roots = np.asarray(sorted(asked), dtype=np.uint64)
    wrong = roots[~state.engine.is_latest(roots, at.timestamp())].tolist()
    if wrong:
        raise WireError(400, f"Timestamp incompatible with IDs: {shown(wrong)} are not valid then.")


@_guarded
def _strings(state: ServiceState, call: Call) -> Response:
    known = _table(state, call.path["annotation_table"])
    rows = state.annotations.rows(known.name)
    names = [column.name for column in known.schema.columns if column.kind is Kind.TEXT]
    values = {name: {row[name] for row in rows} - {None} for name in names}
    return json_reply({name: sorted(found) for name, found in values.items()}, call)


@_guarded
def _no_views(_state: ServiceState, call: Call) -> Response:
    return json_reply({}, call)


@_guarded
def _no_view(_state: ServiceState, call: Call) -> Response:
    raise WireError(404, f"There is no view {shown(call.path['view'])} here.")


@_guarded
def _looked_up(state: ServiceState, call: Call) -> Response:
    """Answer a wish for lookups: queries look up whatever they are asked for."""
    _table(state, call.path["annotation_table"])
    return json_reply({"message": "Supervoxels and roots are looked up by every query."}, call)


def _readable(state: ServiceState) -> list[TableMetadata]:
    known = [state.annotations.metadata(name) for name in state.annotations.tables()]
    return [table for table in known if table.may_read(USER_ID)]


def _table(state: ServiceState, name: str, at: datetime | None = None) -> TableMetadata:
    known = state.annotations.metadata(name, at)
    if not known.may_read(USER_ID):
        raise WireError(401, f"You may not read {known.name}.")
    return known


def _ingested(state: ServiceState) -> datetime:
    milliseconds = state.folder.manifest.created_ms
    return datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=milliseconds)


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")


_TEXT: Schema = {"type": "string"}
_OBJECT: Schema = {"type": "object"}
_SWITCH: Schema = {"type": "boolean"}
_RECORD = fields(
    id=INTEGER, version=INTEGER, datastack=_TEXT, time_stamp=_TEXT, expires_on=_TEXT, valid=_SWITCH
)
_TABLE = fields(table_name=_TEXT, schema=_TEXT, annotation_table=_TEXT, description=_TEXT)
_FILTERS: dict[str, Schema] = {
    f"filter_{name}_dict": {"type": "object", "additionalProperties": _OBJECT}
    for name in (
        "in",
        "notin",
        "equal",
        "greater",
        "less",
        "greater_equal",
        "less_equal",
        "spatial",
        "regex",
    )
}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_ASKED: dict[str, Schema] = {
    **_FILTERS,
    "select_columns": {"type": ["array", "object"]},
    "select_column_map": _OBJECT,
    "suffixes": {"type": ["array", "object"]},
    "suffix_map": _OBJECT,
    "offset": _COUNT,
    "limit": _COUNT,
    "desired_resolution": {
        "type": "array",
        "items": {"type": "number", "exclusiveMinimum": 0},
        "minItems": 3,
        "maxItems": 3,
    },
}
_SWITCHES: dict[str, Schema] = {
    "return_pyarrow": _SWITCH,
    "arrow_format": _SWITCH,
    "split_positions": _SWITCH,
    "direct_sql_pandas": _SWITCH,
    "merge_reference": _SWITCH,
    "allow_missing_lookups": _SWITCH,
    "allow_invalid_root_ids": _SWITCH,
    "count": _SWITCH,
    "random_sample": {"type": "integer", "minimum": 1},
}


def _body(required: Mapping[str, Schema]) -> Schema:
    properties = {**_ASKED, **required}
    return {"type": "object", "properties": properties, "required": list(required)}


def _words(length: int) -> Schema:
    return {"type": "array", "items": _TEXT, "minItems": length, "maxItems": length}


def _asks(summary: str, required: Mapping[str, Schema]) -> dict[str, Any]:
    about = About(summary, query=_SWITCHES, body=_body(required), answer=BINARY, path=_PATH)
    return {"methods": ("POST",), "about": about}


def _reads(
    path: str, handler: Callable[..., Response], summary: str, answer: Schema
) -> list[BaseRoute]:
    """Return the routes of a read under both versions of the service's interface."""
    about = About(summary, query={"expired": _SWITCH}, answer=answer, path=_PATH)
    return [route(f"{_API}/{v}/datastack/{{datastack}}{path}", handler, about=about) for v in _APIS]


_PATH: dict[str, Schema] = {"version": {"enum": ["1"]}}
_API = "/materialize/api"
_APIS = ("v2", "v3")
_V = "/version/{version}"
_T = f"{_V}/table/{{annotation_table}}"
_RUN = f"{_API}/v2/materialize/run"
_NOTE = fields(message=_TEXT)
_LIVE = {"table": _TEXT, "timestamp": _TEXT}
_VIEWS: Schema = {"type": "object", "additionalProperties": _OBJECT}
_STRINGS: Schema = {"type": "object", "additionalProperties": array_of(_TEXT)}
ROUTES: tuple[BaseRoute, ...] = (
    *_reads("/versions", _versions, "The versions there are.", array_of(INTEGER)),
    *_reads("/metadata", _all_versions, "All versions.", array_of(_RECORD)),
    *_reads(_V, _version, "One version.", _RECORD),
    *_reads(f"{_V}/tables", _tables, "The names of the tables.", array_of(_TEXT)),
    *_reads(f"{_V}/tables/metadata", _describe_all, "All tables.", array_of(_TABLE)),
    *_reads(f"{_T}/metadata", _describe, "What is known about a table.", _TABLE),
    *_reads(f"{_T}/count", _count, "How many rows stand in a table.", INTEGER),
    *_reads(
        "/table/{annotation_table}/unique_string_values",
        _strings,
        "The texts that occur in a table's columns.",
        _STRINGS,
    ),
    *_reads(f"{_V}/views", _no_views, "The views: none.", _VIEWS),
    *_reads(f"{_V}/views/schemas", _no_views, "The columns of the views: none.", _VIEWS),
    *_reads(f"{_V}/views/{{view}}/metadata", _no_view, "A view.", _OBJECT),
    *_reads(f"{_V}/views/{{view}}/schema", _no_view, "The columns of a view.", _OBJECT),
    *(
        route(f"{_API}/{v}/datastack/{{datastack}}{path}", handler, **_asks(summary, required))
        for v in _APIS
        for path, handler, summary, required in (
            (f"{_T}/query", _query, "Ask a table, its roots as ingested.", {}),
            (
                f"{_V}/query",
                _join,
                "Ask joined tables, their roots as ingested.",
                {"tables": {**array_of(_words(2)), "minItems": 2}},
            ),
            ("/query", _live, "Ask tables as of a time.", _LIVE),
        )
    ),
    *(
        route(
            f"{_RUN}/{what}/datastack/{{datastack}}/{{annotation_table}}",
            _looked_up,
            Access.WRITE,
            ("POST",),
            about=About("Nothing needs to be run.", answer=_NOTE),
        )
        for what in ("lookup_svid", "ingest_annotations")
    ),
)
