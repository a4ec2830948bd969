"""The CAVE token for Neuroglancer's page, for the allowed origins and nobody else.

WORKAROUND for neuroglancer 2.41.2: the Python client has no provider for
``middleauthapp``, so any ``middleauth+https`` layer fails with HTTP 500
(https://github.com/google/neuroglancer/issues/392). Any layer URL could ask for the
token, hence the list of origins.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future

from connectome.errors import AuthError

__all__ = ["allow_token", "token_future"]

Reply = dict[str, object]

_lock = threading.Lock()
_allowed: dict[str, Callable[[str], str]] = {}
_generations = itertools.count(1)


def allow_token(origins: Iterable[str], token_for: Callable[[str], str]) -> None:
    """Let layers of these origins have the token that `token_for(origin)` returns."""
    from neuroglancer.default_credentials_manager import default_credentials_manager

    with _lock:
        _allowed.update({origin.rstrip("/"): token_for for origin in origins})
    default_credentials_manager.register("middleauthapp", _Provider)


def token_future(origin: str) -> Future[Reply]:
    """Return the reply for an origin; asked on a thread of its own, as it may read a file.

    The future holds an `AuthError` where the origin is not allowed.
    """
    reply: Future[Reply] = Future()
    with _lock:
        token_for = _allowed.get(str(origin).rstrip("/"))
    if token_for is None:
        reply.set_exception(AuthError("A layer of another server asked for the CAVE token."))
        return reply
    threading.Thread(target=_answer, args=(reply, origin, token_for), daemon=True).start()
    return reply


def _answer(reply: Future[Reply], origin: str, token_for: Callable[[str], str]) -> None:
    try:
        credentials = {"tokenType": "Bearer", "accessToken": token_for(origin)}
        reply.set_result({"credentials": credentials, "generation": next(_generations)})
    # Whatever the callback raises belongs to whoever waits for the reply.
    except Exception as error:  # noqa: BLE001
        reply.set_exception(error)


class _Provider:
    """What Neuroglancer's server asks: one per request, all state lives above."""

    def __init__(self, origin: str) -> None:
        self._origin = origin

    def get(self, invalid: object = None) -> Future[Reply]:  # noqa: ARG002
        return token_future(self._origin)
