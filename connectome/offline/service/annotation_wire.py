"""Annotation tables in the words of CAVE's AnnotationEngine: what is read, what is written."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from connectome.offline.annotations import FlatRow, TableDetails, TableMetadata
from connectome.offline.service.routers.auth import USER_ID
from connectome.offline.service.wire import Call, WireError, shown

__all__ = [
    "AXES",
    "notice_header",
    "read_annotations",
    "read_changes",
    "read_details",
    "read_metadata",
    "read_object",
    "read_text",
    "write_metadata",
    "write_row",
]

AXES = ("voxel_resolution_x", "voxel_resolution_y", "voxel_resolution_z")


def read_object(value: object, what: str) -> dict[str, Any]:
    """Return a JSON object, or raise the error of a call that has something else there."""
    if not isinstance(value, dict):
        raise WireError(400, f"{what} is not an object.")
    return value


def read_text(body: Mapping[str, Any], name: str) -> str:
    """Return the text under a name."""
    value = body.get(name)
    if not isinstance(value, str):
        raise WireError(400, f"{name} is not text: {shown(value)}.")
    return value


def read_annotations(call: Call) -> list[dict[str, Any]]:
    """Return the annotations that a call brings."""
    rows = read_object(call.json(), "The body").get("annotations")
    if not isinstance(rows, list):
        raise WireError(400, "The body holds no list 'annotations'.")
    return [read_object(row, "An annotation") for row in rows]


def read_metadata(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a call says about a table."""
    return read_object(body.get("metadata"), "metadata")


def read_details(metadata: Mapping[str, Any]) -> TableDetails:
    """Read what is said about a new table; whose it is may be said, else the caller's."""
    sizes = [metadata.get(name) for name in AXES]
    if not all(_is_number(size) for size in sizes):
        raise WireError(400, f"metadata holds no number for each of {', '.join(AXES)}.")
    read_text(metadata, "description")
    x, y, z = (float(size) for size in sizes if size is not None)
    linked = metadata.get("table_metadata")
    reference = {} if linked is None else read_object(linked, "table_metadata")
    target = reference.get("reference_table")
    return TableDetails(
        voxel_resolution=(x, y, z),
        reference_table=None if target is None else read_text(reference, "reference_table"),
        track_target_id_updates=reference.get("track_target_id_updates") is True,
        **{"user_id": USER_ID, **read_changes(metadata)},
    )


def _is_number(value: object) -> bool:
    # A whole number may be too large for a float.
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e9


_TEXTS = (
    "description",
    "read_permission",
    "write_permission",
    "flat_segmentation_source",
    "notice_text",
)


def read_changes(metadata: Mapping[str, Any]) -> dict[str, str]:
    """Read what can be said anew about a table; what is null stays as it is."""
    changes = {name: read_text(metadata, name) for name in _TEXTS if metadata.get(name) is not None}
    if changes.get("notice_text", "").lower() == "none":
        changes["notice_text"] = ""
    user = metadata.get("user_id")
    if user is not None:
        if not re.fullmatch("[0-9]{1,19}", str(user)):
            raise WireError(400, f"user_id is not the id of a person: {shown(user)}.")
        changes["user_id"] = str(user)
    return changes


def write_metadata(known: TableMetadata) -> dict[str, object]:
    """Write what is known about a table."""
    details = known.details
    return {
        "id": known.number,
        "table_name": known.name,
        "schema_type": known.schema_type,
        "valid": True,
        "created": _moment(known.created),
        "deleted": None,
        "last_modified": _moment(known.last_modified),
        "user_id": details.user_id,
        "description": details.description,
        "notice_text": details.notice_text,
        "reference_table": details.reference_table,
        "flat_segmentation_source": details.flat_segmentation_source,
        "read_permission": details.read_permission,
        "write_permission": details.write_permission,
        **dict(zip(AXES, details.voxel_resolution, strict=True)),
    }


def write_row(row: FlatRow) -> dict[str, object]:
    """Write a row as the service does: times as text, positions as whole voxels."""
    return {name: _plain(value) for name, value in row.items()}


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return _moment(value)
    if isinstance(value, tuple):
        return [math.trunc(number) for number in value]
    return value


def _moment(moment: datetime) -> str:
    """Write a time as the services do: UTC, without saying so."""
    return moment.replace(tzinfo=None).isoformat(" ", "microseconds")


def notice_header(known: TableMetadata) -> dict[str, str] | None:
    """Return the header that tells a reader the owner's notice, None without one."""
    text = known.details.notice_text
    if not text:
        return None
    # A header is one line of Latin-1.
    line = " ".join(text.split()).encode("latin-1", "replace").decode("latin-1")
    return {"Warning": f"Table Owner Notice: {line}"}
