"""The chunked graph's reads: roots, leaves, lineage, the operation log."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime

import numpy as np
from starlette.responses import Response
from starlette.routing import BaseRoute

from connectome.offline.service.routing import route
from connectome.offline.service.state import ServiceState
from connectome.offline.service.wire import Call, WireError, json_reply

__all__ = ["ROUTES"]

_ID_FIELDS = ("roots", "added_edges", "removed_edges", "source_ids", "sink_ids")


def _roots_binary(state: ServiceState, call: Call) -> Response:
    roots = state.engine.roots(
        call.binary_ids(), call.optional_time("timestamp"), call.optional_int("stop_layer")
    )
    return Response(roots.astype("<u8").tobytes(), media_type="application/octet-stream")


def _roots(state: ServiceState, call: Call) -> Response:
    roots = state.engine.roots(
        call.json_ids("node_ids"), call.optional_time("timestamp"), call.optional_int("stop_layer")
    )
    return json_reply({"root_ids": roots}, call)


def _root(state: ServiceState, call: Call) -> Response:
    roots = state.engine.roots(
        np.array([call.number("node")], np.uint64),
        call.optional_time("timestamp"),
        call.optional_int("stop_layer"),
    )
    return json_reply({"root_id": roots[0]}, call)


def _leaves(state: ServiceState, call: Call) -> Response:
    stop = call.optional_int("stop_layer") or 1
    leaves = state.engine.leaves(call.number("node"), call.bounds(), stop)
    return json_reply({"leaf_ids": leaves}, call)


def _leaves_many(state: ServiceState, call: Call) -> Response:
    stop, bounds = call.optional_int("stop_layer") or 1, call.bounds()
    nodes = call.json_ids("node_ids").tolist()
    answer = {str(node): state.engine.leaves(node, bounds, stop) for node in nodes}
    return json_reply(answer, call)


def _children(state: ServiceState, call: Call) -> Response:
    return json_reply({"children_ids": state.engine.children(call.number("node"))}, call)


def _is_latest(state: ServiceState, call: Call) -> Response:
    ids = call.json_ids("node_ids")
    latest = state.engine.is_latest(ids, call.optional_time("timestamp"))
    return json_reply({"is_latest": latest}, call)


def _root_timestamps(state: ServiceState, call: Call) -> Response:
    return json_reply({"timestamp": state.engine.root_timestamps(call.json_ids("node_ids"))}, call)


def _lineage(state: ServiceState, call: Call) -> Response:
    nodes, links = state.engine.lineage(
        call.json_ids("root_ids").tolist(),
        call.optional_time("timestamp_past"),
        call.optional_time("timestamp_future"),
    )
    answer = {
        "directed": True,
        "multigraph": False,
        "graph": {},
        "nodes": [_node_record(node) for node in nodes],
        "links": [{"source": np.uint64(old), "target": np.uint64(new)} for old, new in links],
    }
    return json_reply(answer, call)


def _node_record(node: Mapping[str, object]) -> dict[str, object]:
    return {**node, "id": np.uint64(str(node["id"]))}


def _operation_details(state: ServiceState, call: Call) -> Response:
    try:
        asked = [int(number) for number in json.loads(call.query.get("operation_ids", ""))]
    except (ValueError, TypeError) as error:
        raise WireError(400, "operation_ids is not a list of numbers.") from error
    rows = state.engine.operations(asked)
    return json_reply({str(number): _operation_record(row) for number, row in rows.items()}, call)


def _operation_record(row: Mapping[str, object]) -> dict[str, object]:
    """Mark the ids among a row's fields."""
    ids = {name: np.array(row[name], np.uint64) for name in _ID_FIELDS if name in row}
    return {**row, **ids}


def _oldest(state: ServiceState, call: Call) -> Response:
    oldest = datetime.fromtimestamp(state.engine.oldest_timestamp(), UTC)
    return json_reply({"iso": str(oldest)}, call)


_T = "/segmentation/api/v1/table/{table}"
_POST = ("POST",)
ROUTES: tuple[BaseRoute, ...] = (
    route(f"{_T}/roots_binary", _roots_binary, methods=_POST),
    route(f"{_T}/roots", _roots, methods=_POST),
    route(f"{_T}/node/leaves_many", _leaves_many, methods=_POST),
    route(f"{_T}/leaves_many", _leaves_many, methods=_POST),
    route(f"{_T}/node/{{node}}/root", _root),
    route(f"{_T}/node/{{node}}/leaves", _leaves),
    route(f"{_T}/node/{{node}}/children", _children),
    route(f"{_T}/is_latest_roots", _is_latest, methods=_POST),
    route(f"{_T}/root_timestamps", _root_timestamps, methods=_POST),
    route(f"{_T}/lineage_graph_multiple", _lineage, methods=_POST),
    route(f"{_T}/operation_details", _operation_details),
    route(f"{_T}/oldest_timestamp", _oldest),
)
