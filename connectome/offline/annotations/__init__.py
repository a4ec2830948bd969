"""Annotation tables: schema types, validation, and the store with its past."""

from __future__ import annotations

from connectome.offline.annotations.catalogue import SCHEMA_TYPES
from connectome.offline.annotations.definitions import public_definition
from connectome.offline.annotations.fields import Column, Field, Kind, SchemaType
from connectome.offline.annotations.store import INSERT_LIMIT, AnnotationStore, FlatRow
from connectome.offline.annotations.tables import PERMISSIONS, TableDetails, TableMetadata

__all__ = [
    "INSERT_LIMIT",
    "PERMISSIONS",
    "SCHEMA_TYPES",
    "AnnotationStore",
    "Column",
    "Field",
    "FlatRow",
    "Kind",
    "SchemaType",
    "TableDetails",
    "TableMetadata",
    "public_definition",
]
