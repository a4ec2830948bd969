"""Points as clients write them: ``[id, x, y, z]``, the id a number or a string, nm."""

from __future__ import annotations

import math

from connectome.graph import GraphPoint
from connectome.offline.service.about import ID, Schema
from connectome.offline.service.wire import WireError, shown

__all__ = ["POINT", "read_point"]

POINT: Schema = {
    "type": "array",
    "prefixItems": [dict(ID), {"type": "number"}, {"type": "number"}, {"type": "number"}],
    "minItems": 4,
    "maxItems": 4,
    "description": "A node and a position in it: [id, x, y, z], nm.",
}


def read_point(row: object) -> GraphPoint:
    """Read a point of a JSON body.

    Raises
    ------
    WireError
        400 if it is none.
    """
    try:
        node, *position = row if isinstance(row, list) else []
        x, y, z = (float(value) for value in position)
        point = GraphPoint(int(node), (x, y, z))
    except (TypeError, ValueError, OverflowError) as error:
        raise WireError(400, f"This is not a point [id, x, y, z]: {shown(row)}.") from error
    if not 0 < point.supervoxel < 2**64 or not all(map(math.isfinite, point.position_nm)):
        raise WireError(400, f"This is not a point [id, x, y, z]: {shown(row)}.")
    return point
