"""HTTP to a model server: to allowed hosts only, without redirects and without proxies."""

from __future__ import annotations

import http.client
import ipaddress
import json
import socket
import ssl
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from connectome.errors import InputError, ModelError, OfflineError

__all__ = ["RemoteAddress", "Wire", "is_server"]

_MOST_BYTES = 16 << 20
_REFUSED = 400
_MOVED = 300


class UnsupportedError(ModelError):
    """The server does not understand something that was asked for (400 or 422)."""


class BusyError(OfflineError):
    """The server asks for patience (429, 502, 503 or 504)."""


def is_server(base: str) -> bool:
    """Tell whether a base model is the address of a server."""
    return base.startswith(("http://", "https://"))


@dataclass(frozen=True)
class RemoteAddress:
    """A server that may be asked.

    Parameters
    ----------
    url : str
        Up to where ``/chat/completions`` follows, such as ``http://127.0.0.1:8000/v1``.
    allowed : tuple of str
        Hosts other than this machine that the person has allowed.
    key : str
        Sent as a bearer token; never shown.

    Raises
    ------
    InputError
        If it is no address, or one of a host that was not allowed.
    """

    url: str
    allowed: tuple[str, ...] = ()
    key: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        try:
            parts = urlsplit(self.url)
            parts.port  # noqa: B018 - reading it is what checks it
        except ValueError as error:
            raise _no_address(self.url) from error
        if not is_server(self.url) or not parts.hostname or parts.query or "@" in parts.netloc:
            raise _no_address(self.url)
        if not self.loopback and self.host not in {host.lower() for host in self.allowed}:
            raise InputError(
                f"Pictures are not sent to {self.host}: it is not among the allowed hosts.",
                "Allow it in the settings if you trust it with the data, or use this machine.",
            )

    @property
    def host(self) -> str:
        """Name of the host, in lower case."""
        return (urlsplit(self.url).hostname or "").lower()

    @property
    def loopback(self) -> bool:
        """Whether it is this machine."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def notice(self) -> str:
        """What a person must be told while this server is used."""
        where = f"{self.host} (this machine)" if self.loopback else self.host
        plain = self.url.startswith("http://") and not self.loopback
        return f"Pictures leave this program to {where}{', unencrypted' if plain else ''}."


class Wire:
    """Sends requests; one connection each, and all of them can be cut at once."""

    def __init__(self, address: RemoteAddress, timeout_s: float) -> None:
        self._address = address
        self._timeout_s = timeout_s
        self._open: set[http.client.HTTPConnection] = set()
        self._lock = threading.Lock()
        self._closed = False

    def get(self, path: str) -> Any:
        """Return the JSON at a path; for errors see `post`."""
        return self._ask("GET", path, None)

    def post(self, path: str, body: Any) -> Any:
        """Send JSON and return the JSON of the answer.

        Raises
        ------
        OfflineError
            If the server cannot be reached, breaks off, or is busy.
        UnsupportedError
            If it does not understand the request.
        ModelError
            If it refuses, redirects, or answers with something else than JSON.
        """
        return self._ask("POST", path, json.dumps(body).encode())

    def close(self) -> None:
        """Cut every connection; what waits for an answer fails at once."""
        with self._lock:
            self._closed = True
            for connection in self._open:
                _cut(connection)

    def _ask(self, method: str, path: str, body: bytes | None) -> Any:
        host = self._address.host
        connection = self._connection()
        with self._lock:
            if self._closed:
                raise OfflineError(f"The connection to {host} was ended.")
            self._open.add(connection)
        try:
            headers = {"Content-Type": "application/json", "Accept": "application/json"}
            if self._address.key:
                headers["Authorization"] = f"Bearer {self._address.key}"
            prefix = urlsplit(self._address.url).path.rstrip("/")
            connection.request(method, prefix + path, body, headers)
            answer = connection.getresponse()
            content = answer.read(_MOST_BYTES + 1)
            status = answer.status
        except (OSError, http.client.HTTPException) as error:
            raise OfflineError(
                f"The model server {host} does not answer.", "Check that it runs, and ask again."
            ) from error
        finally:
            with self._lock:
                self._open.discard(connection)
            connection.close()
        return _read(status, content, host)

    def _connection(self) -> http.client.HTTPConnection:
        parts = urlsplit(self._address.url)
        host = parts.hostname or ""
        if parts.scheme == "https":
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(
                host, parts.port, timeout=self._timeout_s, context=context
            )
        return http.client.HTTPConnection(host, parts.port, timeout=self._timeout_s)


def _read(status: int, content: bytes, host: str) -> Any:
    if status in (429, 502, 503, 504):
        raise BusyError(f"The model server {host} is busy ({status}).", "Ask again later.")
    if _MOVED <= status < _REFUSED:
        raise ModelError(
            f"The model server {host} wants to send pictures elsewhere, which is refused.",
            "Name the address that it redirects to, if you trust it.",
        )
    if status in (401, 403):
        raise ModelError(f"The model server {host} wants another key.", "Set the server's key.")
    if status >= _REFUSED:
        told = content[:200].decode("utf-8", "replace")
        kind = UnsupportedError if status in (400, 422) else ModelError
        raise kind(
            f"The model server {host} answered {status}: {told}",
            "Check the model's name, and that the server takes pictures.",
        )
    if len(content) > _MOST_BYTES:
        raise ModelError(f"The model server {host} answered with far too much.", "")
    try:
        return json.loads(content)
    except ValueError as error:
        raise ModelError(
            f"The model server {host} did not answer in JSON.",
            "Check that its address ends where it should, such as http://127.0.0.1:8000/v1.",
        ) from error


def _cut(connection: http.client.HTTPConnection) -> None:
    sock: socket.socket | None = connection.sock
    if sock is not None:
        # It may have ended by itself meanwhile.
        with suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)


def _no_address(url: str) -> InputError:
    return InputError(
        f"{url!r} is no address of a model server.", "Give one such as http://127.0.0.1:8000/v1."
    )
