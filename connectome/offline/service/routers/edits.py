"""The chunked graph's edits. Each needs the token and is answered with 200, 400 or 500.

The preview of a split changes nothing and is a read.
"""

from __future__ import annotations

import numpy as np
from starlette.responses import Response
from starlette.routing import BaseRoute

from connectome.graph import GraphPoint
from connectome.offline.engine import MAX_CHUNK_DISTANCE, OperationResult
from connectome.offline.service.about import ID, IDS, INTEGER, About, Schema, array_of, fields
from connectome.offline.service.points import POINT, read_point
from connectome.offline.service.routers.auth import USER_ID
from connectome.offline.service.routing import Access, route
from connectome.offline.service.state import ServiceState
from connectome.offline.service.wire import Call, WireError, json_reply

__all__ = ["ROUTES"]

_MOST_POINTS = 500
"""Points of one side of a split; the paths between them grow with the square."""


def _merge(state: ServiceState, call: Call) -> Response:
    body = call.json()
    if not isinstance(body, list) or len(body) != 2:
        # The real server fails an assertion here, which is a 500.
        raise WireError(500, "A merge takes exactly two points.")
    first, second = (read_point(row) for row in body)
    farthest = call.optional_int("chebyshev_distance")
    if farthest is None:
        farthest = MAX_CHUNK_DISTANCE
    merged = state.engine.merge(first, second, USER_ID, max_chunk_distance=farthest)
    return _reply(merged, call)


def _split(state: ServiceState, call: Call) -> Response:
    sources, sinks = _sides(call)
    mincut = not call.query.get("mincut") or call.flag("mincut")
    return _reply(state.engine.split(sources, sinks, USER_ID, mincut=mincut), call)


def _preview(state: ServiceState, call: Call) -> Response:
    parts, illegal = state.engine.preview_split(*_sides(call))
    return json_reply({"supervoxel_connected_components": parts, "illegal_split": illegal}, call)


def _undo(state: ServiceState, call: Call) -> Response:
    return _reply(state.engine.undo(_operation(call), USER_ID), call)


def _redo(state: ServiceState, call: Call) -> Response:
    return _reply(state.engine.redo(_operation(call), USER_ID), call)


def _sides(call: Call) -> tuple[list[GraphPoint], list[GraphPoint]]:
    """Read ``{"sources": [[id, x, y, z], ...], "sinks": [...]}``."""
    body = call.json()
    sides = []
    for name in ("sources", "sinks"):
        rows = body.get(name) if isinstance(body, dict) else None
        if not isinstance(rows, list) or not 0 < len(rows) <= _MOST_POINTS:
            raise WireError(400, f"The body holds no list {name!r} of 1 to {_MOST_POINTS} points.")
        sides.append([read_point(row) for row in rows])
    return sides[0], sides[1]


def _operation(call: Call) -> int:
    body = call.json()
    operation = body.get("operation_id") if isinstance(body, dict) else None
    try:
        number = int(str(operation))
    except ValueError as error:
        raise WireError(400, "The body holds no operation_id.") from error
    if not 0 <= number < 2**63:
        raise WireError(400, f"This is no operation_id: {number}.")
    return number


def _reply(result: OperationResult, call: Call) -> Response:
    answer = {
        "operation_id": None if result.operation_id is None else np.uint64(result.operation_id),
        "new_root_ids": np.array(result.new_roots, np.uint64),
    }
    return json_reply(answer, call)


_SIDE: Schema = {**array_of(POINT), "minItems": 1, "maxItems": _MOST_POINTS}
_SIDES = fields(sources=_SIDE, sinks=_SIDE)
_OPERATION = fields(operation_id=ID)
_EDITED = fields(operation_id={"anyOf": [dict(ID), {"type": "null"}]}, new_root_ids=IDS)
_PRIORITY: Schema = {"type": "boolean", "description": "Taken and ignored: edits come in turn."}

_MERGE = About(
    "Join the objects of two points.",
    query={"priority": _PRIORITY, "chebyshev_distance": INTEGER},
    body={**array_of(POINT), "minItems": 2, "maxItems": 2},
    answer=_EDITED,
)
_SPLIT = About(
    "Cut an object so that sources and sinks come apart; one new root if it still holds together.",
    query={"priority": _PRIORITY, "mincut": {"type": "boolean", "default": True}},
    body=_SIDES,
    answer=_EDITED,
)
_PREVIEW = About(
    "What a cut would leave near its points; changes nothing.",
    body=_SIDES,
    answer=fields(supervoxel_connected_components=array_of(IDS), illegal_split={"type": "boolean"}),
    errors={500: "There is nothing to cut."},
)
_UNDO = About(
    "Take an operation back; null and no roots if there is nothing to take back.",
    query={"priority": _PRIORITY},
    body=_OPERATION,
    answer=_EDITED,
)
_REDO = About(
    "Do an undone operation again; null and no roots if it is not undone.",
    query={"priority": _PRIORITY},
    body=_OPERATION,
    answer=_EDITED,
)

_T = "/segmentation/api/v1/table/{table}"
ROUTES: tuple[BaseRoute, ...] = (
    route(f"{_T}/merge", _merge, Access.EDIT, ("POST",), about=_MERGE),
    route(f"{_T}/split", _split, Access.EDIT, ("POST",), about=_SPLIT),
    route(f"{_T}/graph/split_preview", _preview, Access.READ, ("POST",), about=_PREVIEW),
    route(f"{_T}/undo", _undo, Access.EDIT, ("POST",), about=_UNDO),
    route(f"{_T}/redo", _redo, Access.EDIT, ("POST",), about=_REDO),
)
