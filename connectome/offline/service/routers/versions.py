"""Version answers of services that clients ask for before they can be constructed."""

from __future__ import annotations

from functools import partial

from starlette.responses import Response
from starlette.routing import BaseRoute

from connectome.offline.service.about import About
from connectome.offline.service.routing import Access, route
from connectome.offline.service.state import VERSION, ServiceState
from connectome.offline.service.wire import Call, json_reply

__all__ = ["ROUTES"]


def _say(answer: object, _state: ServiceState, call: Call) -> Response:
    return json_reply(answer, call)


_ANSWERS: dict[str, object] = {
    "/segmentation/api/versions": [0, 1],
    "/segmentation/api/version": VERSION,
    "/schema/versions": [1, 2],
    "/nglstate/api/v1/version": "0.7.2+offline",
    "/materialize/api/versions": [2, 3],
    "/materialize/version": "5.26.4+offline",
}

ROUTES: tuple[BaseRoute, ...] = tuple(
    route(
        path,
        partial(_say, answer),
        Access.OPEN,
        about=About("Which versions are spoken here.", answer={"const": answer}),
    )
    for path, answer in _ANSWERS.items()
)
