"""The use-case: a session's edits to the real offline service, with rows and a report."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app.services.export_report import ExportReport
from app.services.exporting import export_session
from connectome.datastack import Datastack
from connectome.graph import GraphPoint
from connectome.offline.datastack import OfflineDatastack
from proofreading.edits import Edit, EditState, MergeEdit, Reason, SplitEdit
from proofreading.export.rows import RowTables
from proofreading.export.warnings import SOMATA, ObjectFacts
from proofreading.ledger.events import DecisionMade, EditQueued
from proofreading.session import Session
from proofreading.verdicts import Task
from tests.contract.volumes import CUT, NAME, ingest_tubes, tube_point
from tests.unit.ledger.build import a_decision


@pytest.fixture
def datastack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[OfflineDatastack]:
    # Keep the clients away from a person's token files.
    monkeypatch.setenv("HOME", str(tmp_path))
    opened = OfflineDatastack(ingest_tubes(tmp_path / "tubes"))
    yield opened
    opened.close()


@pytest.fixture
def folder(tmp_path: Path, datastack: OfflineDatastack) -> Path:
    """Make a session with a merge, the same from the other tip, and a cut."""
    folder = tmp_path / "monday.proofdesk"
    edits = [
        merge(datastack, 1, 0, CUT - 2, CUT + 2),
        merge(datastack, 2, 0, CUT + 2, CUT - 2),
        cut(datastack, 3, 1, 12, 60),
    ]
    with Session.open(
        folder, datastack_name=NAME, datastack_address=str(datastack.address)
    ) as session:
        for number, edit in enumerate(edits, start=1):
            task = Task.SPLIT_ERROR_CORRECTION
            if isinstance(edit, SplitEdit):
                task = Task.MERGE_ERROR_IDENTIFICATION
            decision = replace(a_decision(number, site=number), task=task)
            session.ledger.append_all([DecisionMade(decision), EditQueued(edit)])
    return folder


def places(datastack: OfflineDatastack, tube: int, *xs: int) -> list[tuple[GraphPoint, int]]:
    points = [
        GraphPoint(datastack.supervoxel_at(tube_point(tube, x)), tube_point(tube, x)) for x in xs
    ]
    roots = datastack.graph.roots(np.array([p.supervoxel for p in points], np.uint64))
    return list(zip(points, roots.tolist(), strict=True))


def merge(datastack: OfflineDatastack, number: int, tube: int, a: int, b: int) -> Edit:
    (one, root), (other, there) = places(datastack, tube, a, b)
    names = (f"edit-{number}", f"decision-{number}", f"{number:016x}")
    return MergeEdit(*names, one, other, (root, there))


def cut(datastack: OfflineDatastack, number: int, tube: int, a: int, b: int) -> Edit:
    (one, root), (other, _) = places(datastack, tube, a, b)
    names = (f"edit-{number}", f"decision-{number}", f"{number:016x}")
    return SplitEdit(*names, (one,), (other,), root)


class TwoBodies:
    """Every object has a cell body."""

    def somata(self, root: int) -> int | None:
        return 1

    def faces(self, root: int) -> frozenset[str] | None:
        return None


def two_bodies(_: Datastack) -> ObjectFacts:
    return TwoBodies()


def quiet(label: str, fraction: float | None) -> None:
    """Report to nobody."""


def export(folder: Path, *, dry_run: bool = False, rows: bool | None = None) -> ExportReport:
    return export_session(folder, dry_run=dry_run, tables=None, rows=rows, report=quiet)


def test_a_session_goes_out_once_with_its_rows(folder: Path, datastack: OfflineDatastack) -> None:
    planned = export(folder, dry_run=True)
    assert (planned.edits, planned.waiting, planned.needless) == (3, 2, 1)
    done = export(folder)
    assert (done.applied, done.needless, done.conflicts, done.stopped) == (2, 1, 0, "")
    assert (done.rows, done.rows_waiting) == (3, 0)
    assert any(": joined: Already one object" in line for line in done.lines)
    again = export(folder)
    assert (again.edits, again.rows, again.rows_waiting) == (0, 0, 0)
    with Session.open(folder, read_only=True) as session:
        records = {r.edit.id: r for r in session.ledger.state.edits()}
        assert records["edit-2"].reason is Reason.JOINED
        key = f"edit-1|op={records['edit-1'].operation_id}"
        row = session.ledger.state.row(key)
        assert row is not None
        assert datastack.annotations.find(RowTables().merges, "tag2", key) == [row.row_id]
        side = f"split:accept|edit-3|op={records['edit-3'].operation_id}|sink"
        assert len(datastack.annotations.find(RowTables().roots, "tag", side)) == 1


def test_no_rows_unless_they_are_wanted(folder: Path) -> None:
    done = export(folder, rows=False)
    assert (done.applied, done.rows, done.rows_waiting) == (2, 0, 0)
    later = export(folder, rows=True)
    assert (later.applied, later.rows) == (0, 3)


def test_warnings_hold_until_they_are_overridden(folder: Path) -> None:
    def run(*, override_warnings: bool = False) -> ExportReport:
        return export_session(
            folder,
            dry_run=False,
            tables=None,
            report=quiet,
            facts_of=two_bodies,
            override_warnings=override_warnings,
        )

    held = run()
    assert (held.applied, held.held, held.conflicts) == (1, 2, 2)
    planned = export(folder, dry_run=True)
    assert (planned.held, len(planned.lines)) == (2, 2)
    with Session.open(folder) as session:
        event_ids = [record.edit.id for record in session.ledger.state.held_edits()]
        assert event_ids == ["edit-1", "edit-2"]
    done = run(override_warnings=True)
    assert (done.applied, done.needless, done.held) == (1, 1, 0)


def test_overridden_warnings_are_in_the_ledger(folder: Path) -> None:
    export_session(
        folder,
        dry_run=False,
        tables=None,
        report=quiet,
        facts_of=two_bodies,
        override_warnings=True,
    )
    with Session.open(folder, read_only=True) as session:
        record = session.ledger.state.edit("edit-1")
        assert record is not None
        assert (record.state, record.overridden) == (EditState.COMMITTED, (SOMATA,))


def test_a_server_that_cannot_be_found_leaves_everything_waiting(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from app.services import exporting
    from connectome.errors import OfflineError

    def unreachable(address: str) -> Datastack:
        raise OfflineError("The server does not answer.", "Check the network.")

    with monkeypatch.context() as patch:
        patch.setattr(exporting, "open_datastack", unreachable)
        report = export(folder)
    assert (report.offline, report.waiting, report.edits) == (True, 3, 0)
    assert report.stopped == "The server does not answer. Check the network."
    assert export(folder).applied == 2
