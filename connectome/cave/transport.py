"""How requests travel to a CAVE server: a time limit on each, edits once and on a fresh line.

caveclient sets no time limit, opens a web browser on one kind of refusal, follows
redirects (a 307 sends an edit again) and by default re-sends a POST after 502, 503, 504
or a reset connection. The adapter below, mounted on a session with ``max_retries=0``,
leaves none of that.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter

from connectome.cave.pace import Pace
from connectome.errors import AuthError, EditRejectedError

__all__ = [
    "EDIT_SECONDS",
    "GuardedAdapter",
    "guard",
    "limit_requests",
    "may_pass",
    "retried",
]

T = TypeVar("T")

EDIT_SECONDS = 200.0
"""How long to wait for an edit: the server's lock expires after 180 s."""
READ_SECONDS = 60.0
CONNECT_SECONDS = 10.0

_EDITS = ("/merge", "/split", "/undo", "/redo", "/annotations", "/table")
"""How the paths end to which a POST changes something."""
_TRIES = 3
_PASSING = frozenset({429, 502, 503, 504})
_LONGEST_PAUSE = 60.0


class GuardedAdapter(HTTPAdapter):
    """An HTTP adapter that limits time, never retries and never sends an edit twice."""

    def __init__(self, edit_seconds: float, read_seconds: float) -> None:
        super().__init__(max_retries=0)
        self._edit_seconds = edit_seconds
        self._read_seconds = read_seconds

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: bool | str = True,
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """Send one request, once."""
        with _PACE_LOCK:
            if _PACES:
                _PACES[-1].take()
        edit = _is_edit(request)
        if edit:
            # A pooled connection may have been closed by the server in this very moment;
            # the edit would then be lost in doubt. A fresh one cannot be stale.
            self.poolmanager.clear()
        limits = (CONNECT_SECONDS, self._edit_seconds if edit else self._read_seconds)
        response = super().send(request, stream, timeout or limits, verify, cert, proxies)
        if response.is_redirect:
            _refuse_redirect(response, edit=edit)
        if response.status_code == 403:
            _refuse_terms(response, edit=edit)
        return response


_PACES: list[Pace] = []
_PACE_LOCK = threading.Lock()


def limit_requests(pace: Pace | None) -> None:
    """Let all connections of this process keep a pace together; None sets no limit any more."""
    _PACES[:] = [] if pace is None else [pace]


def guard(
    session: requests.Session, *, edit_seconds: float = EDIT_SECONDS, read_seconds: float = 0.0
) -> requests.Session:
    """Mount the guard on a session and return it."""
    adapter = GuardedAdapter(edit_seconds, read_seconds or READ_SECONDS)
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    return session


def retried(
    read: Callable[[], T],
    *,
    tries: int = _TRIES,
    pause_seconds: float = 0.3,
    wait: Callable[[float], None] = time.sleep,
    again: Callable[[requests.RequestException], bool] | None = None,
) -> T:
    """Return what a read gives, trying again where the failure may pass (or `again` says so).

    The pauses double, and are as long as the server asks for (up to a minute). Never for
    edits.
    """
    for attempt in range(1, tries):
        try:
            return read()
        except (requests.ConnectionError, requests.Timeout, requests.HTTPError) as error:
            if not (again or may_pass)(error):
                raise
            pause = max(pause_seconds * 2 ** (attempt - 1), _asked_pause(error))
        wait(min(pause, _LONGEST_PAUSE))
    return read()


def may_pass(error: requests.RequestException) -> bool:
    """Tell whether asking again can help."""
    if isinstance(error, requests.HTTPError):
        return error.response is not None and error.response.status_code in _PASSING
    return not isinstance(error, requests.exceptions.SSLError | requests.exceptions.ProxyError)


def _asked_pause(error: requests.RequestException) -> float:
    """Return the seconds that the server asks us to wait, 0 where it says nothing."""
    asked = "" if error.response is None else error.response.headers.get("retry-after", "")
    return float(asked) if asked.isdecimal() else 0.0


def _is_edit(request: requests.PreparedRequest) -> bool:
    path = urlsplit(request.url or "").path
    return request.method == "POST" and str(path).endswith(_EDITS)


def _refuse_redirect(response: requests.Response, *, edit: bool) -> None:
    """Follow none: an edit would be sent twice, and the token's cookie to any host.

    The services of CAVE redirect only to a page for logging in.
    """
    response.close()
    if edit:
        raise requests.TooManyRedirects("an edit was redirected", response=response)
    raise AuthError(
        f"The server {urlsplit(response.url).netloc} asks you to log in instead of answering.",
        "Save a valid CAVE token first, and check the server's address.",
    )


def _refuse_terms(response: requests.Response, *, edit: bool) -> None:
    """Name missing terms of service before caveclient opens a browser for them."""
    try:
        body = response.json()
        missing = isinstance(body, dict) and body.get("error") == "missing_tos"
        page = str(body["data"]["tos_form_url"]) if missing else ""
    except (ValueError, KeyError, TypeError):
        return
    if missing:
        kind = EditRejectedError if edit else AuthError
        raise kind("The dataset's terms of service were not accepted yet.", f"Accept them: {page}")
