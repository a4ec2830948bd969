"""The chunked graph's reads: roots, leaves, children, what is current."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
from starlette.responses import Response
from starlette.routing import BaseRoute

from connectome.offline.service.about import (
    BINARY,
    BOUNDS,
    ID,
    IDS,
    INTEGER,
    TIMESTAMP,
    About,
    Schema,
    array_of,
    fields,
)
from connectome.offline.service.routing import route
from connectome.offline.service.state import ServiceState
from connectome.offline.service.wire import Call, WireError, json_reply

__all__ = ["ISO", "NODES", "ROUTES", "binary_reply"]

NODES: Schema = fields(node_ids=IDS)
"""A body that names nodes."""
ISO: Schema = fields(iso={"type": "string"})
_AT = {"timestamp": TIMESTAMP, "stop_layer": INTEGER}
_WITHIN = {"bounds": BOUNDS, "stop_layer": INTEGER}


def binary_reply(ids: np.ndarray[tuple[int, ...], np.dtype[np.uint64]]) -> Response:
    """Answer with raw little-endian 64-bit ids."""
    return Response(ids.astype("<u8").tobytes(), media_type="application/octet-stream")


def _stop_layer(state: ServiceState, call: Call) -> int | None:
    stop, top = call.optional_int("stop_layer"), state.engine.layout.n_layers
    if stop is not None and not 1 <= stop <= top:
        raise WireError(400, f"stop_layer must be 1 to {top}, the layer of the roots.")
    return stop


def _roots_binary(state: ServiceState, call: Call) -> Response:
    roots = state.engine.roots(
        call.binary_ids(), call.optional_time("timestamp"), _stop_layer(state, call)
    )
    return binary_reply(roots)


def _roots(state: ServiceState, call: Call) -> Response:
    roots = state.engine.roots(
        call.json_ids("node_ids"), call.optional_time("timestamp"), _stop_layer(state, call)
    )
    if call.query.get("as_binary") == "root_ids":
        return binary_reply(roots)
    return json_reply({"root_ids": roots}, call)


def _root(state: ServiceState, call: Call) -> Response:
    roots = state.engine.roots(
        np.array([call.number("node")], np.uint64),
        call.optional_time("timestamp"),
        _stop_layer(state, call),
    )
    return json_reply({"root_id": roots[0]}, call)


def _leaves(state: ServiceState, call: Call) -> Response:
    stop = _stop_layer(state, call) or 1
    leaves = state.engine.leaves(call.number("node"), call.bounds(), stop)
    return json_reply({"leaf_ids": leaves}, call)


def _leaves_many(state: ServiceState, call: Call) -> Response:
    stop, bounds = _stop_layer(state, call) or 1, call.bounds()
    nodes = call.json_ids("node_ids").tolist()
    answer = {str(node): state.engine.leaves(node, bounds, stop) for node in nodes}
    return json_reply(answer, call)


def _children(state: ServiceState, call: Call) -> Response:
    return json_reply({"children_ids": state.engine.children(call.number("node"))}, call)


def _is_latest(state: ServiceState, call: Call) -> Response:
    ids = call.json_ids("node_ids")
    latest = state.engine.is_latest(ids, call.optional_time("timestamp"))
    return json_reply({"is_latest": latest}, call)


def _oldest(state: ServiceState, call: Call) -> Response:
    oldest = datetime.fromtimestamp(state.engine.oldest_timestamp(), UTC)
    return json_reply({"iso": str(oldest)}, call)


_MANY = About(
    "The supervoxels (or higher nodes) of many nodes.",
    query=_WITHIN,
    body=NODES,
    answer={"type": "object", "additionalProperties": dict(IDS)},
)
_T = "/segmentation/api/v1/table/{table}"
_POST = ("POST",)
ROUTES: tuple[BaseRoute, ...] = (
    route(
        f"{_T}/roots_binary",
        _roots_binary,
        methods=_POST,
        about=About("The root of each node, packed.", query=_AT, body=BINARY, answer=BINARY),
    ),
    route(
        f"{_T}/roots",
        _roots,
        methods=_POST,
        about=About("The root of each node.", query=_AT, body=NODES, answer=fields(root_ids=IDS)),
    ),
    route(f"{_T}/node/leaves_many", _leaves_many, methods=_POST, about=_MANY),
    route(f"{_T}/leaves_many", _leaves_many, methods=_POST, about=_MANY),
    route(
        f"{_T}/node/{{node}}/root",
        _root,
        about=About("The root of a node.", query=_AT, answer=fields(root_id=ID)),
    ),
    route(
        f"{_T}/node/{{node}}/leaves",
        _leaves,
        about=About(
            "The supervoxels (or higher nodes) of a node.",
            query=_WITHIN,
            answer=fields(leaf_ids=IDS),
        ),
    ),
    route(
        f"{_T}/node/{{node}}/children",
        _children,
        about=About("The nodes directly below a node.", answer=fields(children_ids=IDS)),
    ),
    route(
        f"{_T}/is_latest_roots",
        _is_latest,
        methods=_POST,
        about=About(
            "Whether nodes exist and are not replaced.",
            query={"timestamp": TIMESTAMP},
            body=NODES,
            answer=fields(is_latest=array_of({"type": "boolean"})),
        ),
    ),
    route(
        f"{_T}/oldest_timestamp",
        _oldest,
        about=About("When the graph came to be.", answer=ISO),
    ),
)
