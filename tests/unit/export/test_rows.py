"""Verdict rows: one for each applied edit, once, whatever breaks."""

from __future__ import annotations

import pytest

from proofreading.edits import EditState
from proofreading.export.rows import RowTables
from proofreading.ledger.events import DecisionWithdrawn
from tests.fakes import Crash, Fault
from tests.unit.export.scene import Scene

MERGES, ROOTS = RowTables().merges, RowTables().roots


def test_a_merge_gets_one_row(scene: Scene) -> None:
    scene.queue(1, 1, 2)
    summary = scene.with_rows().run()
    assert summary.rows is not None
    assert (summary.rows.written, summary.rows.waiting, summary.rows.stopped) == (1, 0, "")
    assert scene.annotations.schemas == {MERGES: "bound_2tag"}
    assert scene.annotations.rows[MERGES] == [
        {
            "pt": {"position": (1.0, 2.0, 3.0)},
            "pt2": {"position": (4.0, 5.0, 6.0)},
            "tag": "merge:accept",
            "tag2": "edit-1|op=1",
        }
    ]
    again = scene.with_rows().run()
    assert again.rows is not None
    assert (again.rows.written, len(scene.annotations.rows[MERGES])) == (0, 1)
    row = scene.ledger.state.row("edit-1|op=1")
    assert row is not None
    assert (row.settled, row.row_id) == (True, 1)


def test_a_cut_gets_a_row_for_each_side(scene: Scene) -> None:
    scene.chain(1, 2, 3)
    edit = scene.queue_cut(1, [1], [3])
    scene.with_rows().run()
    operation = scene.record().operation_id
    rows = scene.annotations.rows[ROOTS]
    assert scene.annotations.schemas == {ROOTS: "bound_tag_valid"}
    assert [(row["tag"], row["valid_id"]) for row in rows] == [
        (f"split:accept|edit-1|op={operation}|source", scene.graph.root_of(1)),
        (f"split:accept|edit-1|op={operation}|sink", scene.graph.root_of(3)),
    ]
    assert rows[1]["pt"] == {"position": edit.sinks[0].position_nm}


def test_edits_that_were_not_applied_get_no_row(scene: Scene) -> None:
    scene.queue(1, 1, 2)
    scene.queue(2, 2, 1)
    scene.queue(3, 3, 4)
    scene.graph.faults = [Fault.NONE, Fault.REJECT]
    scene.with_rows().run()
    assert len(scene.annotations.rows[MERGES]) == 1


def test_an_undone_edit_is_told_as_such_once(scene: Scene) -> None:
    scene.queue(1, 1, 2)
    scene.queue(2, 3, 4)
    exporter = scene.with_rows()
    exporter.run()
    exporter.undo("edit-1")
    exporter.run()
    exporter.run()
    tags = [(row["tag"], row["tag2"]) for row in scene.annotations.rows[MERGES]]
    assert tags[2:] == [("merge:undone", "edit-1|op=1|undone")]
    exporter.requeue(["edit-1"])
    exporter.run()
    assert scene.annotations.rows[MERGES][3]["tag2"] == "edit-1|op=4"


def test_an_undo_before_the_row_needs_none(scene: Scene) -> None:
    scene.queue(1, 1, 2)
    scene.exporter.run()
    scene.exporter.undo("edit-1")
    scene.with_rows().run()
    assert scene.annotations.rows == {}


def test_a_withdrawn_decision_gets_no_row(scene: Scene) -> None:
    scene.queue(1, 1, 2)
    scene.exporter.run()
    scene.ledger.append(DecisionWithdrawn("decision-1"))
    scene.with_rows().run()
    assert scene.annotations.rows == {}


@pytest.mark.parametrize("fault", [Fault.DROP_AFTER, Fault.ERROR_AFTER, Fault.LATE])
def test_a_row_without_answer_is_found_in_the_table(scene: Scene, fault: Fault) -> None:
    scene.queue(1, 1, 2)
    scene.annotations.faults = [fault]
    summary = scene.with_rows().run()
    assert summary.rows is not None
    assert (summary.rows.written, summary.rows.waiting) == (1, 0)
    scene.with_rows().run()
    assert len(scene.annotations.rows[MERGES]) == 1


def test_a_row_that_never_arrived_is_sent_again(scene: Scene) -> None:
    scene.queue(1, 1, 2)
    scene.annotations.faults = [Fault.DROP_BEFORE]
    summary = scene.with_rows().run()
    assert summary.rows is not None
    assert (summary.rows.written, summary.rows.waiting) == (0, 1)
    scene.with_rows().run()
    assert len(scene.annotations.rows[MERGES]) == 1


@pytest.mark.parametrize("fault", [Fault.CRASH_BEFORE, Fault.CRASH_AFTER])
def test_a_crash_never_writes_twice(scene: Scene, fault: Fault) -> None:
    scene.queue(1, 1, 2)
    scene.annotations.faults = [fault]
    with pytest.raises(Crash):
        scene.with_rows().run()
    assert len(scene.ledger.state.open_rows()) == 1
    scene.with_rows().run()
    assert len(scene.annotations.rows[MERGES]) == 1
    assert scene.ledger.state.open_rows() == []


def test_a_refused_row_stops_the_rows_and_waits(scene: Scene) -> None:
    scene.queue(1, 1, 2)
    scene.queue(2, 3, 4)
    scene.annotations.faults = [Fault.REJECT]
    summary = scene.with_rows().run()
    assert summary.count(EditState.COMMITTED) == 2
    assert summary.rows is not None
    assert (summary.rows.stopped, summary.rows.waiting) == ("The server refused.", 2)
    waited = len(scene.clock.waited)
    scene.with_rows().run()
    assert len(scene.annotations.rows[MERGES]) == 2
    assert len(scene.clock.waited) == waited


def test_tables_that_cannot_be_read_hold_a_row_open(scene: Scene) -> None:
    scene.queue(1, 1, 2)
    scene.annotations.faults = [Fault.CRASH_AFTER]
    with pytest.raises(Crash):
        scene.with_rows().run()
    scene.annotations.unreadable = 1000
    summary = scene.with_rows().run()
    assert summary.rows is not None
    assert (summary.rows.waiting, bool(summary.rows.stopped)) == (1, True)
    scene.annotations.unreadable = 0
    scene.with_rows().run()
    assert len(scene.annotations.rows[MERGES]) == 1


def test_a_table_of_another_kind_is_said(scene: Scene) -> None:
    scene.queue(1, 1, 2)
    scene.annotations.ensure(MERGES, "cell_type_local", "")
    summary = scene.with_rows().run()
    assert summary.rows is not None
    assert "another schema" in summary.rows.stopped
    assert scene.record().state is EditState.COMMITTED
