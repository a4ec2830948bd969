"""Who may call a route, and how one who may not is answered: middle_auth's conventions."""

from __future__ import annotations

from enum import Enum

from starlette.requests import Request

from connectome.offline.service.state import Capability, ServiceState
from connectome.offline.service.wire import WireError

__all__ = ["TOKEN_NAME", "Access", "authorise"]

TOKEN_NAME = "middle_auth_token"
"""Name of the token in a query and in a cookie."""

_SCHEME = "Bearer "


class Access(Enum):
    """What a caller must hold."""

    OPEN = "open"
    """Nothing: version numbers."""
    READ = "read"
    """The token, or the secret path."""
    WRITE = "write"
    """The token, always."""
    EDIT = "edit"
    """The token, always; an edit of the graph, answered with 200, 400, 401, 403 or 500 only."""


def authorise(request: Request, state: Capability, access: Access) -> None:
    """Let the caller pass.

    Raises
    ------
    WireError
        401 without a token or with a wrong one, 403 for a write through the secret path,
        which allows reading only, 400 for credentials of another kind.
    """
    if access is Access.OPEN:
        return
    # First of all: a browser may send along a cookie that another service left.
    viewing = bool(request.scope.get("proofdesk.capability", False))
    if viewing and access is Access.READ:
        return
    token = _token(request)
    if token and state.is_token(token):
        return
    if token:
        raise _unauthorised("invalid_token", ', error="invalid_token"')
    if viewing:
        raise _not_permitted(state)
    raise _unauthorised("no_token", "")


def _token(request: Request) -> str:
    """Return the caller's token: the header's before the query's before the cookie's."""
    header = request.headers.get("authorization")
    if not header:
        named = request.query_params.get(TOKEN_NAME) or request.cookies.get(TOKEN_NAME)
        return (named or "").strip()
    if not header.lower().startswith(_SCHEME.lower()):
        raise WireError(
            400,
            "The Authorization header must begin with 'Bearer'.",
            fields={"error": "invalid_request"},
            headers={"WWW-Authenticate": 'Bearer realm="offline", error="invalid_request"'},
        )
    return header[len(_SCHEME) :].strip()


def _unauthorised(error: str, detail: str) -> WireError:
    return WireError(
        401,
        "This needs the token of the offline service.",
        fields={"error": error},
        headers={"WWW-Authenticate": f'Bearer realm="offline"{detail}'},
    )


def _not_permitted(state: Capability) -> WireError:
    dataset = state.folder.name if isinstance(state, ServiceState) else ""
    return WireError(
        403,
        "The secret path allows reading only; this needs the token of the offline service.",
        fields={
            "error": "missing_permission",
            "data": {"required_permission": "edit", "auth_dataset": dataset},
        },
    )
