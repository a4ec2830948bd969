"""The meshing service: which fragments make up a node's surface."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
from starlette.responses import Response
from starlette.routing import BaseRoute

from connectome.offline.service.routing import route
from connectome.offline.service.state import ServiceState
from connectome.offline.service.wire import Call, WireError, json_reply

__all__ = ["ROUTES"]


def _manifest(state: ServiceState, call: Call) -> Response:
    """Name the fragments; those of new level-2 nodes are made before they are named."""
    node = int(_node(call))
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
    meshes = state.meshes
    level2 = state.engine.leaves(node, stop_layer=2).tolist()
    whole = all(meshes.path_of(meshes.name_of(l2)).is_file() for l2 in level2)
    # Viewers ask again and again while a surface is being made: one maker is enough, and
    # those who ask for finished surfaces need not wait for it.
    with nullcontext() if whole else state.mesh_lock:
        found = meshes.fragments(state.engine, node)
    return [(l2, name) for l2, name in found if meshes.path_of(name).is_file()]


def _node(call: Call) -> str:
    """Read ``ID:LOD`` (the level of detail is always 0)."""
    node, _, lod = call.path["node"].partition(":")
    if not node.isdecimal() or lod not in ("", "0"):
        raise WireError(400, f"This is not a node and a level of detail: {call.path['node']!r}.")
    return node


ROUTES: tuple[BaseRoute, ...] = (route("/meshing/api/v1/table/{table}/manifest/{node}", _manifest),)
