"""From a labelled question to a row of ConnectomeBench2, release 2.

What the published rows have wrong is written right: the extent of each sample's own views
(none where it is unknown), where the slices look and how they lie.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from typing import Any

from inference.datasets.formats.base import Format, Row, species_of
from inference.datasets.formats.cb2_schema import (
    MASK_VIEWS,
    PLANES,
    SAMPLE_TYPES,
    em_column,
    mask_column,
)
from inference.datasets.formats.pictures import SamplePictures
from inference.datasets.formats.sample_json import OWN, sample_as_json
from inference.datasets.formats.values import seconds_of
from inference.datasets.samples import Part, Sample
from proofreading.verdicts import Task

__all__ = ["SPLITS", "NoPlaceError", "cb2_row"]

SPLITS = {Part.TRAIN: "train", Part.VALIDATION: "val", Part.TEST: "test"}
_TYPES = {
    (Task.SPLIT_ERROR_CORRECTION, True): "merge_edit",
    (Task.SPLIT_ERROR_CORRECTION, False): "adjacent_control",
    (Task.MERGE_ERROR_IDENTIFICATION, True): "split_edit",
    (Task.MERGE_ERROR_IDENTIFICATION, False): "junction_control",
}
_WORDS = {"merge_edit": "merge_correction", "split_edit": "split_correction"}


class NoPlaceError(ValueError):
    """A question that the format has no place for; says in words why."""


def cb2_row(row: Row) -> dict[str, Any]:
    """Return a row of the format, with its pictures.

    Raises
    ------
    NoPlaceError
        If the format has no such question, or it belongs to no part.
    """
    kind, split = _kind(row.sample), _split(row)
    pictures = row.pictures or SamplePictures()
    archive, short = _names(row.sample, kind)
    slots = _slots(pictures)
    return {
        "combined_sample_hash": _md5(f"{archive}|{short}"),
        "source_archive_sample_hash": short,
        "source_archive": archive,
        "sample_type": kind,
        "same_neuron": SAMPLE_TYPES[kind],
        "task_routing": _routes(row.sample, kind, pictures),
        "false_split_correction_label": _label(row.sample, Task.SPLIT_ERROR_CORRECTION),
        "false_merge_identification_label": _label(row.sample, Task.MERGE_ERROR_IDENTIFICATION),
        "split": split,
        "species": species_of(row.sample.dataset),
        "has_em": bool(pictures.em),
        "has_after_mask": bool(pictures.split_masks),
        "present_slots": sorted(slots),
        "metadata": json.dumps(_metadata(row.sample, kind, pictures, slots), sort_keys=True),
        **dict.fromkeys(_picture_columns()),
        **slots,
    }


def _kind(sample: Sample) -> str:
    kind = _TYPES.get((sample.task, sample.label))
    if kind is None:
        raise NoPlaceError(f"questions of {sample.task.value}, which the format does not have")
    # A file's own kind of control is finer than what the label tells.
    stated = sample.notes.get("sample_type", kind)
    known = SAMPLE_TYPES.get(stated) == SAMPLE_TYPES[kind]
    return stated if known else kind


def _split(row: Row) -> str:
    if row.part is None:
        raise NoPlaceError("questions of which no part is known")
    if row.part not in SPLITS:
        raise NoPlaceError("questions between two parts")
    return SPLITS[row.part]


def _names(sample: Sample, kind: str) -> tuple[str, str]:
    """Return the archive and the hash in it: those of the file that it came from, or ours."""
    control = kind.endswith("_control") and kind != "adjacent_control"
    ours = f"unified_{'controls_' if control else ''}{species_of(sample.dataset)}"
    archive = sample.notes.get("source_archive", ours)
    return archive, sample.notes.get("source_archive_sample_hash", sample.id[:12])


def _routes(sample: Sample, kind: str, pictures: SamplePictures) -> list[str]:
    if pictures.geometry_npz is None:
        return []
    if sample.task is Task.SPLIT_ERROR_CORRECTION:
        return ["false_split_correction"]
    routes = ["false_merge_identification"]
    return [*routes, "split_mask_generation"] if kind == "split_edit" else routes


def _label(sample: Sample, task: Task) -> float | None:
    return float(sample.label) if sample.task is task else None


def _slots(pictures: SamplePictures) -> dict[str, Any]:
    slots: dict[str, Any] = {}
    if pictures.geometry_npz is not None:
        slots["geometry"] = pictures.geometry_npz
    for plane, png in pictures.em.items():
        slots[em_column(plane, Format.CB2_V2)] = {"bytes": png, "path": None}
    for view, png in pictures.split_masks.items():
        slots[mask_column(view)] = {"bytes": png, "path": None}
    return slots


def _picture_columns() -> list[str]:
    em = [em_column(plane, Format.CB2_V2) for plane in PLANES]
    return ["geometry", *em, *(mask_column(view) for view in MASK_VIEWS)]


def _metadata(
    sample: Sample, kind: str, pictures: SamplePictures, slots: dict[str, Any]
) -> dict[str, Any]:
    """Return what the format names, over what a file said beyond it, and our own fields."""
    frame = pictures.frame
    before = (
        json.loads(sample.notes["metadata"]) if "metadata" in sample.notes else _new(sample, kind)
    )
    return {
        **before,
        "image_types": sorted(slots),
        "view_extent_nm": frame.half_extent_nm,
        "render_center_nm": frame.center_nm,
        "em_center_nm": frame.em_center_nm,
        "em_half_extent_nm": frame.em_half_extent_nm,
        "em_orientation": frame.em_orientation if pictures.em else None,
        OWN: {"sample": sample_as_json(sample), "frame": asdict(frame)},
    }


def _new(sample: Sample, kind: str) -> dict[str, Any]:
    roots = [str(segment) for segment in sample.segments]
    pair = len(roots) == 2
    operation = None if sample.operation_id is None else str(sample.operation_id)
    return {
        "operation_id": operation,
        "species": species_of(sample.dataset),
        "timestamp": seconds_of(sample.seen_at),
        "strategy": _WORDS.get(kind, kind),
        "interface_point_nm": sample.point_nm,
        "edit_point_nm": sample.point_nm,
        "root_ids": roots,
        "before_root_ids": roots if kind.endswith("_edit") else None,
        "after_root_ids": None,
        "base_root": roots[0] if kind == "adjacent_control" and pair else None,
        "adjacent_root": roots[1] if kind == "adjacent_control" and pair else None,
        "sources": sample.sources_nm,
        "sinks": sample.sinks_nm,
    }


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
