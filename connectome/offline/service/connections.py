"""How many connections there may be, and how long a request may take to arrive.

uvicorn bounds neither: a program that opens connections and sends one byte a minute would
hold them for ever. What runs out of time here is cut without an answer.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from connectome.offline.service.faults import ABORT
from connectome.offline.service.wire import WireError, error_reply

__all__ = ["Limits", "protocol_within"]


@dataclass(frozen=True)
class Limits:
    """What a client may take.

    Parameters
    ----------
    connections : int
        Open connections; more are closed as they come.
    head_seconds : float
        From the first byte of a request (or a connection's start) to the end of its head.
    request_seconds : float
        From the end of the head to the end of the body.
    head_bytes : int
        Length of the request line with all headers.
    """

    connections: int = 256
    head_seconds: float = 15.0
    request_seconds: float = 60.0
    head_bytes: int = 32 << 10


def protocol_within(limits: Limits) -> type[asyncio.Protocol]:
    """Return uvicorn's protocol with limits."""
    return type("LimitedProtocol", (_LimitedProtocol,), {"limits": limits})


async def _too_long(scope: Any, receive: Any, send: Any) -> None:
    error = WireError(431, "The request's head is too long.", headers={"Connection": "close"})
    await error_reply(error, time.monotonic())(scope, receive, send)


class _LimitedProtocol(H11Protocol):
    limits: Limits

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        # uvicorn writes addresses, and so tokens in queries, into the log of any program
        # that has one, whatever its configuration says.
        self.access_log = False
        self._app = self.app
        self.app = self._checked
        self._deadline: asyncio.TimerHandle | None = None
        self._waits_for: object = None

    async def _checked(self, scope: Any, receive: Any, send: Any) -> None:
        """Refuse a long head; hand the way to cut the connection to the application."""
        scope.setdefault("extensions", {})[ABORT] = self.transport.abort
        length = len(scope["raw_path"]) + len(scope["query_string"])
        length += sum(len(name) + len(value) for name, value in scope["headers"])
        app = _too_long if length > self.limits.head_bytes else self._app
        await app(scope, receive, send)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self.limits.connections:
            transport.abort()
        else:
            self._expect("head", self.limits.head_seconds)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._expect(None)
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP; in the middle of another answer, cut the connection."""
        del msg
        busy = self.cycle is not None and not self.cycle.response_complete
        if busy or self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            self.transport.abort()
            return
        reply = error_reply(
            WireError(400, "This is not HTTP as it is spoken here."), time.monotonic()
        )
        headers = [*reply.raw_headers, (b"connection", b"close")]
        for event in (
            h11.Response(status_code=400, headers=headers),
            h11.Data(data=bytes(reply.body)),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def _watch(self) -> None:
        """Start or end the time that the client has for what it is sending."""
        theirs = self.conn.their_state
        if theirs is h11.SEND_BODY:
            self._expect("body", self.limits.request_seconds)
        elif theirs is h11.IDLE and self.conn.trailing_data[0]:
            self._expect("head", self.limits.head_seconds)
        else:
            self._expect(None)

    def _expect(self, what: str | None, seconds: float = 0.0) -> None:
        # A request that goes on keeps its time; the next one gets its own.
        expected = (what, self.cycle) if what == "body" else what
        if expected == self._waits_for:
            return
        self._waits_for = expected
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        if what is not None:
            self._deadline = self.loop.call_later(seconds, self.transport.abort)
