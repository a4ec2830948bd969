"""The service as one ASGI application."""

from __future__ import annotations

import time

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response

from connectome.offline.service.describing import description_route
from connectome.offline.service.routers import (
    annotation,
    auth,
    edits,
    files,
    history,
    info,
    l2cache,
    level2,
    materialize,
    meshing,
    nglstate,
    operations,
    reads,
    schema,
    skeletoncache,
    table,
    versions,
)
from connectome.offline.service.routing import ServiceRoute, route_name
from connectome.offline.service.safety import Safety
from connectome.offline.service.state import ServiceState
from connectome.offline.service.wire import WireError, error_reply

__all__ = ["ROUTES", "ROUTE_NAMES", "build_app"]

_ROUTERS = (
    info,
    auth,
    versions,
    table,
    reads,
    history,
    operations,
    level2,
    edits,
    meshing,
    l2cache,
    skeletoncache,
    materialize,
    annotation,
    schema,
    nglstate,
    files,
)

_SERVED = tuple(entry for router in _ROUTERS for entry in router.ROUTES)
_DESCRIBED = tuple(entry for entry in _SERVED if isinstance(entry, ServiceRoute))
ROUTES = (*_SERVED, description_route(_DESCRIBED))
"""Every route of the service."""
ROUTE_NAMES = frozenset(route_name(entry.path) for entry in _DESCRIBED)
"""What faults may be aimed at."""


def build_app(state: ServiceState) -> Starlette:
    """Return the application that serves one datastack."""
    app = Starlette(
        routes=list(ROUTES),
        middleware=[Middleware(Safety, state=state)],
        exception_handlers={HTTPException: _http_error},
    )
    # A redirect in an answer's history makes caveclient believe that a login is needed.
    app.router.redirect_slashes = False
    app.state.service = state
    return app


def _http_error(_request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    text = "This method is not known here." if status == 405 else "There is nothing here."
    headers = error.headers if isinstance(error, HTTPException) else None
    return error_reply(WireError(status, text, headers=headers), time.monotonic())
