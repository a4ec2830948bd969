"""A labelled question as JSON inside others' formats, so that nothing of it is lost there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from inference.datasets.formats.values import id_of, ids_of, point_of, points_of, time_of
from inference.datasets.samples import Origin, Sample
from proofreading.verdicts import Task

__all__ = ["OWN", "sample_as_json", "sample_from_json"]

OWN = "proofdesk"
"""The key in a record's metadata under which Proofdesk keeps its own fields."""


def sample_as_json(sample: Sample) -> dict[str, Any]:
    """Return every field, ids as strings."""
    return {
        "id": sample.id,
        "task": sample.task.value,
        "dataset": sample.dataset,
        "origin": sample.origin.value,
        "strategy": sample.strategy,
        "label": sample.label,
        "synthetic": sample.synthetic,
        "point_nm": list(sample.point_nm),
        "segments": [str(one) for one in sample.segments],
        "supervoxels": [str(one) for one in sample.supervoxels],
        "bodies": [str(one) for one in sample.bodies],
        "sources_nm": [list(point) for point in sample.sources_nm],
        "sinks_nm": [list(point) for point in sample.sinks_nm],
        "operation_id": None if sample.operation_id is None else str(sample.operation_id),
        "seen_at": None if sample.seen_at is None else sample.seen_at.isoformat(),
        "notes": dict(sample.notes),
    }


def sample_from_json(record: Mapping[str, Any]) -> Sample:
    """Read what `sample_as_json` wrote.

    Raises
    ------
    KeyError, TypeError, ValueError
        If it is something else.
    """
    operation = record["operation_id"]
    return Sample(
        id=str(record["id"]),
        task=Task(record["task"]),
        dataset=str(record["dataset"]),
        origin=Origin(record["origin"]),
        strategy=str(record["strategy"]),
        label=bool(record["label"]),
        synthetic=bool(record["synthetic"]),
        point_nm=point_of(record["point_nm"]),
        segments=ids_of(record["segments"]),
        supervoxels=ids_of(record["supervoxels"]),
        bodies=ids_of(record["bodies"]),
        sources_nm=points_of(record["sources_nm"]),
        sinks_nm=points_of(record["sinks_nm"]),
        operation_id=None if operation is None else id_of(operation),
        seen_at=time_of(record["seen_at"]),
        notes={str(key): str(value) for key, value in record["notes"].items()},
    )
