"""From a plain handler to a route: who may call it, how long its body may be, which errors."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from connectome.offline.engine import GraphRefusalError
from connectome.offline.service.about import About
from connectome.offline.service.state import Capability, ServiceState
from connectome.offline.service.wire import Call, WireError, error_reply, read_call

__all__ = ["Access", "Handler", "route"]

_LOG = logging.getLogger(__name__)

Handler = Callable[[Any, Call], Response]
"""Takes the state that the application was built with and the call."""

_BODY_LIMIT = {"edit": 1 << 20, "read": 64 << 20}
"""Bytes: an edit is a few points, a read may ask for a million ids."""


class Access(Enum):
    """What a caller must hold."""

    OPEN = "open"
    """Nothing: version numbers."""
    READ = "read"
    """The token, or the secret path."""
    EDIT = "edit"
    """The token, always."""


def route(
    path: str,
    handler: Handler,
    access: Access = Access.READ,
    methods: Sequence[str] = ("GET",),
    *,
    about: About | None = None,
) -> Route:
    """Return a route that checks, reads and answers around a handler.

    Handlers run in worker threads, so they may block. `about` says what the route takes and
    answers, for the service's description of itself.
    """

    async def endpoint(request: Request) -> Response:
        started = time.monotonic()
        try:
            return await _answer(request, handler, access)
        except WireError as error:
            return error_reply(_for_access(error, access), started)
        except GraphRefusalError as error:
            return error_reply(WireError(error.status, error.message), started)
        except Exception:  # noqa: BLE001 - the last frame of a request: the client gets JSON
            _LOG.exception("%s %s failed", request.method, path)
            return error_reply(WireError(500, "The offline service failed; see its log."), started)

    endpoint.about = about  # type: ignore[attr-defined]  # read by the description
    return Route(path, endpoint, methods=list(methods))


async def _answer(request: Request, handler: Handler, access: Access) -> Response:
    state: Capability = request.app.state.service
    _authorise(request, state, access)
    limit = _BODY_LIMIT["edit" if access is Access.EDIT else "read"]
    call = await read_call(request, limit)
    if isinstance(state, ServiceState):
        _check_table(state.folder.name, call)
    return await run_in_threadpool(handler, state, call)


def _check_table(known: str, call: Call) -> None:
    asked = call.path.get("table", known)
    if asked != known:
        raise WireError(404, f"There is no table {asked!r} here, only {known!r}.")


def _authorise(request: Request, state: Capability, access: Access) -> None:
    """Let the caller pass, or answer as middle_auth does."""
    if access is Access.OPEN:
        return
    if access is Access.READ and request.scope.get("proofdesk.capability", False):
        return
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and state.is_token(token.strip()):
        return
    error = "invalid_token" if scheme else "no_token"
    raise WireError(
        401,
        "This needs the token of the offline service.",
        fields={"error": error},
        headers={"WWW-Authenticate": f'Bearer realm="offline", error="{error}"'},
    )


def _for_access(error: WireError, access: Access) -> WireError:
    """Keep edits to the statuses that the export protocol can classify."""
    if access is Access.EDIT and error.status not in (400, 401, 403):
        return WireError(400 if error.status < 500 else 500, error.message)
    return error
