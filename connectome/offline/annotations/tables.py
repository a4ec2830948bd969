"""What is known about an annotation table, and what may be said when one is made."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from connectome.offline.annotations.catalogue import SCHEMA_TYPES
from connectome.offline.annotations.database import from_stamp
from connectome.offline.annotations.errors import TableRefusedError
from connectome.offline.annotations.fields import SchemaType

__all__ = ["PERMISSIONS", "TableDetails", "TableMetadata", "check_new_table"]

PERMISSIONS = ("PRIVATE", "GROUP", "PUBLIC")
_NAME = re.compile(r"[a-z_]+[a-z0-9_]*")
_MAX_NAME = 100


@dataclass(frozen=True, kw_only=True)
class TableDetails:
    """What the person who makes a table says about it.

    Parameters
    ----------
    description : str
        For other people.
    voxel_resolution : tuple of float
        Size in nm of one unit of the table's positions (x, y, z).
    user_id : str
        Whose table it is.
    read_permission, write_permission : str
        Who else may: ``PRIVATE``, ``GROUP`` or ``PUBLIC``.
    notice_text : str, optional
        What everyone who reads the table is told.
    flat_segmentation_source : str, optional
        A segmentation that belongs to the table.
    reference_table : str, optional
        The table whose rows this one speaks about.
    track_target_id_updates : bool
        Whether rows follow when the row they speak about is updated.
    """

    description: str
    voxel_resolution: tuple[float, float, float]
    user_id: str
    read_permission: str = "PUBLIC"
    write_permission: str = "PRIVATE"
    notice_text: str | None = None
    flat_segmentation_source: str | None = None
    reference_table: str | None = None
    track_target_id_updates: bool = False

    def __post_init__(self) -> None:
        for name in (self.read_permission, self.write_permission):
            if name not in PERMISSIONS:
                raise TableRefusedError(
                    f"{name!r} is no permission.", f"Use one of {', '.join(PERMISSIONS)}."
                )
        if not all(math.isfinite(size) and size > 0 for size in self.voxel_resolution):
            raise TableRefusedError(
                "The voxel resolution is not three sizes above zero.", "Give nanometres."
            )

    def changed(self, changes: Mapping[str, Any]) -> TableDetails:
        """Return these details with some replaced; an empty notice takes it away."""
        details = replace(self, **changes)
        return details if details.notice_text else replace(details, notice_text=None)

    def to_json(self) -> str:
        """Return text that `from_json` reads."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> TableDetails:
        """Read what `to_json` wrote."""
        data = json.loads(text)
        return cls(**{**data, "voxel_resolution": tuple(data["voxel_resolution"])})


@dataclass(frozen=True, kw_only=True)
class TableMetadata:
    """A table as it stands: its number, name and schema type, its details and its times (UTC)."""

    number: int
    name: str
    schema_type: str
    details: TableDetails
    created: datetime
    deleted: datetime | None
    last_modified: datetime

    @classmethod
    def from_row(cls, row: tuple[Any, ...]) -> TableMetadata:
        """Read a row of the catalogue."""
        number, name, schema_type, details, created, deleted, modified = row
        return cls(
            number=number,
            name=name,
            schema_type=schema_type,
            details=TableDetails.from_json(details),
            created=from_stamp(created),
            deleted=None if deleted is None else from_stamp(deleted),
            last_modified=from_stamp(modified),
        )

    @property
    def schema(self) -> SchemaType:
        """What the rows are made of."""
        return SCHEMA_TYPES[self.schema_type]

    @property
    def voxel_resolution(self) -> tuple[float, float, float]:
        """Size in nm of one unit of the positions (x, y, z)."""
        return self.details.voxel_resolution

    def may_read(self, user: str) -> bool:
        """Tell whether a person may read the rows; nobody shares a group here."""
        return self._may(self.details.read_permission, user)

    def may_write(self, user: str) -> bool:
        """Tell whether a person may write rows."""
        return self._may(self.details.write_permission, user)

    def _may(self, permission: str, user: str) -> bool:
        return permission == "PUBLIC" or user == self.details.user_id


def check_new_table(name: str, schema_type: str, details: TableDetails) -> None:
    """Raise if no table may be made like that, apart from what other tables there are.

    Raises
    ------
    TableRefusedError
        For a name, a schema type or a reference that cannot be.
    """
    if not _NAME.fullmatch(name) or len(name) > _MAX_NAME:
        raise TableRefusedError(
            "Table name error: Invalid table name.",
            "Use lower-case letters, digits and underscores, with a letter or underscore first.",
        )
    if schema_type not in SCHEMA_TYPES:
        raise TableRefusedError(
            f"Schema type: {schema_type} is not a known annotation type",
            "Ask the schema service for the types there are.",
        )
    if details.reference_table is None:
        return
    if not SCHEMA_TYPES[schema_type].is_reference:
        raise TableRefusedError(
            "Reference table must be a ReferenceAnnotation schema type",
            "Leave the reference table away, or use a schema type that has a target_id.",
        )
    if details.reference_table == name:
        raise TableRefusedError(f"{name} must target a different table not {name}")
