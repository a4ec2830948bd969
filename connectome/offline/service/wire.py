"""How a request is read and an answer written: the CAVE services' conventions.

JSON bodies may arrive as ``text/plain`` (Neuroglancer avoids a preflight that way), on a
GET, or compressed; ids arrive as numbers or strings and leave as strings when
``int64_as_str`` is asked for, because JavaScript rounds integers beyond 2**53. Handlers
mark ids by giving them as numpy unsigned integers; plain ``int`` stays a number.
"""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

import numpy as np
from starlette.requests import Request
from starlette.responses import Response

from connectome.graph import Ids

__all__ = ["Call", "WireError", "error_reply", "json_reply", "read_call"]

_TRUE = frozenset({"1", "true", "yes"})


class WireError(Exception):
    """A request that is answered with an error.

    Parameters
    ----------
    status : int
        The HTTP status.
    message : str
        One sentence for the person at the other end.
    fields : mapping
        More fields of the JSON body, such as middle_auth's ``error``.
    headers : mapping
        More headers of the answer.
    """

    def __init__(
        self,
        status: int,
        message: str,
        fields: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.fields = dict(fields or {})
        self.headers = dict(headers or {})


@dataclass(frozen=True)
class Call:
    """A request, read to its end."""

    path: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes
    accept_encoding: str = ""
    wants_range: bool = False

    def number(self, name: str) -> int:
        """Return an id that stands in the path."""
        return _as_id(self.path[name])

    def optional_int(self, name: str) -> int | None:
        """Return a whole number from the query, None where absent."""
        text = self.query.get(name)
        if not text:
            return None
        try:
            return int(text)
        except ValueError as error:
            raise WireError(400, f"{name} is not a whole number: {text!r}.") from error

    def optional_time(self, name: str) -> float | None:
        """Return a time from the query (seconds since 1970, UTC), None where absent."""
        text = self.query.get(name)
        if not text:
            return None
        try:
            return float(text)
        except ValueError as error:
            raise WireError(400, f"{name} is not a time in seconds: {text!r}.") from error

    def flag(self, name: str) -> bool:
        """Tell whether a switch of the query is on."""
        return self.query.get(name, "").lower() in _TRUE

    def json(self) -> object:
        """Return the JSON body, whatever its content type says."""
        try:
            return json.loads(self.body)
        except ValueError as error:
            raise WireError(400, "The body is not JSON.") from error

    def json_ids(self, name: str) -> Ids:
        """Return the list of ids that the JSON body holds under a name."""
        body = self.json()
        values = body.get(name) if isinstance(body, dict) else None
        if not isinstance(values, list):
            raise WireError(400, f"The body holds no list {name!r}.")
        return np.array([_as_id(value) for value in values], np.uint64)

    def binary_ids(self) -> Ids:
        """Return the body as little-endian 64-bit ids."""
        if len(self.body) % 8:
            raise WireError(400, "The body is not a whole number of 64-bit ids.")
        return np.frombuffer(self.body, "<u8").astype(np.uint64)

    def bounds(self) -> tuple[int, int, int, int, int, int] | None:
        """Return ``bounds=x0-x1_y0-y1_z0-z1`` as (x0, x1, y0, y1, z0, z1) voxels."""
        text = self.query.get("bounds")
        if not text:
            return None
        try:
            numbers = [int(n) for part in text.split("_") for n in part.split("-")]
            x0, x1, y0, y1, z0, z1 = numbers
        except ValueError as error:
            raise WireError(400, f"bounds is not x0-x1_y0-y1_z0-z1: {text!r}.") from error
        return x0, x1, y0, y1, z0, z1


def _as_id(value: object) -> int:
    """Read an id that came as a number or as a string."""
    try:
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise ValueError(value)
        number = int(value)
    except ValueError as error:
        raise WireError(400, f"This is not an id: {value!r}.") from error
    if not 0 <= number < 2**64:
        raise WireError(400, f"This is not an id of 64 bits: {number}.")
    return number


async def read_call(request: Request, limit: int) -> Call:
    """Read a request whose body (also unpacked) may have at most ``limit`` bytes.

    Raises
    ------
    WireError
        413 for a longer body, 400 for one that cannot be unpacked.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise _too_long(limit)
    encoding = request.headers.get("content-encoding", "identity").lower()
    unpacked = _unpack(bytes(body), encoding, limit)
    return Call(
        request.path_params,
        dict(request.query_params),
        unpacked,
        request.headers.get("accept-encoding", ""),
        "range" in request.headers,
    )


def _unpack(body: bytes, encoding: str, limit: int) -> bytes:
    if encoding in ("", "identity"):
        return body
    if encoding != "gzip":
        raise WireError(400, f"A body packed with {encoding!r} cannot be read.")
    unpacker = zlib.decompressobj(wbits=31)
    try:
        unpacked = unpacker.decompress(body, limit + 1)
    except zlib.error as error:
        raise WireError(400, "The gzip body is damaged.") from error
    if len(unpacked) > limit:
        raise _too_long(limit)
    if not unpacker.eof:
        raise WireError(400, "The gzip body is cut off.")
    return unpacked


def _too_long(limit: int) -> WireError:
    return WireError(413, f"The body is longer than {limit} bytes.")


def json_reply(value: object, call: Call, *, headers: Mapping[str, str] | None = None) -> Response:
    """Answer with JSON; ids become strings if the call asks for that."""
    encode = partial(_encode_numpy, as_str=call.flag("int64_as_str"))
    return _json_response(json.dumps(value, default=encode), 200, headers)


def _encode_numpy(value: object, *, as_str: bool) -> object:
    if isinstance(value, np.ndarray):
        if as_str and value.dtype == np.uint64:
            return value.astype(str).tolist()
        return value.tolist()
    if isinstance(value, np.unsignedinteger):
        return str(value) if as_str else int(value)
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"cannot write {type(value)} as JSON")


def error_reply(error: WireError, started: float) -> Response:
    """Answer with an error in the form of PyChunkedGraph (``started``: `time.monotonic`)."""
    body = {
        "timestamp": str(datetime.now(UTC)),
        "duration": (time.monotonic() - started) * 1000,
        "code": error.status,
        "message": f"[{error.status}]: {error.message}",
        **error.fields,
    }
    return _json_response(json.dumps(body), error.status, error.headers)


def _json_response(text: str, status: int, headers: Mapping[str, str] | None) -> Response:
    # Clients compare the type with exactly this, so no charset may follow it.
    fixed = {"content-type": "application/json", "cache-control": "no-store"}
    return Response(text, status, {**fixed, **(headers or {})})
