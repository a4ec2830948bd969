"""The auth service: one person, the one at this machine, who may view and edit."""

from __future__ import annotations

from starlette.responses import Response
from starlette.routing import BaseRoute

from connectome.offline.service.about import About, Schema, array_of, fields
from connectome.offline.service.routing import Access, route
from connectome.offline.service.state import ServiceState
from connectome.offline.service.wire import Call, json_reply

__all__ = ["PERSON", "ROUTES", "USER_ID"]

USER_ID = "1"
"""Whom the operation log names."""

PERSON = {
    "id": int(USER_ID),
    "name": "Person at this machine",
    "email": "person@localhost",
    "pi": "",
}


def _rights(state: ServiceState, call: Call) -> Response:
    name = state.folder.name
    rights = {
        **PERSON,
        "admin": False,
        "groups": [],
        "service_account": False,
        "permissions": {name: 2},
        "permissions_v2": {name: ["view", "edit"]},
        "permissions_v2_ignore_tos": {name: ["view", "edit"]},
        "missing_tos": [],
        "datasets_admin": [],
    }
    return json_reply(rights, call)


def _users(_state: ServiceState, call: Call) -> Response:
    asked = [part for part in call.query.get("id", USER_ID).split(",") if part]
    return json_reply([PERSON] if USER_ID in asked else [], call)


def _tokens(state: ServiceState, call: Call) -> Response:
    return json_reply([{"id": 1, "user_id": int(USER_ID), "token": state.token}], call)


_TEXT: Schema = {"type": "string"}
_WHO = fields(id={"type": "integer"}, name=_TEXT, email=_TEXT)
_RIGHTS = fields(
    id={"type": "integer"},
    email=_TEXT,
    permissions_v2={"type": "object", "additionalProperties": array_of(_TEXT)},
    missing_tos=array_of(_TEXT),
)

_V1 = "/auth/api/v1"
ROUTES: tuple[BaseRoute, ...] = (
    # A token is told only to one who has it, hence the access of a write.
    route(
        f"{_V1}/user/token",
        _tokens,
        Access.WRITE,
        about=About("The caller's tokens.", answer=array_of(fields(id={}, token=_TEXT))),
    ),
    route(f"{_V1}/user/cache", _rights, about=About("What the caller may do.", answer=_RIGHTS)),
    route(
        f"{_V1}/user",
        _users,
        about=About("Who has these numbers.", query={"id": _TEXT}, answer=array_of(_WHO)),
    ),
)
