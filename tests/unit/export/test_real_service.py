"""The protocol through the real caveclient against the real offline service."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from connectome.cave import CaveGraph
from connectome.errors import EditUnknownError
from connectome.graph import EditReceipt, GraphPoint, MergeRequest, SplitRequest
from connectome.offline.datastack import OfflineDatastack
from proofreading.edits import EditState, MergeEdit, Reason, SplitEdit
from proofreading.export.history import present_sides
from proofreading.export.protocol import Exporter
from proofreading.ledger.events import DecisionMade, EditQueued
from proofreading.ledger.store import Ledger
from tests.contract.volumes import CUT, ingest_tubes, tube_point
from tests.fakes import Crash, FakeClock
from tests.unit.ledger.build import a_decision


@pytest.fixture(scope="module")
def datastack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OfflineDatastack]:
    folder = tmp_path_factory.mktemp("ingested")
    with pytest.MonkeyPatch.context() as patch:
        # Keep the clients away from a person's token files.
        patch.setenv("HOME", str(folder))
        opened = OfflineDatastack(ingest_tubes(folder / "tubes"))
        yield opened
        opened.close()


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "ledger.sqlite", clock=FakeClock()) as opened:
        yield opened


def exporter(ledger: Ledger, graph: CaveGraph, me: str | None = None) -> Exporter:
    clock = FakeClock()
    return Exporter(ledger, graph, me=me, clock=clock, wait=clock.wait)


def queue(ledger: Ledger, datastack: OfflineDatastack, tube: int) -> MergeEdit:
    """Queue the merge of the two halves of a tube."""
    a, b = (
        GraphPoint(datastack.supervoxel_at(point), point)
        for point in (tube_point(tube, CUT - 2), tube_point(tube, CUT + 2))
    )
    first, second = datastack.graph.roots(np.array([a.supervoxel, b.supervoxel], np.uint64))
    roots = (int(first), int(second))
    edit = MergeEdit(f"edit-{tube}", f"decision-{tube}", f"{tube:016x}", a, b, roots)
    ledger.append_all([DecisionMade(a_decision(tube, site=tube)), EditQueued(edit)])
    return edit


def break_after_merge(
    monkeypatch: pytest.MonkeyPatch, graph: CaveGraph, error: BaseException
) -> list[EditReceipt]:
    """Lose the answer to the next merge, and return the list of the answers to all."""
    receipts: list[EditReceipt] = []
    real = graph.merge

    def merge(request: MergeRequest) -> EditReceipt:
        receipts.append(real(request))
        if len(receipts) == 1:
            raise error
        return receipts[-1]

    monkeypatch.setattr(graph, "merge", merge)
    return receipts


def told(graph: CaveGraph, receipt: EditReceipt) -> int | None:
    """Return the operation, if this server's lineage names operations at all."""
    operations = graph.lineage(receipt.new_roots).operation_ids
    return receipt.operation_id if operations else None


def test_merges_reach_the_service_and_come_back(
    datastack: OfflineDatastack, ledger: Ledger
) -> None:
    edits = [queue(ledger, datastack, tube) for tube in (0, 1)]
    export = exporter(ledger, datastack.graph)
    assert [planned.ok for planned in export.plan()] == [True, True]
    summary = export.run()
    assert summary.count(EditState.COMMITTED) == 2
    for record, edit in zip(summary.records, edits, strict=True):
        assert present_sides(datastack.graph, edit).roots == set(record.new_roots)
    assert export.undo(edits[0].id).state is EditState.UNDONE
    assert present_sides(datastack.graph, edits[0]).apart
    assert export.run().records == ()


