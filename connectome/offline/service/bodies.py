"""Read a request to its end, within bounds.

The bounds hold while the bytes arrive, whatever the headers claim: a body without a length
and one that unpacks to far more than was sent meet the same limit.
"""

from __future__ import annotations

import zlib

from starlette.requests import Request

from connectome.offline.service.access import TOKEN_NAME
from connectome.offline.service.wire import Call, WireError

__all__ = ["read_call"]

_DISCARDED = 8 << 20
"""How many bytes beyond the limit are still taken, so that a client that only reads the
answer after sending everything gets one. Whoever sends more is cut off."""


async def read_call(request: Request, limit: int) -> Call:
    """Read a request whose body (also unpacked) may have at most ``limit`` bytes.

    Raises
    ------
    WireError
        413 for a longer body, 400 for one that cannot be unpacked.
    """
    body = await _read(request, limit)
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    # A token never goes further than to the check of it: no error may repeat it.
    query = {name: text for name, text in request.query_params.items() if name != TOKEN_NAME}
    return Call(
        request.path_params,
        query,
        _unpack(body, encoding, limit),
        request.headers.get("accept-encoding", ""),
        "range" in request.headers,
    )


async def _read(request: Request, limit: int) -> bytes:
    body, length = bytearray(), 0
    async for chunk in request.stream():
        length += len(chunk)
        if length <= limit:
            body += chunk
        elif length > limit + _DISCARDED:
            raise _too_long(limit, {"Connection": "close"})
        else:
            body.clear()
    if length > limit:
        raise _too_long(limit)
    return bytes(body)


def _unpack(body: bytes, encoding: str, limit: int) -> bytes:
    if encoding in ("", "identity"):
        return body
    if encoding != "gzip":
        raise WireError(400, f"A body packed with {encoding[:20]!r} cannot be read.")
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


def _too_long(limit: int, headers: dict[str, str] | None = None) -> WireError:
    return WireError(413, f"The body is longer than {limit} bytes.", headers=headers)
