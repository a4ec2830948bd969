"""Cuts through the protocol: previewed, sent once, found again by reading."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from connectome.errors import EditRejectedError, EditUnknownError
from connectome.graph import SplitPreview, SplitRequest
from proofreading.edits import EditState, Reason
from proofreading.export.checks import Readiness
from proofreading.ledger.store import Ledger
from tests.fakes import Crash, Fault
from tests.unit.export.scene import Scene, cut_request


def test_a_cut_is_previewed_journalled_sent_once_and_committed(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.chain(1, 2, 3, 4)
    edit = scene.queue_cut(1, [1], [4])
    seen = []

    def watched(real: Callable[[SplitRequest], object]) -> Callable[[SplitRequest], object]:
        def call(request: SplitRequest) -> object:
            with Ledger.open(scene.ledger.path, read_only=True) as other:
                seen.append(other.state.edits()[0].state)
            return real(request)

        return call

    monkeypatch.setattr(scene.graph, "preview_split", watched(scene.graph.preview_split))
    monkeypatch.setattr(scene.graph, "split", watched(scene.graph.split))
    summary = scene.exporter.run()
    record = scene.record()
    assert seen == [EditState.QUEUED, EditState.SUBMITTED]
    assert record.state is EditState.COMMITTED
    assert set(record.new_roots) == {scene.graph.root_of(1), scene.graph.root_of(4)}
    assert scene.graph.root_of(1) != scene.graph.root_of(4)
    assert scene.graph.sent == [cut_request(edit)]
    assert (summary.count(EditState.COMMITTED), summary.stopped) == (1, "")
    assert scene.exporter.run().records == ()
    events = [entry.event for entry in scene.ledger.events()]
    states = [event.state for event in events if hasattr(event, "state")]
    assert states == [EditState.PREVIEWED, EditState.SUBMITTED, EditState.COMMITTED]


@pytest.mark.parametrize("tells_points", [True, False])
@pytest.mark.parametrize("fault", [Fault.DROP_AFTER, Fault.ERROR_AFTER, Fault.REPEATED, Fault.LATE])
def test_applied_without_a_good_answer_is_found_by_reading(
    scene: Scene, fault: Fault, tells_points: bool
) -> None:
    scene.graph.tells_points = tells_points
    scene.chain(1, 2, 3, 4)
    edit = scene.queue_cut(1, [1, 2], [4])
    scene.graph.faults = [fault]
    scene.exporter.run()
    (operation,) = scene.graph.applied_cuts(cut_request(edit))
    record = scene.record()
    assert (record.state, record.operation_id) == (EditState.COMMITTED, operation.operation_id)
    assert record.new_roots == operation.new_roots
    assert scene.cuts_sent() == 1


def test_a_cut_that_never_arrived_waits_again(scene: Scene) -> None:
    scene.chain(1, 2)
    scene.queue_cut(1, [1], [2])
    scene.graph.faults = [Fault.DROP_BEFORE]
    assert scene.exporter.run().waiting == 1
    assert scene.record().state is EditState.QUEUED
    scene.exporter.run()
    assert scene.record().state is EditState.COMMITTED
    assert scene.cuts_sent() == 2


@pytest.mark.parametrize("fault", [Fault.CRASH_BEFORE, Fault.CRASH_AFTER])
def test_a_crash_is_recovered_by_reading(scene: Scene, fault: Fault) -> None:
    scene.chain(1, 2, 3)
    edit = scene.queue_cut(1, [1], [3])
    scene.graph.faults = [fault]
    with pytest.raises(Crash):
        scene.exporter.run()
    assert scene.record().state is EditState.SUBMITTED
    scene.exporter.run()
    assert scene.record().state is EditState.COMMITTED
    assert len(scene.graph.applied_cuts(cut_request(edit))) == 1


def test_a_crash_between_preview_and_sending_starts_over(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.chain(1, 2)
    scene.queue_cut(1, [1], [2])
    scene.queue(2, 5, 6)
    real = scene.ledger.append

    def dying(event: object, **options: object) -> int | None:
        if getattr(event, "state", None) is EditState.SUBMITTED:
            raise Crash
        return real(event, **options)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(scene.ledger, "append", dying)
        with pytest.raises(Crash):
            scene.exporter.run()
    assert scene.record().state is EditState.PREVIEWED
    summary = scene.exporter.run()
    assert [record.edit.id for record in summary.records] == ["edit-1", "edit-2"]
    assert scene.record().state is EditState.COMMITTED
    assert scene.cuts_sent() == 1


@pytest.mark.parametrize("fault", [Fault.NONE, Fault.DROP_AFTER])
def test_a_cut_that_leaves_one_object_is_partial(scene: Scene, fault: Fault) -> None:
    around(scene)
    edit = scene.queue_cut(1, [1], [2])
    scene.graph.faults = [fault]
    scene.exporter.run()
    record = scene.record()
    assert record.state is EditState.PARTIAL
    assert record.new_roots == (scene.graph.root_of(1),) == (scene.graph.root_of(2),)
    (operation,) = scene.graph.applied_cuts(cut_request(edit))
    assert record.operation_id == operation.operation_id
    assert scene.exporter.run().records == ()
    assert scene.cuts_sent() == 1
    assert scene.exporter.undo("edit-1").state is EditState.UNDONE
    assert scene.graph.sent[-1] == operation.operation_id


def around(scene: Scene) -> None:
    """Make an object of 1, 2 and 3 whose connection through 3 no cut reaches."""
    scene.graph.join(1, 3, user="other", far=True)
    scene.graph.join(3, 2, user="other", far=True)
    scene.graph.bond(1, 2)


def test_a_preview_that_does_not_separate_is_never_sent(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.chain(1, 2)
    scene.queue_cut(1, [1], [2])
    monkeypatch.setattr(scene.graph, "preview_split", lambda request: SplitPreview((), True))
    (planned,) = scene.exporter.plan()
    assert (planned.ok, planned.check.readiness) == (False, Readiness.UNCUTTABLE)
    scene.exporter.run()
    record = scene.record()
    assert (record.state, record.reason) == (EditState.FAILED, Reason.UNCUTTABLE)
    assert "would not separate" in record.message
    assert scene.graph.sent == []


def test_a_refused_preview_says_why(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.chain(1, 2)
    scene.queue_cut(1, [1], [2])

    def refuse(request: SplitRequest) -> SplitPreview:
        raise EditRejectedError("No local edges.")

    monkeypatch.setattr(scene.graph, "preview_split", refuse)
    scene.exporter.run()
    assert scene.record().state is EditState.FAILED
    assert "No local edges." in scene.record().message


def test_a_preview_without_answer_leaves_the_cut_waiting(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.chain(1, 2)
    scene.queue_cut(1, [1], [2])

    def lose(request: SplitRequest) -> SplitPreview:
        raise EditUnknownError("500")

    with monkeypatch.context() as patch:
        patch.setattr(scene.graph, "preview_split", lose)
        summary = scene.exporter.run()
    assert summary.stopped.startswith("The preview of a cut has no answer.")
    assert (summary.waiting, scene.graph.sent) == (1, [])
    scene.exporter.run()
    assert scene.record().state is EditState.COMMITTED


def test_an_object_that_grew_is_cut_all_the_same(scene: Scene) -> None:
    scene.chain(1, 2)
    scene.queue_cut(1, [1], [2])
    scene.graph.join(2, 3, user="other")
    (planned,) = scene.exporter.plan()
    assert planned.check.readiness is Readiness.REBASED
    assert planned.conflict is not None
    assert (planned.conflict.others, planned.conflict.users) == (1, ("other",))
    summary = scene.exporter.run()
    assert (scene.record().state, scene.record().rebased) == (EditState.COMMITTED, True)
    assert [str(conflict) for conflict in summary.conflicts] == [
        "The objects were edited since, and still are what was seen. "
        "(1 operation by other since it was seen)"
    ]


def test_points_that_are_apart_already_need_no_cut(scene: Scene) -> None:
    scene.chain(1, 2, 3)
    edit = scene.queue_cut(1, [1], [3])
    scene.graph.cut(cut_request(edit), user="other")
    scene.exporter.run()
    record = scene.record()
    assert (record.state, record.reason, record.needless) == (
        EditState.CONFLICT,
        Reason.APART,
        True,
    )
    assert scene.graph.sent == []


def test_points_in_several_objects_are_held(scene: Scene) -> None:
    scene.chain(1, 2, 3)
    edit = scene.queue_cut(1, [1, 2], [3])
    scene.graph.cut(SplitRequest(edit.sources[:1], edit.sources[1:]), user="other")
    scene.exporter.run()
    assert (scene.record().reason, scene.record().held) == (Reason.CHANGED, True)
    assert "2 objects" in scene.record().message
    (conflict,) = scene.exporter.conflicts()
    assert (conflict.held, conflict.others) == (True, 1)


def test_somebody_elses_cut_is_not_taken_for_ours(scene: Scene) -> None:
    scene.chain(1, 2, 3)
    scene.queue_cut(1, [1], [3])
    scene.graph.faults = [Fault.CRASH_BEFORE]
    with pytest.raises(Crash):
        scene.exporter.run()
    theirs = scene.queue_cut(2, [1], [2])
    scene.graph.cut(cut_request(theirs), user="other")
    (record,) = scene.exporter.recover()
    assert (record.state, record.reason) == (EditState.CONFLICT, Reason.APART)
    assert record.operation_id is None


def test_a_server_that_names_no_operations_holds_what_it_cannot_tell(scene: Scene) -> None:
    scene.graph.tells_operations = False
    scene.chain(1, 2)
    scene.queue_cut(1, [1], [2])
    scene.graph.faults = [Fault.CRASH_BEFORE]
    with pytest.raises(Crash):
        scene.exporter.run()
    scene.graph.join(2, 3, user="other")
    scene.exporter.run()
    assert (scene.record().state, scene.record().reason) == (EditState.CONFLICT, Reason.CHANGED)
    assert scene.cuts_sent() == 1
    assert scene.exporter.release("edit-1", "ann").state is EditState.QUEUED
    scene.exporter.run()
    assert scene.record().state is EditState.COMMITTED


def test_undo_and_redo(scene: Scene) -> None:
    scene.chain(1, 2, 3)
    scene.queue_cut(1, [1], [3])
    scene.exporter.run()
    first = scene.record().operation_id
    assert scene.exporter.undo("edit-1").state is EditState.UNDONE
    assert scene.graph.root_of(1) == scene.graph.root_of(3)
    assert scene.exporter.requeue(["edit-1"])
    scene.exporter.run()
    assert scene.record().state is EditState.COMMITTED
    assert scene.record().operation_id not in (None, first)
    assert scene.graph.root_of(1) != scene.graph.root_of(3)


@pytest.mark.parametrize("fault", [Fault.DROP_AFTER, Fault.CRASH_AFTER])
def test_the_undo_of_a_cut_is_found_by_reading(scene: Scene, fault: Fault) -> None:
    scene.chain(1, 2, 3)
    scene.queue_cut(1, [1], [3])
    scene.exporter.run()
    scene.graph.faults = [fault]
    if fault is Fault.CRASH_AFTER:
        with pytest.raises(Crash):
            scene.exporter.undo("edit-1")
        scene.exporter.recover()
    else:
        scene.exporter.undo("edit-1")
    assert scene.record().state is EditState.UNDONE
    assert len(scene.graph.sent) == 2
