"""The protocol through the real caveclient against the real offline service."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from connectome.cave import CaveGraph
from connectome.errors import EditUnknownError
from connectome.graph import EditReceipt, GraphPoint, MergeRequest
from connectome.offline.datastack import OfflineDatastack
from proofreading.edits import EditState, MergeEdit
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


def exporter(ledger: Ledger, graph: CaveGraph) -> Exporter:
    clock = FakeClock()
    return Exporter(ledger, graph, clock=clock, wait=clock.wait)


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
