"""The annotation service's bodies and answers as schemas, for its description."""

from __future__ import annotations

from connectome.offline.annotations import INSERT_LIMIT, PERMISSIONS
from connectome.offline.service.about import INTEGER, Schema, fields
from connectome.offline.service.annotation_wire import AXES

__all__ = [
    "ANNOTATIONS",
    "CHANGES",
    "FLAT_ROW",
    "METADATA",
    "NAME",
    "NEW_TABLE",
    "ROW_ID",
]

NAME: Schema = {"type": "string"}
_MAYBE: Schema = {"type": ["string", "null"]}
ROW_ID: Schema = {"type": "integer", "minimum": 1}
_PERMISSION: Schema = {"type": "string", "enum": list(PERMISSIONS)}
_SIZE: Schema = {"type": "number", "exclusiveMinimum": 0}
CHANGES: dict[str, Schema] = {
    "description": NAME,
    "read_permission": _PERMISSION,
    "write_permission": _PERMISSION,
    "user_id": INTEGER,
    "notice_text": NAME,
    "flat_segmentation_source": NAME,
}
_REFERENCE: Schema = {
    "type": "object",
    "properties": {
        "reference_table": NAME,
        "track_target_id_updates": {"type": ["boolean", "null"]},
    },
}
NEW_TABLE: Schema = {
    "type": "object",
    "properties": {**CHANGES, **dict.fromkeys(AXES, _SIZE), "table_metadata": _REFERENCE},
    "required": ["description", *AXES],
}
METADATA = fields(
    id=ROW_ID,
    table_name=NAME,
    schema_type=NAME,
    valid={"type": "boolean"},
    created=NAME,
    deleted=_MAYBE,
    last_modified=NAME,
    user_id=NAME,
    description=NAME,
    notice_text=_MAYBE,
    reference_table=_MAYBE,
    flat_segmentation_source=_MAYBE,
    read_permission=_PERMISSION,
    write_permission=_PERMISSION,
    **dict.fromkeys(AXES, _SIZE),
)
FLAT_ROW = fields(
    id=ROW_ID,
    created=NAME,
    deleted=_MAYBE,
    superceded_id={"type": ["integer", "null"]},
    valid={"type": "boolean"},
)
ANNOTATIONS = fields(
    annotations={"type": "array", "items": {"type": "object"}, "maxItems": INSERT_LIMIT}
)
