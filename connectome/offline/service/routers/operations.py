"""The chunked graph's log of operations: single rows, and what changed a root."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
from starlette.responses import Response
from starlette.routing import BaseRoute

from connectome.offline import changelog, history
from connectome.offline.service.about import IDS, TIMESTAMP, About, Schema, array_of, fields
from connectome.offline.service.routers.auth import PERSON, USER_ID
from connectome.offline.service.routers.history import (
    asked_root,
    asked_roots,
    by_id,
    since_ms,
    until_ms,
)
from connectome.offline.service.routing import route
from connectome.offline.service.state import ServiceState
from connectome.offline.service.wire import Call, WireError, json_reply, parse_json

__all__ = ["ROUTES"]

_ID_FIELDS = ("roots", "added_edges", "removed_edges", "source_ids", "sink_ids")


def _operation_details(state: ServiceState, call: Call) -> Response:
    asked = parse_json(call.query.get("operation_ids") or "[]")
    if not isinstance(asked, list):
        raise WireError(400, "operation_ids is not a list of numbers.")
    rows = state.engine.operations([_operation_id(number) for number in asked])
    return json_reply({str(number): _operation_record(row) for number, row in rows.items()}, call)


def _operation_id(value: object) -> int:
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 19:
        return int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**63:
        raise WireError(400, "operation_ids is not a list of numbers.")
    return value


def _operation_record(row: dict[str, object]) -> dict[str, object]:
    """Mark the ids among a row's fields."""
    ids = {name: np.array(row[name], np.uint64) for name in _ID_FIELDS if name in row}
    return {**row, **ids}


def _tables_many(state: ServiceState, call: Call) -> Response:
    filtered = _filtered(call, default=True)
    tables = {
        str(root): _as_text(changelog.table_of(changes, _names, filtered=filtered))
        for root, changes in _changes(state, asked_roots(state, call)).items()
    }
    return json_reply(tables, call)


def _table(state: ServiceState, call: Call) -> Response:
    (changes,) = _changes(state, [asked_root(state, call)]).values()
    table = changelog.table_of(changes, _names, filtered=_filtered(call, default=True))
    return json_reply(table, call)


def _change_log(state: ServiceState, call: Call) -> Response:
    (changes,) = _changes(state, [asked_root(state, call)]).values()
    if _filtered(call, default=False):
        changes = changelog.standing(changes)
    return json_reply(changelog.summary(changes), call)


def _merge_log(state: ServiceState, call: Call) -> Response:
    (changes,) = _changes(state, [asked_root(state, call)]).values()
    return json_reply(changelog.merges_of(change.operation for change in changes), call)


def _user_operations(state: ServiceState, call: Call) -> Response:
    user = call.query.get("user_id", "0")
    rows = changelog.operations_of_user(
        state.engine.log(),
        None if user in ("", "0") else user,
        since_ms(call, "start_time"),
        until_ms(call, "end_time"),
        # The production's word, and the one that caveclient sends.
        undone=call.flag("include_undone") or call.flag("include_undo"),
    )
    answer = {
        "operation_id": {str(k): row.id for k, row in enumerate(rows)},
        "timestamp": {str(k): row.ms for k, row in enumerate(rows)},
    }
    return json_reply(answer, call)


def _changes(state: ServiceState, roots: Sequence[int]) -> dict[int, list[changelog.Change]]:
    """Return the past edits of each root."""
    engine = state.engine
    graph, now = engine.lineage(roots), engine.state
    numbers = {n for root in roots for n in changelog.past_operations(now, graph, root)}
    log = {row.id: row for row in engine.log(sorted(numbers))}
    start = engine.oldest_timestamp()
    found = {}
    for root in roots:
        made = history.made_ms(now, root) / 1000
        found[root] = changelog.changes_of(
            now,
            graph,
            root,
            log,
            lambda ids, made=made: engine.roots(ids, made),  # type: ignore[misc]
            lambda ids: engine.roots(ids, start),
        )
    return found


def _names(user: str) -> tuple[str, str]:
    """Return the name and affiliation of a user; those of others are not known here."""
    if user == USER_ID:
        return str(PERSON["name"]), str(PERSON["pi"])
    return "unknown", "unknown"


def _as_text(table: dict[str, dict[str, object]]) -> str:
    return json.dumps(table, separators=(",", ":"))


def _filtered(call: Call, *, default: bool) -> bool:
    return call.flag("filtered") if "filtered" in call.query else default


_COUNT: Schema = {"type": "integer", "minimum": 0}
_FLAG: Schema = {"type": "boolean"}
_TEXT: Schema = {"type": "string"}
_ROOTS: Schema = fields(root_ids=IDS)
_TABLE: Schema = by_id({"type": "object"})
_T = "/segmentation/api/v1/table/{table}"
_R = f"{_T}/root/{{root}}"
ROUTES: tuple[BaseRoute, ...] = (
    route(
        f"{_T}/operation_details",
        _operation_details,
        about=About(
            "Rows of the operation log.",
            query={"operation_ids": {**_TEXT, "description": "A JSON list of numbers."}},
            answer=by_id({"type": "object"}),
        ),
    ),
    route(
        f"{_T}/tabular_change_log_many",
        _tables_many,
        about=About(
            "The edits behind roots, each as the text of a table.",
            query={"filtered": _FLAG},
            body=_ROOTS,
            answer=by_id(_TEXT),
        ),
    ),
    route(
        f"{_R}/tabular_change_log",
        _table,
        about=About("The edits behind a root.", query={"filtered": _FLAG}, answer=_TABLE),
    ),
    route(
        f"{_R}/change_log",
        _change_log,
        about=About(
            "How many edits led to a root, and whose.",
            query={"filtered": _FLAG},
            answer=fields(
                n_splits=_COUNT,
                n_mergers=_COUNT,
                user_info={"type": "object"},
                operations_ids=IDS,
                past_ids=IDS,
            ),
        ),
    ),
    route(
        f"{_R}/merge_log",
        _merge_log,
        about=About(
            "The merges behind a root.",
            answer=fields(
                merge_edges=array_of({"type": "array"}),
                merge_edge_coords=array_of({"type": "array"}),
            ),
        ),
    ),
    route(
        f"{_T}/user_operations",
        _user_operations,
        about=About(
            "The operations of a user.",
            query={
                "user_id": _TEXT,
                "start_time": TIMESTAMP,
                "end_time": TIMESTAMP,
                "include_undone": _FLAG,
            },
            answer=fields(operation_id=by_id(_COUNT), timestamp=by_id(_COUNT)),
        ),
    ),
)
