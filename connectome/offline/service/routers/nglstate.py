"""The state server: views of Neuroglancer behind a link.

Texts go out as they came in. A viewer without the token reads them under the secret path.
"""

from __future__ import annotations

from functools import partial

from starlette.responses import Response
from starlette.routing import BaseRoute

from connectome.offline.service.about import About, Schema
from connectome.offline.service.routing import Access, route
from connectome.offline.service.state import ServiceState
from connectome.offline.service.wire import Call, WireError, json_reply
from connectome.offline.states import StateKind, StateTooLargeError

__all__ = ["ROUTES"]

_V1 = "/nglstate/api/v1"
_BASE = {StateKind.STATE: _V1, StateKind.PROPERTY: f"{_V1}/property"}


def _post(kind: StateKind, state: ServiceState, call: Call) -> Response:
    call.json()  # Only to refuse what no viewer could read.
    try:
        number = state.states.add(call.body, kind)
    except StateTooLargeError as error:
        raise WireError(413, str(error)) from error
    return json_reply(f"{state.base_url}{_BASE[kind]}/{number}", call)


def _get(kind: StateKind, state: ServiceState, call: Call) -> Response:
    number = call.number("state_id")
    body = state.states.get(number, kind)
    if body is None:
        raise WireError(404, f"There is no {kind.value} {number} here.")
    return Response(body, headers={"content-type": "application/json", "cache-control": "no-store"})


def _post_with_id(state: ServiceState, call: Call) -> Response:
    """Refuse as the real server does: to choose an id is for administrators."""
    call.number("state_id")
    raise WireError(
        403,
        "Only an administrator may choose the number of a state.",
        fields={
            "error": "missing_permission",
            "data": {"required_permission": "admin", "auth_dataset": state.folder.name},
        },
    )


_ANY: Schema = {"description": "Any JSON."}
_LINK: Schema = {"type": "string", "pattern": "/[0-9]+$", "description": "Where it can be read."}
_POST = partial(_post, StateKind.STATE), Access.WRITE, ("POST",)
_POST_PROPERTY = partial(_post, StateKind.PROPERTY), Access.WRITE, ("POST",)
_POST_WITH_ID = _post_with_id, Access.WRITE, ("POST",)
_GET, _GET_PROPERTY = partial(_get, StateKind.STATE), partial(_get, StateKind.PROPERTY)
_ABOUT_GET = About("A view as it was posted.", answer=_ANY)
_ABOUT_PROPERTY = About("Segment properties as they were posted.", answer=_ANY)
_ABOUT_WITH_ID = About("Refused: only an administrator may choose a number.", body=_ANY)
ROUTES: tuple[BaseRoute, ...] = (
    route(f"{_V1}/post", *_POST, about=About("Keep a view.", body=_ANY, answer=_LINK)),
    route(f"{_V1}/post/{{state_id}}", *_POST_WITH_ID, about=_ABOUT_WITH_ID),
    route(
        f"{_V1}/property/post",
        *_POST_PROPERTY,
        about=About("Keep segment properties.", body=_ANY, answer=_LINK),
    ),
    route(f"{_V1}/property/post/{{state_id}}", *_POST_WITH_ID, about=_ABOUT_WITH_ID),
    route(f"{_V1}/property/raw/{{state_id}}", _GET_PROPERTY, about=_ABOUT_PROPERTY),
    route(f"{_V1}/property/{{state_id}}/info", _GET_PROPERTY, about=_ABOUT_PROPERTY),
    route(f"{_V1}/raw/{{state_id}}", _GET, about=_ABOUT_GET),
    route(f"{_V1}/{{state_id}}", _GET, about=_ABOUT_GET),
)
