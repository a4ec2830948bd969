"""A web server in a thread of this process, on loopback only."""

from __future__ import annotations

import errno
import socket
import sys
import threading
import time

import uvicorn
from starlette.types import ASGIApp

from connectome.errors import MachineError, PortInUseError
from connectome.offline.service.connections import Limits, protocol_within

__all__ = ["HOST", "ServerThread", "listen", "url_of"]

HOST = "127.0.0.1"
_START_SECONDS = 30.0
_STOP_SECONDS = 15.0
_TAKEN = {errno.EADDRINUSE, errno.EACCES, getattr(errno, "WSAEADDRINUSE", errno.EADDRINUSE)}


class ServerThread:
    """Answers on a listening socket until stopped."""

    def __init__(self, app: ASGIApp, listener: socket.socket, limits: Limits | None = None) -> None:
        self._listener = listener
        self._server = uvicorn.Server(_config(app, limits or Limits()))
        self._thread = threading.Thread(
            target=self._server.run, args=([listener],), name="offline-service", daemon=True
        )

    def start(self) -> None:
        """Begin to answer.

        Raises
        ------
        MachineError
            If the server does not come up.
        """
        self._thread.start()
        end = time.monotonic() + _START_SECONDS
        while not self._server.started:
            if time.monotonic() > end or not self._thread.is_alive():
                raise MachineError("The offline service did not start.", "See the log.")
            self._thread.join(0.01)

    def stop(self) -> None:
        """Answer what is being asked, then give back the port."""
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join(_STOP_SECONDS)
        self._listener.close()


def listen(port: int) -> socket.socket:
    """Return a socket that listens on a port of loopback, 0 for any free one.

    Raises
    ------
    PortInUseError
        If the port belongs to another program.
    """
    # With the protocol named, asyncio switches Nagle's algorithm off for accepted
    # connections; without it every answer would wait 40 ms for a delayed ACK.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if sys.platform != "win32":
            # Else the port stays closed for a minute after a stop; on Windows the
            # option would let two programs share the port.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        if error.errno in _TAKEN:
            raise PortInUseError(
                f"The port {port} is taken by another program or not allowed.",
                "Choose another with --port, or leave it away for a free one.",
            ) from error
        raise
    return listener


def url_of(listener: socket.socket) -> str:
    """Return the address under which a listening socket answers."""
    return f"http://{HOST}:{listener.getsockname()[1]}"


def _config(app: ASGIApp, limits: Limits) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=protocol_within(limits),
        h11_max_incomplete_event_size=limits.head_bytes,
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        # A connection that closes while a client sends an edit leaves the client in doubt.
        timeout_keep_alive=3600,
        timeout_graceful_shutdown=5,
        server_header=False,
    )
