"""The outermost layer: who may speak to the service at all.

A web page the person happens to visit can send requests to 127.0.0.1. It is kept out
three times: the ``Host`` header must name loopback (against DNS rebinding), the ``Origin``
must be a loopback page or an allowed one, and nothing can be read without the token or the
secret path. CORS headers stand on every answer to an allowed page, errors included, because
Neuroglancer shows an error's text only then.
"""

from __future__ import annotations

import re
import time

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from connectome.offline.service.state import Capability
from connectome.offline.service.wire import WireError, error_reply

__all__ = ["Safety"]

_HOST = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:\d{1,5})?", re.ASCII | re.IGNORECASE)
_METHODS = "GET, HEAD, POST, PUT, DELETE, OPTIONS"
_SENT = "Authorization, Content-Type, Content-Encoding, Range, X-Requested-With"
_READ = "Content-Range, Content-Length, Used-Bounds, Warning"
_SECRET_PATH = re.compile(r"^/t/([0-9A-Za-z_-]+)(/.*)$", re.DOTALL)


class Safety:
    """ASGI middleware: Host and Origin checks, CORS, the secret path, doubled slashes."""

    def __init__(self, app: ASGIApp, state: Capability) -> None:
        self._app = app
        self._state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check one request and pass it on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        origin = headers.get("origin")
        try:
            self._check_host(headers.get("host", ""))
            self._check_origin(origin)
        except WireError as error:
            await error_reply(error, time.monotonic())(scope, receive, send)
            return
        answer = _with_cors(send, origin)
        if scope["method"] == "OPTIONS":
            await Response(status_code=204)(scope, receive, answer)
            return
        try:
            inner = self._unwrapped(scope)
        except WireError as error:
            await error_reply(error, time.monotonic())(scope, receive, answer)
            return
        await self._app(inner, receive, answer)

    def _check_host(self, host: str) -> None:
        if _HOST.fullmatch(host) is None:
            raise _forbidden("The offline service answers under a loopback address only.")

    def _check_origin(self, origin: str | None) -> None:
        if origin is None or origin in self._state.allowed_origins:
            return
        scheme, _, host = origin.partition("://")
        if scheme not in ("http", "https") or _HOST.fullmatch(host) is None:
            raise _forbidden("Pages of this origin may not use the offline service.")

    def _unwrapped(self, scope: Scope) -> Scope:
        """Return the scope without the secret prefix and with single slashes."""
        path = str(scope["path"])
        match = _SECRET_PATH.match(path)
        capability = False
        if match is not None:
            if not self._state.is_secret(match[1]):
                raise WireError(404, "There is nothing here.")
            capability, path = True, match[2]
        # Neuroglancer asks for mesh fragments under "mesh//NAME".
        path = re.sub(r"/{2,}", "/", path)
        return {**scope, "path": path, "raw_path": None, "proofdesk.capability": capability}


def _forbidden(message: str) -> WireError:
    return WireError(403, message, fields={"error": "forbidden"})


def _with_cors(send: Send, origin: str | None) -> Send:
    async def answer(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["Access-Control-Allow-Origin"] = origin or "*"
            headers["Access-Control-Allow-Methods"] = _METHODS
            headers["Access-Control-Allow-Headers"] = _SENT
            headers["Access-Control-Expose-Headers"] = _READ
            headers["Access-Control-Allow-Private-Network"] = "true"
            headers["Access-Control-Max-Age"] = "600"
            headers.add_vary_header("Origin")
        await send(message)

    return answer
