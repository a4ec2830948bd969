"""What `proofdesk bench render` measures: every promised figure, with its goal."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.render import render_rows
from tests.data import shared_data

PROMISED = {
    "tensor 3 × 7 × 224 × 224, median": "<= 20",
    "three views at 512 px, median": "<= 150",
}
PARTS = ("fetch", "crop", "upload", "draw", "read back")


def test_absent_data_is_said(tmp_path: Path) -> None:
    rows = list(render_rows(tmp_path))
    assert {row.measure: row.goal for row in rows if row.unit == "ms"} == PROMISED
    assert all(row.value is None and row.ok is None and "pinky40" in row.note for row in rows)


@pytest.mark.render
def test_each_figure_has_its_parts_and_its_goal() -> None:
    rows = {
        row.measure: row for row in render_rows(shared_data("pinky40"), pairs=2, memory_pairs=4)
    }
    for measure, goal in PROMISED.items():
        row = rows[measure]
        assert row.value is not None
        assert row.goal == goal
        assert row.ok == (row.value <= float(goal.removeprefix("<= ")))
    memory = rows["memory over 4 pairs"]
    assert memory.value is not None
    assert 0.05 < memory.value < 1.5
    assert memory.ok
    for part in PARTS:
        assert rows[f"views: {part}, median"].value is not None
        assert any(name.startswith(f"tensor: {part}") for name in rows)
    whole = rows["three views at 512 px, median"].value
    drawn = rows["views: draw, median"].value
    assert whole is not None
    assert drawn is not None
    assert 0 < drawn < whole
