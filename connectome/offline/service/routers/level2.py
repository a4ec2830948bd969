"""The chunked graph's reads of single level-2 nodes and edges, and paths along them."""

from __future__ import annotations

import numpy as np
from starlette.responses import Response
from starlette.routing import BaseRoute

from connectome.graph import Ids
from connectome.offline import level2, pathing
from connectome.offline.ids import layer_of
from connectome.offline.service.about import BINARY, BOUNDS, ID, IDS, TIMESTAMP, About, array_of
from connectome.offline.service.about import fields as schema_of
from connectome.offline.service.points import POINT, read_point
from connectome.offline.service.routers.reads import NODES, binary_reply
from connectome.offline.service.routing import route
from connectome.offline.service.state import ServiceState
from connectome.offline.service.wire import Call, WireError, json_reply

__all__ = ["ROUTES"]


def _level2_graph(state: ServiceState, call: Call) -> Response:
    node, bounds = call.number("node"), call.bounds()
    edges = state.engine.level2_edges(node)
    if bounds is not None:
        inside = state.engine.leaves(node, bounds, 2)
        edges = edges[np.isin(edges, inside).all(axis=1)]
    # The client raises where it asked for bounds and this does not say that they were used.
    used = {"Used-Bounds": str(bounds is not None)}
    return json_reply({"edge_graph": edges}, call, headers=used)


def _subgraph(state: ServiceState, call: Call) -> Response:
    node = call.number("node")
    found = level2.subgraph(state.engine.state_with(node), node, call.bounds())
    # An edge that must never be cut is `Infinity`, as in production: no JSON by its
    # definition, but what Python's clients read as infinite.
    answer = {"nodes": found.pairs, "affinities": found.affinities, "areas": found.areas_nm2}
    return json_reply(answer, call)


def _find_path(state: ServiceState, call: Call) -> Response:
    body = call.json()
    if not isinstance(body, list) or len(body) != 2:
        raise WireError(400, "A path has exactly two ends.")
    engine = state.engine
    points = [read_point(row) for row in body]
    ends = np.array([engine.resolve(point) for point in points], np.uint64)
    now = engine.state
    roots = engine.roots(ends)
    if roots[0] != roots[1]:
        raise WireError(400, "Supervoxels must belong to the same object.")
    start, end = engine.roots(ends, stop_layer=2).tolist()
    path = pathing.shortest_path(engine.level2_edges(int(roots[0])), start, end)
    if call.query.get("precision_mode", "true").lower() in ("1", "true", "yes"):
        centers = pathing.centroids_nm(now, path)
    else:
        voxel_nm = state.folder.manifest.resolution_nm
        centers = pathing.chunk_centers_nm(engine.layout, path, voxel_nm)
    answer = {"centroids_list": centers, "failed_l2_ids": [], "l2_path": path}
    return json_reply(answer, call)


def _covering_nodes(state: ServiceState, call: Call) -> Response:
    packed = call.flag("is_binary")
    nodes = call.binary_ids() if packed else call.json_ids("node_ids")
    leaves: list[Ids] = [state.engine.leaves(node) for node in nodes.tolist()]
    at = state.engine.state_at(call.optional_time("timestamp"))
    found = level2.covering_nodes(at, np.concatenate([np.zeros(0, np.uint64), *leaves]))
    if call.flag("as_array"):
        return binary_reply(found)
    return json_reply(found, call)


def _chunk_children(state: ServiceState, call: Call) -> Response:
    if not call.flag("as_array"):
        # The production would answer with a Python pickle, which nobody should open.
        raise WireError(400, "Ask with as_array=True.")
    return binary_reply(_pairs(state, call).ravel())


def _chunk_children_json(state: ServiceState, call: Call) -> Response:
    if not call.flag("as_array"):
        raise WireError(400, "Ask with as_array=True.")
    return json_reply({"l2_chunk_children": _pairs(state, call).ravel()}, call)


def _pairs(state: ServiceState, call: Call) -> np.ndarray[tuple[int, ...], np.dtype[np.uint64]]:
    """Return the level-2 nodes and supervoxels of the chunk that the path names."""
    chunk = call.number("chunk")
    layer = int(layer_of(chunk))
    if layer != 2:
        raise WireError(
            400,
            "This function only accepts level 2 chunks, the chunk requested is a level "
            f"{layer} chunk",
        )
    place = state.engine.layout.chunk_of(np.uint64(chunk), 2).astype(np.uint64)
    return level2.chunk_pairs(state.engine.state_at(call.optional_time("timestamp")), place)


_FLAG = {"type": "boolean"}
_T = "/segmentation/api/v1/table/{table}"
_CHILDREN = {"as_array": {"const": True}, "timestamp": TIMESTAMP}
ROUTES: tuple[BaseRoute, ...] = (
    route(
        f"{_T}/node/{{node}}/lvl2_graph",
        _level2_graph,
        about=About(
            "The pairs of touching level-2 nodes of a node.",
            query={"bounds": BOUNDS},
            answer=schema_of(edge_graph=array_of(IDS)),
        ),
    ),
    route(
        f"{_T}/node/{{node}}/subgraph",
        _subgraph,
        about=About(
            "The edges that hold a node together.",
            query={"bounds": BOUNDS},
            answer=schema_of(
                nodes=array_of(IDS),
                affinities=array_of({}),
                areas=array_of({"type": "number"}),
            ),
        ),
    ),
    route(
        f"{_T}/graph/find_path",
        _find_path,
        methods=("POST",),
        about=About(
            "A path along the level-2 nodes of an object; points in nm.",
            query={"precision_mode": _FLAG},
            body={"type": "array", "items": dict(POINT), "minItems": 2, "maxItems": 2},
            answer=schema_of(
                centroids_list=array_of(array_of({"type": "number"})),
                failed_l2_ids=IDS,
                l2_path=IDS,
            ),
        ),
    ),
    route(
        f"{_T}/minimal_covering_nodes",
        _covering_nodes,
        methods=("POST",),
        about=About(
            "The fewest nodes that hold exactly what these hold.",
            query={"as_array": _FLAG, "is_binary": _FLAG, "timestamp": TIMESTAMP},
            body=NODES,
            answer=array_of(ID),
        ),
    ),
    route(
        f"{_T}/l2_chunk_children_binary/{{chunk}}",
        _chunk_children,
        about=About(
            "Level-2 node and supervoxel, in turn, of a chunk; packed.",
            query=_CHILDREN,
            answer=BINARY,
        ),
    ),
    route(
        f"{_T}/l2_chunk_children/{{chunk}}",
        _chunk_children_json,
        about=About(
            "Level-2 node and supervoxel, in turn, of a chunk.",
            query=_CHILDREN,
            answer=schema_of(l2_chunk_children=IDS),
        ),
    ),
)
