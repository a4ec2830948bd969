"""How a request is read and an answer written: the CAVE services' conventions.

JSON bodies may arrive as ``text/plain`` (Neuroglancer avoids a preflight that way), on a
GET, or compressed; ids arrive as numbers or strings and leave as strings when
``int64_as_str`` is asked for, because JavaScript rounds integers beyond 2**53. Handlers
mark ids by giving them as numpy unsigned integers; plain ``int`` stays a number.
"""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

import numpy as np
from starlette.responses import Response

from connectome.graph import Ids

__all__ = ["Call", "WireError", "error_reply", "json_reply", "parse_json", "shown"]

_TRUE = frozenset({"1", "true", "yes"})
_BOUNDS = re.compile("_".join([r"(\d{1,12})-(\d{1,12})"] * 3), re.ASCII)
_INTEGER = re.compile(r"[+-]?\d{1,19}", re.ASCII)
_LAST_SECOND = 253_402_300_799.0
"""The end of the year 9999: later times are no dates any more."""
_SHOWN = 80


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
        if _INTEGER.fullmatch(text) is None or not -(2**63) <= int(text) < 2**63:
            raise WireError(400, f"{name} is not a whole number: {shown(text)}.")
        return int(text)

    def optional_time(self, name: str) -> float | None:
        """Return a time from the query (seconds since 1970, UTC), None where absent."""
        text = self.query.get(name)
        if not text:
            return None
        try:
            seconds = float(text)
        except ValueError as error:
            raise WireError(400, f"{name} is not a time in seconds: {shown(text)}.") from error
        # Also false for NaN.
        if not -_LAST_SECOND <= seconds <= _LAST_SECOND:
            raise WireError(400, f"{name} is not a time in seconds: {shown(text)}.")
        return seconds

    def flag(self, name: str) -> bool:
        """Tell whether a switch of the query is on."""
        return self.query.get(name, "").lower() in _TRUE

    def json(self) -> object:
        """Return the JSON body, whatever its content type says."""
        return parse_json(self.body)

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
        found = _BOUNDS.fullmatch(text)
        if found is None:
            raise WireError(400, f"bounds is not x0-x1_y0-y1_z0-z1: {shown(text)}.")
        x0, x1, y0, y1, z0, z1 = map(int, found.groups())
        return x0, x1, y0, y1, z0, z1


def parse_json(text: bytes | str) -> object:
    """Return what a JSON text says; stricter than Python, as JSON's definition is.

    Raises
    ------
    WireError
        400 for anything that is not JSON in UTF-8: NaN and infinities, numbers beyond any
        float, halves of a UTF-16 pair, and what is nested or written too deep to be read.
    """
    try:
        plain = text if isinstance(text, str) else text.decode("utf-8")
        value = json.loads(plain, parse_constant=_no_number, parse_float=_finite)
        if "\\u" in plain:
            # A lone surrogate can be written in JSON, and then nowhere be stored.
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError) as error:
        raise WireError(400, "The body is not JSON.") from error
    return value


def _no_number(text: str) -> object:
    raise ValueError(f"{text} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is too large")
    return number


def shown(value: object) -> str:
    """Return a value as an error may repeat it: short, whatever was sent."""
    text = repr(value)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


def _as_id(value: object) -> int:
    """Read an id that came as a number or as a string."""
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= 20:
        number = int(value)
    elif isinstance(value, int) and not isinstance(value, bool):
        number = value
    else:
        raise WireError(400, f"This is not an id: {shown(value)}.")
    if not 0 <= number < 2**64:
        raise WireError(400, f"This is not an id of 64 bits: {shown(number)}.")
    return number


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
