"""The table's info: a precomputed segmentation's, with the chunked graph's additions."""

from __future__ import annotations

import json

from starlette.responses import Response
from starlette.routing import BaseRoute

from connectome.offline.service.about import About, Schema
from connectome.offline.service.routing import route
from connectome.offline.service.state import ServiceState
from connectome.offline.service.wire import Call, json_reply

__all__ = ["ROUTES"]


def _info(state: ServiceState, call: Call) -> Response:
    info = json.loads((state.folder.supervoxels / "info").read_text())
    layout = state.engine.layout
    info |= {
        "app": {"supported_api_versions": [0, 1]},
        # Voxels and meshes are fetched without a token, so the address must carry the secret.
        "data_dir": f"{state.read_url}/precomputed/supervoxels",
        "mesh": "mesh",
        "mesh_metadata": state.meshes.metadata,
        "chunks_start_at_voxel_offset": True,
        "graph": {
            "chunk_size": list(layout.chunk_size),
            "bounding_box": list(layout.shape),
            "n_layers": layout.n_layers,
            "n_bits_for_layer_id": 8,
            "spatial_bit_masks": {str(k): v for k, v in layout.spatial_bits.items()},
            "cv_mip": 0,
        },
    }
    return json_reply(info, call)


_INFO: Schema = {
    "type": "object",
    "properties": {
        "data_type": {"const": "uint64"},
        "data_dir": {"type": "string"},
        "graph": {"type": "object", "required": ["chunk_size", "n_layers", "spatial_bit_masks"]},
    },
    "required": ["app", "data_dir", "data_type", "graph", "scales", "type"],
}
_ABOUT = About("The table's info, as graphene clients read it.", answer=_INFO)

ROUTES: tuple[BaseRoute, ...] = (
    route("/segmentation/table/{table}/info", _info, about=_ABOUT),
    route("/segmentation/api/v1/table/{table}/info", _info, about=_ABOUT),
)
