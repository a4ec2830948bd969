"""The meshing service: which fragments make up a node's surface, and making new ones."""

from __future__ import annotations

import re

import numpy as np
from starlette.responses import Response
from starlette.routing import BaseRoute

from connectome.offline.ids import layer_of
from connectome.offline.service.about import BOUNDS, IDS, About, array_of, fields
from connectome.offline.service.access import Access
from connectome.offline.service.routing import route
from connectome.offline.service.state import ServiceState
from connectome.offline.service.wire import Call, WireError, json_reply, shown

__all__ = ["ROUTES"]


_NODE = re.compile(r"([0-9]{1,20})(:0)?")


def _manifest(state: ServiceState, call: Call) -> Response:
    """Name the fragments; those of new level-2 nodes are made before they are named."""
    node = _node(call)
    fragments = _fragments(state, node)
    bounds = call.bounds()
    if bounds is not None:
        inside = set(state.engine.leaves(node, bounds, 2).tolist())
        fragments = [(l2, name) for l2, name in fragments if l2 in inside]
    tell_ids = call.flag("prepend_seg_ids")
    answer: dict[str, object] = {
        "fragments": [f"~{l2}:{name}" if tell_ids else name for l2, name in fragments]
    }
    if call.flag("return_seg_ids"):
        answer["seg_ids"] = np.array([l2 for l2, _ in fragments], np.uint64)
    return json_reply(answer, call)


def _fragments(state: ServiceState, node: int) -> list[tuple[int, str]]:
    """Return level-2 ids and names of the fragments of a node, made where missing."""
    found = state.meshes.fragments(state.engine, node)
    return [(l2, name) for l2, name in found if state.meshes.path_of(name).is_file()]


def _node(call: Call) -> int:
    """Read ``ID:LOD`` (the level of detail is always 0)."""
    found = _NODE.fullmatch(call.path["node"])
    if found is None or int(found[1]) >= 2**64:
        raise WireError(
            400, f"This is not a node and a level of detail: {shown(call.path['node'])}."
        )
    return int(found[1])


def _remesh(state: ServiceState, call: Call) -> Response:
    """Queue level-2 nodes and answer at once."""
    ids = call.json_ids("new_lvl2_ids")
    known = state.engine.exist(ids) & (layer_of(ids) == 2)
    if not known.all():
        raise WireError(400, f"There is no level-2 node {int(ids[~known][0])}.")
    state.remesher.ask(ids.tolist())
    return Response(status_code=202)


_FLAG = {"type": "boolean"}
_MANIFEST = About(
    "The fragments of a node's surface; each exists when it is named.",
    query={
        "bounds": BOUNDS,
        "prepend_seg_ids": _FLAG,
        "return_seg_ids": _FLAG,
        "verify": {**_FLAG, "description": "Taken and ignored: only what exists is named."},
        "int64_as_str": _FLAG,
    },
    answer={
        "type": "object",
        "properties": {"fragments": array_of({"type": "string"}), "seg_ids": dict(IDS)},
        "required": ["fragments"],
    },
    path={"node": {"type": "string", "pattern": "^[0-9]{1,20}(:0)?$"}},
)
_REMESHING = About(
    "Have the surfaces of level-2 nodes made soon; the answer does not wait for them.",
    body=fields(new_lvl2_ids=IDS),
    status=202,
)

_T = "/meshing/api/v1/table/{table}"
ROUTES: tuple[BaseRoute, ...] = (
    route(f"{_T}/manifest/{{node}}", _manifest, about=_MANIFEST),
    route(f"{_T}/remeshing", _remesh, Access.WRITE, ("POST",), about=_REMESHING),
)
