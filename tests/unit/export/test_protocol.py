"""One edit at a time: each way in which it can go, and what the ledger says afterwards."""

from __future__ import annotations

import pytest

from connectome.errors import InputError, OfflineError
from connectome.graph import MergeRequest
from proofreading.edits import EditRecord, EditState, MergeEdit
from proofreading.export.checks import Readiness
from proofreading.export.protocol import Exporter
from proofreading.ledger.events import DecisionMade, DecisionWithdrawn, EditQueued
from proofreading.ledger.store import Ledger
from tests.fakes import Crash, Fault
from tests.unit.export.scene import Scene, cut_request
from tests.unit.ledger.build import a_decision, a_merge


def test_a_merge_is_journalled_sent_once_and_committed(scene: Scene) -> None:
    edit = scene.queue(1, 1, 2)
    seen: list[tuple[int, int, EditState]] = []
    summary = scene.exporter.run(lambda i, n, record: seen.append((i, n, record.state)))
    record = scene.record()
    assert record.state is EditState.COMMITTED
    assert record.operation_id == 1
    assert record.new_roots == (scene.graph.root_of(1),) == (scene.graph.root_of(2),)
    assert scene.graph.sent == [MergeRequest(edit.a, edit.b)]
    assert seen == [(1, 1, EditState.COMMITTED)]
    assert (summary.count(EditState.COMMITTED), summary.waiting, summary.stopped) == (1, 0, "")
    assert scene.exporter.run().records == ()
    assert scene.merges_sent() == 1


