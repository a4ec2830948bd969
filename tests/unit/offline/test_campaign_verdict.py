"""The campaign's judge sees what it is there to see."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from benchmarks.faults.verdict import Verdict, compare
from connectome.graph import GraphPoint
from connectome.offline.store import Operation
from proofreading.edits import EditRecord, EditState, MergeEdit, SplitEdit

VOXEL = (16.0, 16.0, 16.0)
A, B = GraphPoint(11, (24.0, 24.0, 24.0)), GraphPoint(12, (40.0, 24.0, 24.0))
MERGE = MergeEdit("e1", "d1", "s1", A, B, (1, 2))
SPLIT = SplitEdit("e2", "d2", "s2", (A,), (B,), 1)


def record(state: EditState, edit: MergeEdit | SplitEdit = MERGE) -> EditRecord:
    return EditRecord(edit, state, datetime(2026, 1, 1, tzinfo=UTC), operation_id=5)


def row(number: int, kind: str = "merge", target: int | None = None, status: int = 0) -> Operation:
    none = np.zeros(0, np.int64)
    request = {
        "source_ids": ["11"],
        "sink_ids": ["12"],
        "source_coords": [[1, 1, 1]],
        "sink_coords": [[2, 1, 1]],
    }
    return Operation(number, kind, target, "1", 1000 + number, status, "", request, none, none)


def wrong(verdict: Verdict) -> set[str]:
    names = ("twice", "lost", "hidden", "open")
    return {name for name in names if getattr(verdict, name)}


@pytest.mark.parametrize("edit", [MERGE, SPLIT])
def test_an_edit_applied_once_and_known_is_right(edit: MergeEdit | SplitEdit) -> None:
    kind = "merge" if edit is MERGE else "split"
    verdict = compare([record(EditState.COMMITTED, edit)], [row(5, kind)], VOXEL)
    assert (wrong(verdict), verdict.edits, verdict.operations) == (set(), 1, 1)
    assert (
        wrong(compare([record(EditState.FAILED, edit)], [row(5, kind, status=1)], VOXEL)) == set()
    )


@pytest.mark.parametrize(
    ("state", "log", "found"),
    [
        (EditState.COMMITTED, [row(5), row(6)], {"twice"}),
        (EditState.COMMITTED, [], {"lost"}),
        (EditState.COMMITTED, [row(5, "split")], {"lost"}),
        (EditState.COMMITTED, [row(5, status=1)], {"lost"}),
        (EditState.FAILED, [row(5)], {"hidden"}),
        (EditState.CONFLICT, [row(5)], {"hidden"}),
        (EditState.UNKNOWN, [row(5)], {"open"}),
        (EditState.QUEUED, [], {"open"}),
        (EditState.UNDONE, [row(5)], {"lost"}),
        (EditState.UNDONE, [row(5), row(6, "undo", 5)], set()),
        (EditState.UNDONE, [row(5), row(6, "undo", 5), row(7, "undo", 5)], {"twice"}),
        (EditState.COMMITTED, [row(5), row(6, "undo", 5)], {"hidden"}),
    ],
)
def test_what_is_wrong_is_named(state: EditState, log: list[Operation], found: set[str]) -> None:
    assert wrong(compare([record(state)], log, VOXEL)) == found


def test_another_place_is_another_edit() -> None:
    elsewhere = replace(MERGE, a=GraphPoint(11, (8.0, 8.0, 8.0)))
    assert wrong(compare([record(EditState.COMMITTED, elsewhere)], [row(5)], VOXEL)) == {"lost"}
