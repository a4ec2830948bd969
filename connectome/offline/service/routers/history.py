"""The chunked graph's memory: lineage of roots, former ids, and which ids were valid."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
from starlette.responses import Response
from starlette.routing import BaseRoute

from connectome.offline import history
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
from connectome.offline.service.routers.reads import ISO, NODES
from connectome.offline.service.routing import route
from connectome.offline.service.state import ServiceState
from connectome.offline.service.wire import Call, WireError, json_reply

__all__ = ["ROUTES", "asked_root", "asked_roots", "by_id", "since_ms", "until_ms"]


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
    return _lineage(state, call, [asked_root(state, call)])


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
    roots = asked_roots(state, call)
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
        state.engine.state, since_ms(call, "timestamp_past"), until_ms(call, "timestamp_future")
    )
    answer = {"old_roots": np.array(old, np.uint64), "new_roots": np.array(new, np.uint64)}
    return json_reply(answer, call)


def _valid_nodes(state: ServiceState, call: Call) -> Response:
    ids = call.json_ids("node_ids")
    start, end = since_ms(call, "start_timestamp"), until_ms(call, "end_timestamp")
    valid = history.valid_between(state.engine.state, ids, start, end)
    return json_reply({"valid_roots": ids[valid]}, call)


def _last_edit(state: ServiceState, call: Call) -> Response:
    made = history.made_ms(state.engine.state, asked_root(state, call))
    return json_reply({"iso": str(datetime.fromtimestamp(made / 1000, UTC))}, call)


# What the calls say


def since_ms(call: Call, name: str) -> int:
    """Return the start of a span, the beginning of time where absent."""
    start = call.optional_time(name)
    return 0 if start is None else to_ms(start)


def until_ms(call: Call, name: str) -> int:
    """Return the end of a span, now where absent."""
    end = call.optional_time(name)
    return to_ms(time.time()) if end is None else to_ms(end)


def asked_roots(state: ServiceState, call: Call) -> list[int]:
    """Return the different roots that the body names."""
    return _checked_roots(state, call.json_ids("root_ids").tolist())


def asked_root(state: ServiceState, call: Call) -> int:
    """Return the root that the path names."""
    (root,) = _checked_roots(state, [call.number("root")])
    return root


def _checked_roots(state: ServiceState, roots: list[int]) -> list[int]:
    ids = np.array(roots, np.uint64)
    is_root = (layer_of(ids) == state.engine.layout.n_layers) & state.engine.exist(ids)
    if not is_root.all():
        raise WireError(400, f"{int(ids[~is_root][0])} is no root.")
    return list(dict.fromkeys(roots))


# The routes

_FLAG: Schema = {"type": "boolean"}
_ROOTS: Schema = fields(root_ids=IDS)
_SPAN = {"timestamp_past": TIMESTAMP, "timestamp_future": TIMESTAMP}
_LINEAGE: Schema = fields(
    directed={"const": True},
    multigraph={"const": False},
    graph={"type": "object"},
    nodes=array_of(fields(id=ID, timestamp=TIMESTAMP)),
    links=array_of(fields(source=ID, target=ID)),
)


def by_id(values: Schema) -> Schema:
    """Return the schema of an object whose keys are ids."""
    return {"type": "object", "additionalProperties": dict(values)}


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
            answer=fields(past_id_map=by_id(IDS), future_id_map=by_id(ID)),
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
)