def test_the_intent_is_in_the_ledger_before_the_request_leaves(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.queue(1, 1, 2)
    states = []
    real = scene.graph.merge

    def merge(request: MergeRequest) -> object:
        with Ledger.open(scene.ledger.path, read_only=True) as other:
            states.append(other.state.edits()[0].state)
        return real(request)

    monkeypatch.setattr(scene.graph, "merge", merge)
    scene.exporter.run()
    assert states == [EditState.SUBMITTED]


def test_a_chain_of_merges_is_rebased_onto_its_own_edits(scene: Scene) -> None:
    for number, (a, b) in enumerate([(1, 2), (2, 3), (3, 4), (1, 4)], start=1):
        scene.queue(number, a, b)
    plan = scene.exporter.plan()
    assert [p.check.readiness for p in plan] == [Readiness.READY] * 3 + [Readiness.JOINED]
    scene.exporter.run()
    states = [scene.record(number).state for number in range(1, 5)]
    assert states == [EditState.COMMITTED] * 3 + [EditState.CONFLICT]
    assert "Already one object" in scene.record(4).message


def test_the_dry_run_writes_and_sends_nothing(scene: Scene) -> None:
    scene.queue(1, 1, 2)
    scene.queue(2, 3, 4)
    before = scene.ledger.state.last_number
    assert [planned.ok for planned in scene.exporter.plan()] == [True, True]
    assert scene.ledger.state.last_number == before
    assert scene.graph.sent == []
    assert scene.record().state is EditState.QUEUED


def test_a_change_by_somebody_else_that_keeps_the_objects_is_harmless(scene: Scene) -> None:
    scene.queue(1, 1, 2)
    scene.graph.join(1, 5, user="other")
    (planned,) = scene.exporter.plan()
    assert planned.check.readiness is Readiness.REBASED
    scene.exporter.run()
    assert scene.record().state is EditState.COMMITTED
    edit = scene.record().edit
    assert isinstance(edit, MergeEdit)
    assert edit.expected_roots == planned.check.roots


def test_an_object_that_is_not_what_was_seen_is_a_conflict(scene: Scene) -> None:
    edit = a_merge(1, 1, 2, (scene.graph.root_of(9), scene.graph.root_of(2)))
    scene.ledger.append_all([DecisionMade(a_decision(1)), EditQueued(edit)])
    scene.exporter.run()
    assert scene.record().state is EditState.CONFLICT
    assert scene.graph.sent == []


def test_unknown_supervoxels_and_roots_are_conflicts(scene: Scene) -> None:
    unknown = [a_merge(1, 1, 77, (1, 2)), a_merge(2, 1, 2, (123, 456))]
    for number, edit in enumerate(unknown, start=1):
        scene.ledger.append(DecisionMade(a_decision(number, site=number)))
        scene.ledger.append(EditQueued(edit))
    scene.exporter.run()
    assert [scene.record(n).state for n in (1, 2)] == [EditState.CONFLICT] * 2


def test_outdated_roots_postpone_the_edit(scene: Scene) -> None:
    scene.graph.join(1, 5, user="other")
    scene.queue(1, 1, 2)
    scene.graph.stale = 1
    summary = scene.exporter.run()
    assert (scene.merges_sent(), summary.waiting) == (0, 1)
    scene.exporter.run()
    assert scene.record().state is EditState.COMMITTED


@pytest.mark.parametrize("fault", [Fault.DROP_AFTER, Fault.ERROR_AFTER, Fault.REPEATED, Fault.LATE])
def test_applied_without_a_good_answer_is_found_by_reading(scene: Scene, fault: Fault) -> None:
    scene.queue(1, 1, 2)
    scene.graph.faults = [fault]
    scene.exporter.run()
    record = scene.record()
    assert record.state is EditState.COMMITTED
    (operation,) = scene.graph.applied(1, 2)
    assert (record.operation_id, record.new_roots) == (operation.operation_id, operation.new_roots)
    assert scene.merges_sent() == 1


def test_a_request_that_never_arrived_waits_again_after_the_lock_expired(scene: Scene) -> None:
    scene.queue(1, 1, 2)
    scene.graph.faults = [Fault.DROP_BEFORE]
    summary = scene.exporter.run()
    assert sum(scene.clock.waited) == pytest.approx(180)
    assert scene.record().state is EditState.QUEUED
    assert (summary.waiting, scene.merges_sent()) == (1, 1)
    scene.exporter.run()
    assert scene.record().state is EditState.COMMITTED


def test_a_refusal_fails_and_can_be_tried_again(scene: Scene) -> None:
    scene.queue(1, 1, 2)
    scene.graph.faults = [Fault.REJECT]
    scene.exporter.run()
    assert (scene.record().state, scene.record().message) == (
        EditState.FAILED,
        "The server refused.",
    )
    assert scene.exporter.run().records == ()
    assert [r.state for r in scene.exporter.requeue(["edit-1", "nonsense"])] == [EditState.QUEUED]
    scene.exporter.run()
    assert scene.record().state is EditState.COMMITTED
    assert scene.exporter.requeue(["edit-1"]) == []


def test_many_refusals_in_a_row_stop_the_run(scene: Scene) -> None:
    for number in range(1, 9):
        scene.queue(number, number, number + 1)
    scene.graph.faults = [Fault.REJECT] * 8
    summary = scene.exporter.run()
    assert summary.stopped.startswith("The server refused 5 edits in a row")
    assert (summary.count(EditState.FAILED), summary.waiting) == (5, 3)


def test_no_network_before_sending_leaves_all_waiting(scene: Scene) -> None:
    scene.queue(1, 1, 2)
    scene.graph.unreadable = 1
    summary = scene.exporter.run()
    assert summary.stopped == "no network Try again later."
    assert (summary.waiting, scene.merges_sent()) == (1, 0)
    scene.graph.unreadable = 1
    with pytest.raises(OfflineError):
        scene.exporter.plan()


def test_unreadable_for_long_stays_unknown_and_holds_the_rest(scene: Scene) -> None:
    scene.queue(1, 1, 2)
    scene.queue(2, 3, 4)
    scene.graph.faults = [Fault.DROP_AFTER]
    read = scene.graph.roots(scene.graph.leaves(scene.graph.root_of(1)))
    assert len(read) == 1

    def lose_the_network(seconds: float) -> None:
        scene.clock.wait(seconds)
        scene.graph.unreadable = 100

    exporter = Exporter(scene.ledger, scene.graph, clock=scene.clock, wait=lose_the_network)
    merge = scene.graph.merge

    def merge_and_lose(request: MergeRequest) -> object:
        scene.graph.unreadable = 100
        return merge(request)

    scene.graph.merge = merge_and_lose  # type: ignore[assignment, method-assign]
    summary = exporter.run()
    assert scene.record().state is EditState.UNKNOWN
    assert summary.stopped
    assert (summary.waiting, scene.merges_sent()) == (1, 1)
    assert exporter.run().stopped
    assert scene.merges_sent() == 1
    scene.graph.unreadable = 0
    scene.graph.merge = merge  # type: ignore[method-assign]
    scene.exporter.run()
    assert [scene.record(n).state for n in (1, 2)] == [EditState.COMMITTED] * 2
    assert scene.merges_sent() == 2


@pytest.mark.parametrize("fault", [Fault.CRASH_BEFORE, Fault.CRASH_AFTER])
def test_a_crash_is_recovered_by_reading(scene: Scene, fault: Fault) -> None:
    scene.queue(1, 1, 2)
    scene.graph.faults = [fault]
    with pytest.raises(Crash):
        scene.exporter.run()
    assert scene.record().state is EditState.SUBMITTED
    recovered = scene.exporter.recover()
    assert scene.merges_sent() == 1
    wanted = EditState.COMMITTED if fault is Fault.CRASH_AFTER else EditState.QUEUED
    assert [record.state for record in recovered] == [wanted]
    summary = scene.exporter.run()
    assert scene.record().state is EditState.COMMITTED
    assert len(scene.graph.applied(1, 2)) == 1
    assert summary.waiting == 0


def test_somebody_elses_merge_is_not_taken_for_ours(scene: Scene) -> None:
    scene.queue(1, 1, 2)
    scene.graph.faults = [Fault.CRASH_BEFORE]
    with pytest.raises(Crash):
        scene.exporter.run()
    scene.graph.join(1, 3, user="other")
    scene.graph.join(3, 2, user="other")
    scene.exporter.recover()
    assert scene.record().state is EditState.CONFLICT
    assert scene.record().operation_id is None


def test_applied_and_undone_by_somebody_is_not_sent_again(scene: Scene) -> None:
    scene.queue(1, 1, 2)
    scene.graph.faults = [Fault.CRASH_AFTER]
    with pytest.raises(Crash):
        scene.exporter.run()
    scene.graph.take_back(1, user="other")
    scene.exporter.run()
    assert scene.record().state is EditState.COMMITTED
    assert "separated" in scene.record().message
    assert scene.merges_sent() == 1


def test_a_server_that_names_no_operations(scene: Scene) -> None:
    scene.queue(1, 1, 2)
    scene.graph.tells_operations = False
    scene.graph.faults = [Fault.DROP_AFTER]
    scene.exporter.run()
    record = scene.record()
    assert (record.state, record.operation_id) == (EditState.COMMITTED, None)
    with pytest.raises(InputError, match="which operation"):
        scene.exporter.undo("edit-1")


def test_a_withdrawn_decision_is_not_sent(scene: Scene) -> None:
    scene.queue(1, 1, 2)
    scene.queue(2, 3, 4)

    def withdraw(number: int, total: int, record: EditRecord) -> None:
        if number == 1:
            scene.ledger.append(DecisionWithdrawn("decision-2"))

    scene.exporter.run(withdraw)
    assert [scene.record(n).state for n in (1, 2)] == [EditState.COMMITTED, EditState.QUEUED]
    assert scene.merges_sent() == 1


def test_a_decision_withdrawn_while_roots_are_read_is_not_sent(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.queue(1, 1, 2)
    real = scene.graph.is_latest

    def is_latest(roots: object) -> object:
        if scene.ledger.state.stands("decision-1"):
            scene.ledger.append(DecisionWithdrawn("decision-1"))
        return real(roots)  # type: ignore[arg-type]

    monkeypatch.setattr(scene.graph, "is_latest", is_latest)
    assert scene.exporter.run().records == ()
    assert scene.graph.sent == []


def test_cancel_stops_between_edits(scene: Scene) -> None:
    scene.queue(1, 1, 2)
    scene.queue(2, 3, 4)
    summary = scene.exporter.run(cancelled=lambda: scene.merges_sent() == 1)
    assert (summary.stopped, summary.waiting, scene.merges_sent()) == ("Cancelled.", 1, 1)


def committed(scene: Scene) -> None:
    scene.queue(1, 1, 2)
    scene.exporter.run()
    assert scene.record().state is EditState.COMMITTED


def test_undo_by_operation(scene: Scene) -> None:
    committed(scene)
    record = scene.exporter.undo("edit-1")
    assert record.state is EditState.UNDONE
    assert scene.graph.root_of(1) != scene.graph.root_of(2)
    assert set(record.new_roots) == {scene.graph.root_of(1), scene.graph.root_of(2)}
    assert scene.graph.sent[-1] == 1
    with pytest.raises(InputError, match="not applied"):
        scene.exporter.undo("edit-1")


def test_undo_of_what_somebody_has_undone(scene: Scene) -> None:
    committed(scene)
    scene.graph.take_back(1, user="other")
    assert scene.exporter.undo("edit-1").state is EditState.UNDONE


@pytest.mark.parametrize("fault", [Fault.NONE, Fault.REJECT, Fault.DROP_BEFORE])
def test_what_another_edit_separated_is_not_undone(scene: Scene, fault: Fault) -> None:
    committed(scene)
    cut = scene.queue_cut(9, [1], [2])
    scene.graph.cut(cut_request(cut), user="other")
    scene.graph.faults = [fault]
    record = scene.exporter.undo("edit-1")
    assert record.state is EditState.COMMITTED
    assert record.message
    assert scene.ledger.state.unfinished_undos() == []


def test_nothing_to_undo_is_said(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    committed(scene)
    monkeypatch.setattr(scene.graph, "undo", lambda operation: None)
    record = scene.exporter.undo("edit-1")
    assert record.state is EditState.COMMITTED
    assert "nothing to undo" in record.message
    assert scene.ledger.state.unfinished_undos() == []


def test_a_refused_undo_leaves_the_edit(scene: Scene) -> None:
    committed(scene)
    scene.graph.faults = [Fault.REJECT]
    record = scene.exporter.undo("edit-1")
    assert (record.state, record.message) == (
        EditState.COMMITTED,
        "Undo refused: The server refused.",
    )


@pytest.mark.parametrize("fault", [Fault.DROP_AFTER, Fault.DROP_BEFORE])
def test_an_undo_without_answer_is_found_by_reading(scene: Scene, fault: Fault) -> None:
    committed(scene)
    scene.graph.faults = [fault]
    record = scene.exporter.undo("edit-1")
    applied = fault is Fault.DROP_AFTER
    assert record.state is (EditState.UNDONE if applied else EditState.COMMITTED)
    assert (scene.graph.root_of(1) == scene.graph.root_of(2)) is not applied
    assert len(scene.graph.sent) == 2


@pytest.mark.parametrize("fault", [Fault.CRASH_AFTER, Fault.CRASH_BEFORE])
def test_a_crash_during_an_undo_is_recovered(scene: Scene, fault: Fault) -> None:
    committed(scene)
    scene.graph.faults = [fault]
    with pytest.raises(Crash):
        scene.exporter.undo("edit-1")
    assert len(scene.ledger.state.unfinished_undos()) == 1
    (record,) = scene.exporter.recover()
    assert record.state is (EditState.UNDONE if fault is Fault.CRASH_AFTER else EditState.COMMITTED)
    assert len(scene.graph.sent) == 2
    assert scene.ledger.state.unfinished_undos() == []
