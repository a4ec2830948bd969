"""The chunked graph's memory: lineage of roots, and the log of operations."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
from starlette.responses import Response
from starlette.routing import BaseRoute

from connectome.offline import changelog, history
from connectome.offline.engine import to_ms
from connectome.offline.ids import layer_of
from connectome.offline.service.about import (
    ID,
    IDS,
    TIMESTAMP,
    About,
    Schema,
    array_of,
    fields,
)
from connectome.offline.service.routers.auth import PERSON, USER_ID
from connectome.offline.service.routers.reads import ISO, NODES
from connectome.offline.service.routing import route
from connectome.offline.service.state import ServiceState
from connectome.offline.service.wire import Call, WireError, json_reply, parse_json

__all__ = ["ROUTES"]

_ID_FIELDS = ("roots", "added_edges", "removed_edges", "source_ids", "sink_ids")


# Lineage


def _root_timestamps(state: ServiceState, call: Call) -> Response:
    ids = call.json_ids("node_ids")
    made = state.engine.root_timestamps(ids)
    if not call.flag("latest"):
        return json_reply({"timestamp": made}, call)
    moment = call.optional_time("timestamp")
    now = time.time() if moment is None else moment
    last = [history.last_valid(state.engine.state, node, now) for node in ids.tolist()]
    return json_reply({"timestamp": last}, call)


def _lineage_many(state: ServiceState, call: Call) -> Response:
    return _lineage(state, call, call.json_ids("root_ids").tolist())


def _lineage_one(state: ServiceState, call: Call) -> Response:
    return _lineage(state, call, [_root(state, call)])


def _lineage(state: ServiceState, call: Call, roots: Sequence[int]) -> Response:
    # caveclient sends `name=timestamp_future` where it means to leave the time open; the
    # production ignores that parameter, and so it is ignored here.
    found = state.engine.lineage(
        roots, call.optional_time("timestamp_past"), call.optional_time("timestamp_future")
    )
    answer = {
        "directed": True,
        "multigraph": False,
        "graph": {},
        "nodes": [_lineage_node(state, root) for root in found.roots],
        "links": [{"source": np.uint64(a), "target": np.uint64(b)} for a, b in found.links],
    }
    return json_reply(answer, call)


def _lineage_node(state: ServiceState, root: int) -> dict[str, object]:
    now = state.engine.state
    ending = history.operation_ending(now, root)
    record = {"id": np.uint64(root), "timestamp": history.made_ms(now, root) / 1000}
    return record if ending is None else {**record, "operation_id": np.uint64(ending)}


def _past_ids(state: ServiceState, call: Call) -> Response:
    roots = _roots_of_body(state, call)
    graph = state.engine.lineage(
        roots, call.optional_time("timestamp_past"), call.optional_time("timestamp_future")
    )
    past, future = history.past_and_future_ids(graph, roots)
    answer = {
        "past_id_map": {str(root): np.array(old, np.uint64) for root, old in past.items()},
        "future_id_map": {str(old): np.uint64(root) for old, root in future.items()},
    }
    return json_reply(answer, call)


def _delta_roots(state: ServiceState, call: Call) -> Response:
    old, new = history.delta_roots(
        state.engine.state, _from_ms(call, "timestamp_past"), _until_ms(call, "timestamp_future")
    )
    answer = {"old_roots": np.array(old, np.uint64), "new_roots": np.array(new, np.uint64)}
    return json_reply(answer, call)


def _valid_nodes(state: ServiceState, call: Call) -> Response:
    ids = call.json_ids("node_ids")
    start, end = _from_ms(call, "start_timestamp"), _until_ms(call, "end_timestamp")
    valid = history.valid_between(state.engine.state, ids, start, end)
    return json_reply({"valid_roots": ids[valid]}, call)


def _last_edit(state: ServiceState, call: Call) -> Response:
    made = history.made_ms(state.engine.state, _root(state, call))
    return json_reply({"iso": str(datetime.fromtimestamp(made / 1000, UTC))}, call)


# The operation log


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
        for root, changes in _changes(state, _roots_of_body(state, call)).items()
    }
    return json_reply(tables, call)


def _table(state: ServiceState, call: Call) -> Response:
    (changes,) = _changes(state, [_root(state, call)]).values()
    table = changelog.table_of(changes, _names, filtered=_filtered(call, default=True))
    return json_reply(table, call)


def _change_log(state: ServiceState, call: Call) -> Response:
    (changes,) = _changes(state, [_root(state, call)]).values()
    if _filtered(call, default=False):
        changes = changelog.standing(changes)
    return json_reply(changelog.summary(changes), call)


def _merge_log(state: ServiceState, call: Call) -> Response:
    (changes,) = _changes(state, [_root(state, call)]).values()
    return json_reply(changelog.merges_of(change.operation for change in changes), call)


def _user_operations(state: ServiceState, call: Call) -> Response:
    user = call.query.get("user_id", "0")
    rows = changelog.operations_of_user(
        state.engine.log(),
        None if user in ("", "0") else user,
        _from_ms(call, "start_time"),
        _until_ms(call, "end_time"),
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


# What the calls say


def _filtered(call: Call, *, default: bool) -> bool:
    return call.flag("filtered") if "filtered" in call.query else default


def _from_ms(call: Call, name: str) -> int:
    start = call.optional_time(name)
    return 0 if start is None else to_ms(start)


def _until_ms(call: Call, name: str) -> int:
    end = call.optional_time(name)
    return to_ms(time.time()) if end is None else to_ms(end)


def _roots_of_body(state: ServiceState, call: Call) -> list[int]:
    return _checked_roots(state, call.json_ids("root_ids").tolist())


def _root(state: ServiceState, call: Call) -> int:
    (root,) = _checked_roots(state, [call.number("root")])
    return root


def _checked_roots(state: ServiceState, roots: list[int]) -> list[int]:
    ids = np.array(roots, np.uint64)
    is_root = (layer_of(ids) == state.engine.layout.n_layers) & state.engine.exist(ids)
    if not is_root.all():
        raise WireError(400, f"{int(ids[~is_root][0])} is no root.")
    return list(dict.fromkeys(roots))


# The routes

_COUNT: Schema = {"type": "integer", "minimum": 0}
_FLAG: Schema = {"type": "boolean"}
_TEXT: Schema = {"type": "string"}
_ROOTS: Schema = fields(root_ids=IDS)
_SPAN = {"timestamp_past": TIMESTAMP, "timestamp_future": TIMESTAMP}
_LINEAGE: Schema = fields(
    directed={"const": True},
    multigraph={"const": False},
    graph={"type": "object"},
    nodes=array_of(fields(id=ID, timestamp=TIMESTAMP)),
    links=array_of(fields(source=ID, target=ID)),
)


def _by_id(values: Schema) -> Schema:
    return {"type": "object", "additionalProperties": dict(values)}


_TABLE: Schema = _by_id({"type": "object"})
_T = "/segmentation/api/v1/table/{table}"
_R = f"{_T}/root/{{root}}"
_POST = ("POST",)
ROUTES: tuple[BaseRoute, ...] = (
    route(
        f"{_T}/root_timestamps",
        _root_timestamps,
        methods=_POST,
        about=About(
            "When nodes were made, or the last time at which they were current.",
            query={"latest": _FLAG, "timestamp": TIMESTAMP},
            body=NODES,
            answer=fields(timestamp=array_of(TIMESTAMP)),
        ),
    ),
    route(
        f"{_T}/lineage_graph_multiple",
        _lineage_many,
        methods=_POST,
        about=About(
            "What roots were made of, and what was made of them.",
            query=_SPAN,
            body=_ROOTS,
            answer=_LINEAGE,
        ),
    ),
    route(
        f"{_R}/lineage_graph",
        _lineage_one,
        about=About(
            "What a root was made of, and what was made of it.", query=_SPAN, answer=_LINEAGE
        ),
    ),
    route(
        f"{_T}/past_id_mapping",
        _past_ids,
        about=About(
            "The oldest roots behind roots, and where those lead.",
            query=_SPAN,
            body=_ROOTS,
            answer=fields(past_id_map=_by_id(IDS), future_id_map=_by_id(ID)),
        ),
    ),
    route(
        f"{_T}/delta_roots",
        _delta_roots,
        about=About(
            "Roots that edits replaced and made.",
            query=_SPAN,
            answer=fields(old_roots=IDS, new_roots=IDS),
        ),
    ),
    route(
        f"{_T}/valid_nodes",
        _valid_nodes,
        about=About(
            "Which of these nodes existed.",
            query={"start_timestamp": TIMESTAMP, "end_timestamp": TIMESTAMP},
            body=NODES,
            answer=fields(valid_roots=IDS),
        ),
    ),
    route(f"{_R}/last_edit", _last_edit, about=About("When a root was made.", answer=ISO)),
    route(
        f"{_T}/operation_details",
        _operation_details,
        about=About(
            "Rows of the operation log.",
            query={"operation_ids": {**_TEXT, "description": "A JSON list of numbers."}},
            answer=_by_id({"type": "object"}),
        ),
    ),
    route(
        f"{_T}/tabular_change_log_many",
        _tables_many,
        about=About(
            "The edits behind roots, each as the text of a table.",
            query={"filtered": _FLAG},
            body=_ROOTS,
            answer=_by_id(_TEXT),
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
            answer=fields(operation_id=_by_id(_COUNT), timestamp=_by_id(_COUNT)),
        ),
    ),
)