def test_a_lost_answer_is_found_in_the_log(
    datastack: OfflineDatastack, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit = queue(ledger, datastack, 2)
    lost = EditUnknownError("the connection dropped")
    receipts = break_after_merge(monkeypatch, datastack.graph, lost)
    (record,) = exporter(ledger, datastack.graph).run().records
    assert (record.state, len(receipts)) == (EditState.COMMITTED, 1)
    assert present_sides(datastack.graph, edit).roots == set(receipts[0].new_roots)
    assert record.new_roots == receipts[0].new_roots
    assert record.operation_id == told(datastack.graph, receipts[0])


def test_a_crash_after_sending_is_found_in_the_log(
    datastack: OfflineDatastack, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue(ledger, datastack, 3)
    receipts = break_after_merge(monkeypatch, datastack.graph, Crash())
    with pytest.raises(Crash):
        exporter(ledger, datastack.graph).run()
    (record,) = exporter(ledger, datastack.graph).run().records
    assert (record.state, len(receipts)) == (EditState.COMMITTED, 1)
    assert record.new_roots == receipts[0].new_roots
    assert record.operation_id == told(datastack.graph, receipts[0])


def queue_cut(ledger: Ledger, datastack: OfflineDatastack, tube: int, a: int, b: int) -> SplitEdit:
    """Queue the cut between two places of a tube."""
    source, sink = (
        GraphPoint(datastack.supervoxel_at(point), point)
        for point in (tube_point(tube, a), tube_point(tube, b))
    )
    (root,) = datastack.graph.roots(np.array([source.supervoxel], np.uint64)).tolist()
    name = f"{tube:016x}"
    edit = SplitEdit(f"edit-{tube}", f"decision-{tube}", name, (source,), (sink,), root)
    ledger.append_all([DecisionMade(a_decision(tube, site=tube)), EditQueued(edit)])
    return edit


def test_cuts_reach_the_service_and_come_back(datastack: OfflineDatastack, ledger: Ledger) -> None:
    edit = queue_cut(ledger, datastack, 5, 12, 60)
    export = exporter(ledger, datastack.graph)
    assert [planned.ok for planned in export.plan()] == [True]
    (record,) = export.run().records
    assert record.state is EditState.COMMITTED
    assert present_sides(datastack.graph, edit).roots == set(record.new_roots)
    plan = export.undo_plan(edit.id)
    assert (plan.later, plan.taken_back, plan.obstacle) == ((), False, "")
    assert export.undo(edit.id).state is EditState.UNDONE
    assert present_sides(datastack.graph, edit).joined
    assert export.requeue([edit.id])
    (again,) = export.run().records
    assert (again.state, again.rebased) == (EditState.COMMITTED, True)
    assert again.operation_id != record.operation_id


@pytest.mark.parametrize("error", [EditUnknownError("lost"), Crash()], ids=["lost", "crash"])
def test_a_cut_without_answer_is_found_in_the_log(
    datastack: OfflineDatastack,
    ledger: Ledger,
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
) -> None:
    tube = 6 if isinstance(error, Crash) else 7
    edit = queue_cut(ledger, datastack, tube, 12, 60)
    receipts: list[EditReceipt] = []
    real = datastack.graph.split

    def split(request: SplitRequest) -> EditReceipt:
        receipts.append(real(request))
        raise error

    monkeypatch.setattr(datastack.graph, "split", split)
    me = datastack.may_edit().user
    assert me
    export = exporter(ledger, datastack.graph, me)
    if isinstance(error, Crash):
        with pytest.raises(Crash):
            export.run()
    (record,) = export.run().records
    assert (record.state, len(receipts)) == (EditState.COMMITTED, 1)
    assert record.operation_id == receipts[0].operation_id
    assert present_sides(datastack.graph, edit).roots == set(receipts[0].new_roots)


def test_what_somebody_else_did_is_told(datastack: OfflineDatastack, ledger: Ledger) -> None:
    edit = queue(ledger, datastack, 8)
    theirs = datastack.graph.merge(MergeRequest(edit.a, edit.b))
    (conflict,) = exporter(ledger, datastack.graph).conflicts()
    assert (conflict.others, bool(conflict.users)) == (1, True)
    (record,) = exporter(ledger, datastack.graph).run().records
    assert (record.state, record.reason) == (EditState.CONFLICT, Reason.JOINED)
    assert present_sides(datastack.graph, edit).roots == set(theirs.new_roots)


def test_an_undo_that_later_cuts_stand_in_the_way_of_is_refused(
    datastack: OfflineDatastack, ledger: Ledger
) -> None:
    edit = queue(ledger, datastack, 9)
    export = exporter(ledger, datastack.graph)
    export.run()
    later = queue_cut(ledger, datastack, 10, 12, 60)
    datastack.graph.split(SplitRequest((edit.a,), (edit.b,)))
    export.run()
    plan = export.undo_plan(edit.id)
    assert (plan.taken_back, len(plan.others), plan.own) == (True, 1, ())
    assert "separated" in plan.obstacle
    assert export.undo_plan(later.id).obstacle == ""
    kept = export.undo(edit.id)
    assert (kept.state, kept.message.startswith("Undo refused: ")) == (EditState.COMMITTED, True)
