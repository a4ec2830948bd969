"""From a row of ConnectomeBench2 to a labelled question."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from connectome.space import PointNm
from inference.datasets.formats.base import Format, datastack_of
from inference.datasets.formats.cb2_schema import SAMPLE_TYPES
from inference.datasets.formats.pictures import OURS, PictureFrame
from inference.datasets.formats.sample_json import OWN, sample_from_json
from inference.datasets.formats.values import (
    id_of,
    ids_of,
    is_outlier,
    point_of,
    points_of,
    time_of,
    without_people,
)
from inference.datasets.samples import Origin, Part, Sample, sample_id
from proofreading.verdicts import Task

__all__ = ["Described", "UnusableRowError", "described"]

_TASKS = {
    "merge_edit": Task.SPLIT_ERROR_CORRECTION,
    "adjacent_control": Task.SPLIT_ERROR_CORRECTION,
    "synapse_control": Task.SPLIT_ERROR_CORRECTION,
    "split_edit": Task.MERGE_ERROR_IDENTIFICATION,
    "junction_control": Task.MERGE_ERROR_IDENTIFICATION,
}
_STRATEGIES = {
    "merge_edit": "merge edit",
    "split_edit": "split edit",
    "adjacent_control": "adjacent segments",
    "synapse_control": "pre- and postsynaptic",
    "junction_control": "proofread branch point",
}
_PARTS = {
    "train": Part.TRAIN,
    "val": Part.VALIDATION,
    "validation": Part.VALIDATION,
    "test": Part.TEST,
}
_PLACES = ("interface_point_nm", "edit_point_nm", "render_center_nm")
_PAIRS = (
    ("root_ids",),
    ("before_root_ids",),
    ("segment1_id", "segment2_id"),
    ("base_root", "adjacent_root"),
    ("pre_pt_root_id", "post_pt_root_id"),
)
_SINGLES = ("before_root_ids", "root_ids", "after_root_ids", "root_id", "latest_root_id")


class UnusableRowError(ValueError):
    """A row that is no labelled question; says in words why."""


@dataclass(frozen=True)
class Described:
    """A question and where its pictures look."""

    sample: Sample
    part: Part | None
    frame: PictureFrame


def described(row: Mapping[str, Any], release: Format) -> Described:
    """Return the question of a row, of which pictures need not be read.

    Raises
    ------
    UnusableRowError
        If the row lacks what a question needs, or contradicts itself.
    """
    try:
        metadata = without_people(_metadata(row.get("metadata")))
        part = _PARTS.get(str(row.get("split")))
        if isinstance(metadata.get(OWN), dict):
            own = metadata[OWN]
            return Described(sample_from_json(own["sample"]), part, _own_frame(own["frame"]))
        return Described(_sample(row, metadata, release), part, _frame(metadata))
    except UnusableRowError:
        raise
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UnusableRowError("rows whose metadata cannot be read") from error


def _metadata(value: object) -> object:
    # Some copies of the data have it unpacked already.
    return value if isinstance(value, dict) else json.loads(str(value or "{}"))


def _sample(row: Mapping[str, Any], metadata: dict[str, Any], release: Format) -> Sample:
    kind = str(row.get("sample_type"))
    if kind not in SAMPLE_TYPES:
        raise UnusableRowError("rows of an unknown kind")
    stated = row.get("same_neuron")
    if stated is not None and bool(stated) != SAMPLE_TYPES[kind]:
        raise UnusableRowError("rows whose label contradicts their kind")
    task, point = _TASKS[kind], _place(metadata)
    segments = _pair(metadata) if task is Task.SPLIT_ERROR_CORRECTION else _single(kind, metadata)
    # "Yes" is: these belong together; or, of one body: this is no single neuron.
    label = SAMPLE_TYPES[kind] == (task is Task.SPLIT_ERROR_CORRECTION)
    dataset, strategy = datastack_of(_species(row, metadata)), _STRATEGIES[kind]
    latest = metadata.get("latest_root_id")
    operation = metadata.get("operation_id")
    return Sample(
        id=sample_id(task, dataset, segments, point, strategy),
        task=task,
        dataset=dataset,
        origin=Origin.HISTORY,
        strategy=strategy,
        label=label,
        synthetic=False,
        point_nm=point,
        segments=segments,
        bodies=() if latest in (None, "", "None") else (id_of(latest),),
        sources_nm=points_of(metadata.get("sources")),
        sinks_nm=points_of(metadata.get("sinks")),
        operation_id=None if operation in (None, "", "None") else id_of(operation),
        seen_at=time_of(metadata.get("cutout_timestamp") or metadata.get("timestamp")),
        notes=_notes(row, metadata, release),
    )


def _species(row: Mapping[str, Any], metadata: Mapping[str, Any]) -> str:
    return str(row.get("species") or metadata.get("species") or "unknown")


def _place(metadata: Mapping[str, Any]) -> PointNm:
    given = next((metadata[key] for key in _PLACES if metadata.get(key) is not None), None)
    if given is None:
        raise UnusableRowError("rows without a place")
    point = point_of(given)
    if is_outlier(point):
        raise UnusableRowError("places more than a metre away")
    return point


def _pair(metadata: Mapping[str, Any]) -> tuple[int, ...]:
    for keys in _PAIRS:
        found = [one for key in keys for one in ids_of(metadata.get(key) or None)]
        if len(found) == 2 and found[0] != found[1]:
            return tuple(found)
    raise UnusableRowError("rows without their two segments")


def _single(kind: str, metadata: Mapping[str, Any]) -> tuple[int, ...]:
    lists = [ids_of(metadata.get(key) or None) for key in _SINGLES]
    if kind == "split_edit":
        # The body before the cut; some rows have before and after the wrong way round.
        before, after = lists[0], lists[2]
        lists = [after, before] if len(before) > len(after) > 0 else [before]
    found = next((ids[:1] for ids in lists if len(ids) == 1), ())
    if not found:
        raise UnusableRowError("rows without their segment")
    return found


def _notes(row: Mapping[str, Any], metadata: dict[str, Any], release: Format) -> dict[str, str]:
    notes = {"format": release.value, "metadata": json.dumps(metadata, sort_keys=True)}
    for key in ("sample_type", "source_archive", "source_archive_sample_hash"):
        if row.get(key):
            notes[key] = str(row[key])
    if metadata.get("view_extent_nm") is not None:
        notes["view_extent"] = (
            f"{metadata['view_extent_nm']} nm as published: the mean of the range that the "
            "true extent was drawn from, so that it is unknown"
        )
    if row.get("has_em"):
        notes["em"] = (
            "center and extent are not recorded (1.05 to 1.5 times the window); "
            + _ORIENTATION[release]
        )
    if metadata.get("strategy") and "adj" in str(metadata["strategy"]):
        notes["label"] = "later edits were not looked at: the two may be one neuron after all"
    return notes


_ORIENTATION = {
    Format.CB2_V1: "published transposed (xy, xz) and mirrored (yz), turned back on reading",
    Format.CB2_V2: "their orientation is not stated, and they are left as they are",
}


def _frame(metadata: Mapping[str, Any]) -> PictureFrame:
    center = metadata.get("render_center_nm")
    return PictureFrame(
        center_nm=None if center is None else point_of(center),
        depth="0 to 1 between the nearest and the farthest point of each mesh",
    )


def _own_frame(record: Mapping[str, Any]) -> PictureFrame:
    center, em_center = record["center_nm"], record["em_center_nm"]
    return PictureFrame(
        center_nm=None if center is None else point_of(center),
        half_extent_nm=record["half_extent_nm"],
        em_center_nm=None if em_center is None else point_of(em_center),
        em_half_extent_nm=record["em_half_extent_nm"],
        em_orientation=str(record.get("em_orientation", OURS)),
        depth=str(record["depth"]),
    )
