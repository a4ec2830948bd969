"""The chunked graph's edits. Each needs the token and is answered with 200, 400 or 500."""

from __future__ import annotations

import numpy as np
from starlette.responses import Response
from starlette.routing import BaseRoute

from connectome.offline.engine import OperationResult
from connectome.offline.service.points import read_point
from connectome.offline.service.routers.auth import USER_ID
from connectome.offline.service.routing import Access, route
from connectome.offline.service.state import ServiceState
from connectome.offline.service.wire import Call, WireError, json_reply

__all__ = ["ROUTES"]


def _merge(state: ServiceState, call: Call) -> Response:
    body = call.json()
    if not isinstance(body, list) or len(body) != 2:
        # The real server fails an assertion here, which is a 500.
        raise WireError(500, "A merge takes exactly two points.")
    first, second = (read_point(row) for row in body)
    return _reply(state.engine.merge(first, second, USER_ID), call)


def _undo(state: ServiceState, call: Call) -> Response:
    body = call.json()
    operation = body.get("operation_id") if isinstance(body, dict) else None
    try:
        number = int(str(operation))
    except ValueError as error:
        raise WireError(400, "The body holds no operation_id.") from error
    return _reply(state.engine.undo(number, USER_ID), call)


def _reply(result: OperationResult, call: Call) -> Response:
    answer = {
        "operation_id": None if result.operation_id is None else np.uint64(result.operation_id),
        "new_root_ids": np.array(result.new_roots, np.uint64),
    }
    return json_reply(answer, call)


_T = "/segmentation/api/v1/table/{table}"
ROUTES: tuple[BaseRoute, ...] = (
    route(f"{_T}/merge", _merge, Access.EDIT, ("POST",)),
    route(f"{_T}/undo", _undo, Access.EDIT, ("POST",)),
)
