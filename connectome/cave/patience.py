"""Whose fault a failed read is: the server's, or that of what was asked for."""

from __future__ import annotations

import requests
from urllib3.exceptions import ProtocolError

__all__ = ["is_busy", "of_what_was_asked"]

_TOO_MUCH = frozenset({400, 404, 408, 413, 500, 502, 503, 504})
_BUSY = frozenset({429, 503})


def is_busy(error: requests.RequestException) -> bool:
    """Tell whether the server asks for patience, so that less work would not help."""
    return error.response is not None and error.response.status_code in _BUSY


def of_what_was_asked(error: BaseException | None) -> bool:
    """Tell whether asking for less, or for something else, may succeed.

    The change log of a root whose past holds a huge merge error times out, at the server or
    at a proxy before it (https://github.com/CAVEconnectome/PyChunkedGraph/issues/526).
    """
    if isinstance(error, requests.HTTPError):
        return error.response is not None and error.response.status_code in _TOO_MUCH
    if isinstance(error, requests.ConnectionError):
        # Cut off after the question was put; what was never put has other reasons.
        return any(isinstance(part, ProtocolError) for part in error.args)
    return isinstance(error, requests.RequestException | ValueError | KeyError | TypeError)
