"""The level-2 cache: places, sizes and shapes of level-2 nodes."""

from __future__ import annotations

from starlette.responses import Response
from starlette.routing import BaseRoute

from connectome.offline.l2_store import ATTRIBUTES
from connectome.offline.service.about import IDS, About, Schema, array_of, fields
from connectome.offline.service.routing import Access, route
from connectome.offline.service.state import ServiceState
from connectome.offline.service.wire import Call, WireError, json_reply, shown

__all__ = ["ROUTES"]


def _mapping(state: ServiceState, call: Call) -> Response:
    name = state.folder.name
    source = f"graphene://{state.base_url}/segmentation/table/{name}"
    return json_reply({name: {"l2cache_id": f"l2cache_{name}", "cv_path": source}}, call)


def _metadata(_state: ServiceState, call: Call) -> Response:
    return json_reply(ATTRIBUTES, call)


def _attributes(state: ServiceState, call: Call) -> Response:
    """Answer for every id; unlike the production, nothing is missing because it is new."""
    asked = call.query.get("attribute_names", "")
    names = [name.strip() for name in asked.split(",") if name.strip()] or list(ATTRIBUTES)
    unknown = [name for name in names if name not in ATTRIBUTES]
    if unknown:
        raise WireError(400, f"There is no attribute {shown(unknown[0])}.")
    found = state.l2.attributes(call.json_ids("l2_ids"), names)
    return json_reply({str(node): values for node, values in found.items()}, call)


_NUMBERS = array_of({"type": "number"})
_WHOLES = array_of({"type": "integer", "minimum": 0})
_WHOLE: Schema = {"type": "integer", "minimum": 0}
_ENTRY: Schema = {
    "type": "object",
    "properties": {
        "size_nm3": _WHOLE,
        "area_nm2": _WHOLE,
        "max_dt_nm": {"type": "number"},
        "mean_dt_nm": {"type": "number"},
        "rep_coord_nm": _NUMBERS,
        "pca": array_of(_NUMBERS),
        "pca_val": _NUMBERS,
        "chunk_intersect_count": array_of(_WHOLES),
    },
    "additionalProperties": False,
    "description": "Empty for an id that is no level-2 node.",
}
_V1 = "/l2cache/api/v1"
ROUTES: tuple[BaseRoute, ...] = (
    route(
        f"{_V1}/table_mapping",
        _mapping,
        Access.OPEN,
        about=About(
            "The tables that have a level-2 cache.",
            answer={
                "type": "object",
                "additionalProperties": fields(
                    l2cache_id={"type": "string"}, cv_path={"type": "string"}
                ),
            },
        ),
    ),
    route(
        f"{_V1}/attribute_metadata",
        _metadata,
        about=About(
            "The attributes and the types of their numbers.",
            answer={"type": "object", "additionalProperties": {"type": "string"}},
        ),
    ),
    route(
        f"{_V1}/table/{{table}}/attributes",
        _attributes,
        methods=("POST",),
        about=About(
            "Attributes of level-2 nodes, current or replaced.",
            query={
                "int64_as_str": {"type": "boolean"},
                "attribute_names": {
                    "type": "string",
                    "description": "Names separated by commas; all if absent.",
                },
            },
            body=fields(l2_ids=IDS),
            answer={"type": "object", "additionalProperties": _ENTRY},
        ),
    ),
)
