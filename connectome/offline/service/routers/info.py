"""The info service: which datastacks there are and where their parts live."""

from __future__ import annotations

from starlette.responses import Response
from starlette.routing import BaseRoute

from connectome.offline.service.about import About, Schema, array_of
from connectome.offline.service.routing import Access, route
from connectome.offline.service.state import ServiceState
from connectome.offline.service.wire import Call, WireError, json_reply, shown

__all__ = ["ROUTES"]

_VERSION = "4.3.4+offline"


def _version(_state: ServiceState, call: Call) -> Response:
    return json_reply(_VERSION, call)


def _datastacks(state: ServiceState, call: Call) -> Response:
    return json_reply([state.folder.name], call)


def _datastack(state: ServiceState, call: Call) -> Response:
    _require(call.path["name"], state.folder.name, "datastack")
    voxel_nm = state.folder.manifest.resolution_nm
    record: dict[str, object] = dict.fromkeys(_UNUSED)
    record |= _named_tables(state)
    record |= {
        "skeleton_source": f"precomputed://{state.read_url}/skeletoncache/api/v1"
        f"/{state.folder.name}/precomputed/skeleton",
        "description": "An offline datastack of Proofdesk.",
        "aligned_volume": _volume_record(state),
        "segmentation_source": f"graphene://{state.base_url}/segmentation/table/{state.folder.name}",
        "local_server": state.base_url,
        "viewer_resolution_x": voxel_nm[0],
        "viewer_resolution_y": voxel_nm[1],
        "viewer_resolution_z": voxel_nm[2],
    }
    return json_reply(record, call)


_UNUSED = (
    "viewer_site",
    "synapse_table",
    "soma_table",
    "analysis_database",
    "proofreading_status_table",
    "proofreading_review_table",
    "cell_identification_table",
)
"""Fields that a client may look for, for which there may be nothing here."""

_NAMED_AFTER = {
    "synapse_table": ("synapse",),
    "soma_table": ("nucleus_detection",),
    "proofreading_status_table": (
        "proofread_status",
        "proofreading_boolstatus_user",
        "compartment_proofread_status",
        "compartment_proofread_status_strategy",
    ),
    "cell_identification_table": ("cell_type_local",),
}
"""Schema types of the tables that the record names: the oldest table of such a type."""


def _named_tables(state: ServiceState) -> dict[str, object]:
    tables = [state.annotations.metadata(name) for name in state.annotations.tables()]
    named: dict[str, object] = {}
    for field, types in _NAMED_AFTER.items():
        found = [table.name for table in tables if table.schema_type in types]
        if found:
            named[field] = found[0]
    return named


def _volumes(state: ServiceState, call: Call) -> Response:
    return json_reply([state.folder.name], call)


def _volume(state: ServiceState, call: Call) -> Response:
    _require(call.path["name"], state.folder.name, "aligned volume")
    return json_reply(_volume_record(state), call)


def _volume_by_id(state: ServiceState, call: Call) -> Response:
    _require(call.path["id"], "1", "aligned volume")
    return json_reply(_volume_record(state), call)


def _datastacks_of_volume(state: ServiceState, call: Call) -> Response:
    _require(call.path["name"], state.folder.name, "aligned volume")
    return json_reply([state.folder.name], call)


def _volume_record(state: ServiceState) -> dict[str, object]:
    has_em = state.folder.manifest.has_em
    return {
        "id": 1,
        "name": state.folder.name,
        "display_name": state.folder.name,
        "description": "",
        "image_source": f"precomputed://{state.read_url}/precomputed/em" if has_em else "",
    }


def _require(asked: str, known: str, what: str) -> None:
    if asked != known:
        raise WireError(404, f"There is no {what} {shown(asked)} here, only {known!r}.")


_TEXT: Schema = {"type": "string"}
_NUMBER: Schema = {"type": "number"}
_NAMES = array_of(_TEXT)
_VOLUME: Schema = {
    "type": "object",
    "properties": {"id": {"type": "integer"}, "name": _TEXT, "image_source": _TEXT},
    "required": ["id", "name", "image_source"],
}
_DATASTACK: Schema = {
    "type": "object",
    "properties": {
        "local_server": _TEXT,
        "segmentation_source": _TEXT,
        "aligned_volume": _VOLUME,
        **{f"viewer_resolution_{axis}": _NUMBER for axis in "xyz"},
    },
    "required": ["local_server", "segmentation_source", "aligned_volume", *_UNUSED],
}

_V2 = "/info/api/v2"
ROUTES: tuple[BaseRoute, ...] = (
    route("/info/version", _version, Access.OPEN, about=About("The version.", answer=_TEXT)),
    route(f"{_V2}/datastacks", _datastacks, about=About("Every datastack.", answer=_NAMES)),
    route(
        f"{_V2}/datastack/full/{{name}}",
        _datastack,
        about=About("Where the parts of a datastack live.", answer=_DATASTACK),
    ),
    route(f"{_V2}/aligned_volume", _volumes, about=About("Every volume.", answer=_NAMES)),
    route(
        f"{_V2}/aligned_volume/id/{{id}}",
        _volume_by_id,
        about=About("A volume by its number.", answer=_VOLUME),
    ),
    route(
        f"{_V2}/aligned_volume/{{name}}",
        _volume,
        about=About("A volume by its name.", answer=_VOLUME),
    ),
    route(
        f"{_V2}/aligned_volume/{{name}}/datastacks",
        _datastacks_of_volume,
        about=About("The datastacks of a volume.", answer=_NAMES),
    ),
)
