"""From a plain handler to a route: who may call it, how long its body may be, which errors."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from connectome.errors import ProofdeskError
from connectome.offline.engine import GraphRefusalError
from connectome.offline.service.about import About
from connectome.offline.service.access import Access, authorise
from connectome.offline.service.bodies import read_call
from connectome.offline.service.state import Capability, ServiceState
from connectome.offline.service.wire import Call, WireError, error_reply, shown

__all__ = ["Access", "Handler", "ServiceRoute", "route", "route_name"]

_LOG = logging.getLogger(__name__)

Handler = Callable[[Any, Call], Response]
"""Takes the state that the application was built with and the call."""

_BODY_LIMIT = {
    Access.OPEN: 1 << 16,
    Access.READ: 64 << 20,
    Access.WRITE: 16 << 20,
    Access.EDIT: 1 << 20,
}
"""Bytes: an edit is a few points, a read may ask for a million ids."""


class ServiceRoute(Route):
    """A route that knows what it is, for the service's description of itself.

    Parameters
    ----------
    path : str
        The path's pattern.
    endpoint : callable
        Answers a request.
    methods : list of str
        HTTP methods.
    access : Access
        What a caller must hold.
    about : About, optional
        What it takes and answers.
    """

    def __init__(
        self,
        path: str,
        endpoint: Callable[[Request], Awaitable[Response]],
        methods: list[str],
        access: Access,
        about: About | None,
    ) -> None:
        super().__init__(path, endpoint, methods=methods)
        self.access = access
        self.about = about


def route(
    path: str,
    handler: Handler,
    access: Access = Access.READ,
    methods: Sequence[str] = ("GET",),
    *,
    about: About | None = None,
) -> ServiceRoute:
    """Return a route that checks, reads and answers around a handler.

    Handlers run in worker threads, so they may block. `about` says what the route takes and
    answers, for the service's description of itself.
    """
    name = route_name(path)

    async def endpoint(request: Request) -> Response:
        started = time.monotonic()
        try:
            return await _answer(request, handler, access, name)
        except WireError as error:
            return error_reply(_for_access(error, access), started)
        except GraphRefusalError as error:
            return error_reply(WireError(error.status, error.message), started)
        except ClientDisconnect:
            return Response(status_code=400)  # Nobody is there to read it.
        except ProofdeskError as error:
            _LOG.error("%s %s failed: %s", request.method, path, error)
            return error_reply(WireError(500, str(error)), started)
        except Exception:  # noqa: BLE001 - the last frame of a request: the client gets JSON
            _LOG.exception("%s %s failed", request.method, path)
            return error_reply(WireError(500, "The offline service failed; see its log."), started)

    return ServiceRoute(path, endpoint, list(methods), access, about)


def route_name(path: str) -> str:
    """Return the last word of a path that is no parameter: how a fault names the route."""
    words = [word for word in path.split("/") if word and not word.startswith("{")]
    return words[-1]


async def _answer(request: Request, handler: Handler, access: Access, name: str) -> Response:
    state: Capability = request.app.state.service
    authorise(request, state, access)
    call = await read_call(request, _BODY_LIMIT[access])
    if isinstance(state, ServiceState):
        _check_table(state.folder.name, call)
        return await state.faults.answer(name, handler, state, call)
    return await run_in_threadpool(handler, state, call)


def _check_table(known: str, call: Call) -> None:
    asked = call.path.get("table", known)
    if asked != known:
        raise WireError(404, f"There is no table {shown(asked)} here, only {known!r}.")


def _for_access(error: WireError, access: Access) -> WireError:
    """Keep edits to the statuses that the export protocol can classify."""
    if access is Access.EDIT and error.status not in (400, 401, 403):
        status = 400 if error.status < 500 else 500
        return WireError(status, error.message, error.fields, error.headers)
    return error
