"""The columns of ConnectomeBench2's parquet files, both releases.

Release 1 (May 2026, tag ``v1-may06``) has views of the pair and of the single body beside
each other; release 2 (June 2026) has one of them, by the kind of sample, and pictures of
the cut. Files do not state their release: the columns tell.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

from connectome.errors import InputError, MissingPackageError
from inference.datasets.formats.base import Format

__all__ = [
    "MASK_VIEWS",
    "PLANES",
    "SAMPLE_TYPES",
    "arrow",
    "em_column",
    "is_picture",
    "mask_column",
    "release_of",
    "row_schema",
    "sidecar_schema",
]

PLANES = ("xy", "xz", "yz", "best")
MASK_VIEWS = ("front", "side", "top")
SAMPLE_TYPES = {
    "merge_edit": True,
    "junction_control": True,
    "split_edit": False,
    "adjacent_control": False,
    "synapse_control": False,
}
"""The kinds of samples, and whether what they show is one neuron."""
_ONLY_V1 = {"geometry_single", "has_single_mask", "has_dual_mask", *(f"em_{p}" for p in PLANES)}
_ONLY_V2 = {
    "has_after_mask",
    *(f"em_{p}_before" for p in PLANES),
    *(f"split_mask_{v}" for v in MASK_VIEWS),
}
_NEEDED = ("sample_type", "metadata")


def arrow() -> tuple[Any, Any]:
    """Return the modules ``pyarrow`` and ``pyarrow.parquet``.

    Raises
    ------
    MissingPackageError
        If they are not installed.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise MissingPackageError(
            "The package pyarrow is not installed.",
            "Install Proofdesk with the extra `train`.",
        ) from error
    return pyarrow, parquet


def em_column(plane: str, release: Format) -> str:
    """Return the column of a slice."""
    return f"em_{plane}_before" if release is Format.CB2_V2 else f"em_{plane}"


def mask_column(view: str) -> str:
    """Return the column of a picture of the cut; release 2 only."""
    return f"split_mask_{view}"


def is_picture(column: str) -> bool:
    """Tell whether a column holds pictures, which are large."""
    return column.startswith(("geometry", "em_", "split_mask_"))


def release_of(columns: Collection[str]) -> Format:
    """Return which release has these columns.

    Raises
    ------
    InputError
        If neither has.
    """
    if "shard" in columns and "metadata" not in columns:
        raise InputError(
            "The file is a list of ConnectomeBench2's samples without the samples.",
            "Give the folder above it, or one of its train, val or test files.",
        )
    missing = [name for name in _NEEDED if name not in columns]
    if missing:
        raise InputError(
            f"The file is no ConnectomeBench2 data set: it has no column {missing[0]!r}.",
            "Give a train, val or test file of the data set, or its folder.",
        )
    old, new = (bool(only.intersection(columns)) for only in (_ONLY_V1, _ONLY_V2))
    if old == new:
        which = "both releases" if old else "neither release"
        raise InputError(
            f"The file's columns are those of {which} of ConnectomeBench2.",
            "Give a file as it was published.",
        )
    return Format.CB2_V1 if old else Format.CB2_V2


def row_schema() -> Any:
    """Return the schema of a release 2 file (pyarrow), with what marks pictures."""
    pa, _ = arrow()
    image = pa.struct([pa.field("bytes", pa.binary()), pa.field("path", pa.string())])
    pictures = [em_column(plane, Format.CB2_V2) for plane in PLANES]
    pictures += [mask_column(view) for view in MASK_VIEWS]
    fields = [
        *_described(pa),
        pa.field("present_slots", pa.list_(pa.string())),
        pa.field("metadata", pa.string()),
        pa.field("geometry", pa.binary()),
        *(pa.field(name, image) for name in pictures),
    ]
    # The Hugging Face viewer shows as a picture what this names.
    info = {"info": {"features": {name: {"_type": "Image"} for name in pictures}}}
    return pa.schema(fields, metadata={b"huggingface": json.dumps(info).encode()})


def sidecar_schema() -> Any:
    """Return the schema of a release 2 list of samples (pyarrow)."""
    pa, _ = arrow()
    return pa.schema([*_described(pa), pa.field("shard", pa.string())])


def _described(pa: Any) -> list[Any]:
    return [
        pa.field("combined_sample_hash", pa.string()),
        pa.field("source_archive_sample_hash", pa.string()),
        pa.field("source_archive", pa.string()),
        pa.field("sample_type", pa.string()),
        pa.field("same_neuron", pa.bool_()),
        pa.field("task_routing", pa.list_(pa.string())),
        pa.field("false_split_correction_label", pa.float64()),
        pa.field("false_merge_identification_label", pa.float64()),
        pa.field("split", pa.string()),
        pa.field("species", pa.string()),
        pa.field("has_em", pa.bool_()),
        pa.field("has_after_mask", pa.bool_()),
    ]
