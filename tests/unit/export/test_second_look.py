"""Held edits, warnings, the outbox without a network, and the plan of an undo."""

from __future__ import annotations

import pytest

from connectome.errors import InputError, OfflineError
from proofreading.edits import EditState, Reason
from proofreading.export.checks import Readiness
from proofreading.export.protocol import Exporter
from proofreading.export.warnings import FACES, SOMATA, WarningRules, merge_warnings
from proofreading.ledger.events import DecisionMade, EditQueued, EditReleased
from tests.fakes import Fault
from tests.unit.export.scene import Scene
from tests.unit.ledger.build import a_decision, a_merge


class Facts:
    """Facts by supervoxel: an object has those of all its supervoxels."""

    def __init__(self, scene: Scene) -> None:
        self.graph = scene.graph
        self.bodies: set[int] = set()
        self.at: dict[int, str] = {}

    def members(self, root: int) -> set[int]:
        return {s for s in range(1, 11) if self.graph.root_of(s) == root}

    def somata(self, root: int) -> int | None:
        return len(self.bodies & self.members(root))

    def faces(self, root: int) -> frozenset[str] | None:
        return frozenset(self.at[s] for s in self.members(root) if s in self.at)


@pytest.fixture
def facts(scene: Scene) -> Facts:
    return Facts(scene)


@pytest.fixture
def careful(scene: Scene, facts: Facts) -> Exporter:
    return Exporter(
        scene.ledger, scene.graph, facts=facts, clock=scene.clock, wait=scene.clock.wait
    )


def test_two_cell_bodies_are_held_until_somebody_overrides(
    scene: Scene, facts: Facts, careful: Exporter
) -> None:
    facts.bodies = {1, 2}
    scene.queue(1, 1, 2)
    (planned,) = careful.plan()
    assert planned.check.readiness is Readiness.WARNED
    careful.run()
    record = scene.record()
    assert (record.state, record.reason) == (EditState.CONFLICT, Reason.WARNED)
    assert (record.warnings, record.held) == ((SOMATA,), True)
    assert "2 cell bodies" in record.message
    assert scene.ledger.state.held_edits() == [record]
    assert scene.graph.sent == []
    assert careful.release("edit-1", "ann").overridden == (SOMATA,)
    careful.run()
    assert scene.record().state is EditState.COMMITTED
    (released,) = [e for e in scene.ledger.events() if isinstance(e.event, EditReleased)]
    assert isinstance(released.event, EditReleased)
    assert (released.event.author, released.event.warnings) == ("ann", (SOMATA,))


def test_an_override_is_for_what_was_shown(scene: Scene, facts: Facts, careful: Exporter) -> None:
    facts.bodies = {1, 2}
    scene.queue(1, 1, 2)
    careful.run()
    careful.release("edit-1", "ann")
    facts.at = dict(enumerate(["x-", "x+", "y-", "y+", "z-"], start=1))
    scene.graph.join(1, 3, user="other")
    scene.graph.join(2, 4, user="other")
    scene.graph.join(2, 5, user="other")
    careful.run()
    assert (scene.record().reason, scene.record().warnings) == (Reason.WARNED, (FACES,))


def test_overriding_a_whole_run_is_recorded(scene: Scene, facts: Facts, careful: Exporter) -> None:
    facts.bodies = {1, 2}
    scene.queue(1, 1, 2)
    careful.run(override_by="ann")
    assert (scene.record().state, scene.record().overridden) == (EditState.COMMITTED, (SOMATA,))
    assert any(isinstance(entry.event, EditReleased) for entry in scene.ledger.events())


def test_earlier_merges_of_the_list_count(scene: Scene, facts: Facts, careful: Exporter) -> None:
    facts.bodies = {1, 3}
    scene.queue(1, 1, 2)
    scene.queue(2, 2, 3)
    assert [p.check.readiness for p in careful.plan()] == [Readiness.READY, Readiness.WARNED]


def test_only_what_the_merge_makes_worse_is_warned_of(scene: Scene, facts: Facts) -> None:
    facts.at = dict(enumerate(["x-", "x+", "y-", "y+", "z-"], start=1))
    large = scene.chain(1, 2, 3, 4, 5)
    small, other = scene.graph.root_of(6), scene.graph.root_of(7)
    assert merge_warnings(facts, {large}, {small}, WarningRules()) == ()
    facts.at[6] = "z+"
    (warning,) = merge_warnings(facts, {large}, {small}, WarningRules())
    assert (warning.code, "6 faces" in warning.message) == (FACES, True)
    assert merge_warnings(facts, {large}, {small}, WarningRules(max_faces=6)) == ()
    facts.bodies = {1, 2}
    assert merge_warnings(facts, {large}, {other}, WarningRules()) == ()


def held(scene: Scene) -> None:
    """Queue a merge of 1 and 2 that expects the object of 9."""
    edit = a_merge(1, 1, 2, (scene.graph.root_of(9), scene.graph.root_of(2)))
    scene.ledger.append_all([DecisionMade(a_decision(1)), EditQueued(edit)])
    scene.exporter.run()
    assert (scene.record().reason, scene.record().held) == (Reason.CHANGED, True)


def test_a_second_look_lets_an_edit_go(scene: Scene) -> None:
    held(scene)
    assert scene.exporter.run().records == ()
    released = scene.exporter.release("edit-1", "ann")
    assert (released.state, released.edit.seen_roots) == (
        EditState.QUEUED,
        (scene.graph.root_of(1), scene.graph.root_of(2)),
    )
    scene.exporter.run()
    assert scene.record().state is EditState.COMMITTED
    with pytest.raises(InputError, match="second look"):
        scene.exporter.release("edit-1", "ann")


def test_a_second_look_drops_an_edit(scene: Scene) -> None:
    held(scene)
    dropped = scene.exporter.drop("edit-1", "ann")
    assert (dropped.reason, dropped.held) == (Reason.DROPPED, False)
    assert scene.ledger.state.held_edits() == []
    assert scene.exporter.run().records == ()


def test_the_same_pair_from_both_tips_is_quietly_joined(scene: Scene) -> None:
    scene.queue(1, 1, 2)
    scene.queue(2, 2, 1)
    summary = scene.exporter.run()
    record = scene.record(2)
    assert (record.reason, record.needless, record.held) == (Reason.JOINED, True, False)
    (conflict,) = summary.conflicts
    assert (conflict.readiness, conflict.own, conflict.others) == (Readiness.JOINED, 1, 0)


def test_the_report_says_who_changed_what(scene: Scene) -> None:
    scene.queue(1, 1, 2)
    scene.queue(2, 3, 4)
    scene.queue(3, 5, 6)
    scene.graph.join(1, 7, user="bob")
    scene.graph.join(8, 7, user="eve")
    scene.graph.join(3, 4, user="eve")
    report = {conflict.edit_id: conflict for conflict in scene.exporter.conflicts()}
    assert set(report) == {"edit-1", "edit-2"}
    first = report["edit-1"]
    assert (first.readiness, first.others, first.users) == (Readiness.REBASED, 2, ("bob", "eve"))
    assert first.last == scene.clock()
    assert (report["edit-2"].readiness, report["edit-2"].users) == (Readiness.JOINED, ("eve",))


def test_without_a_network_everything_waits_and_goes_out_later(scene: Scene) -> None:
    scene.queue(1, 1, 2)
    scene.chain(3, 4)
    scene.queue_cut(2, [3], [4])
    scene.graph.unreadable = 1
    summary = scene.with_rows().run()
    assert (summary.offline, summary.waiting, summary.rows) == (True, 2, None)
    assert scene.graph.sent == []
    assert scene.clock.waited == []
    summary = scene.with_rows().run()
    assert (summary.offline, summary.count(EditState.COMMITTED)) == (False, 2)


@pytest.mark.parametrize("me", ["me", None])
def test_the_same_merge_by_another_person_is_not_ours(scene: Scene, me: str | None) -> None:
    scene.queue(1, 1, 2)
    scene.graph.faults = [Fault.DROP_BEFORE]

    def wait(seconds: float) -> None:
        scene.clock.wait(seconds)
        if scene.graph.root_of(1) != scene.graph.root_of(2):
            scene.graph.join(1, 2, user="other")

    Exporter(scene.ledger, scene.graph, me=me, clock=scene.clock, wait=wait).run()
    record = scene.record()
    if me is None:
        # Without a name nothing tells the two apart.
        assert (record.state, record.operation_id) == (EditState.COMMITTED, 1)
    else:
        assert (record.reason, record.operation_id) == (Reason.JOINED, None)


def test_an_undo_plan_names_what_depends_on_the_edit(scene: Scene) -> None:
    scene.queue(1, 1, 2)
    scene.queue(2, 2, 3)
    scene.exporter.run()
    scene.graph.join(1, 4, user="bob")
    scene.graph.join(8, 9, user="eve")
    written = scene.ledger.state.last_number
    plan = scene.exporter.undo_plan("edit-1")
    assert [one.edit_id for one in plan.own] == ["edit-2"]
    assert [(one.user, one.operation_id) for one in plan.others] == [("bob", 3)]
    assert (plan.operation_id, plan.taken_back, plan.obstacle) == (1, False, "")
    assert (scene.ledger.state.last_number, len(scene.graph.sent)) == (written, 2)


def test_an_undo_plan_says_what_is_in_the_way(scene: Scene) -> None:
    scene.queue(1, 1, 2)
    scene.queue(2, 3, 4)
    scene.exporter.run()
    scene.graph.take_back(1, user="bob")
    undone = scene.exporter.undo_plan("edit-1")
    assert (undone.taken_back, undone.obstacle) == (True, "It is undone already.")
    scene.graph.join(3, 5, user="bob")
    cut = scene.queue_cut(3, [3], [4])
    scene.exporter.run()
    separated = scene.exporter.undo_plan("edit-2")
    assert (separated.taken_back, "separated" in separated.obstacle) == (True, True)
    assert [one.edit_id for one in separated.own] == [cut.id]
    assert scene.exporter.undo_plan("edit-3").obstacle == ""
    scene.graph.join(3, 4, user="bob")
    assert "joined" in scene.exporter.undo_plan("edit-3").obstacle
    with pytest.raises(InputError, match="not applied"):
        scene.exporter.undo_plan("edit-9")


def test_an_undo_without_a_network_sends_and_writes_nothing(scene: Scene) -> None:
    scene.queue(1, 1, 2)
    scene.exporter.run()
    written = scene.ledger.state.last_number
    scene.graph.unreadable = 1
    with pytest.raises(OfflineError):
        scene.exporter.undo("edit-1")
    assert scene.ledger.state.last_number == written
    assert scene.exporter.undo("edit-1").state is EditState.UNDONE


def test_a_waiting_edit_is_held_before_its_turn(scene: Scene) -> None:
    edit = a_merge(1, 1, 2, (scene.graph.root_of(9), scene.graph.root_of(2)))
    scene.ledger.append_all([DecisionMade(a_decision(1)), EditQueued(edit)])
    scene.queue(2, 3, 4)
    assert scene.exporter.second_looks() == []
    assert scene.exporter.hold("edit-2").state is EditState.QUEUED
    assert scene.exporter.hold("edit-1").reason is Reason.CHANGED
    (look,) = scene.exporter.second_looks()
    assert (look.record.edit.id, look.check.readiness) == ("edit-1", Readiness.CONFLICT)
    assert scene.graph.sent == []
    assert scene.exporter.release("edit-1", "ann").state is EditState.QUEUED
    assert scene.exporter.hold("edit-1").state is EditState.QUEUED
    with pytest.raises(InputError, match="no edit"):
        scene.exporter.hold("edit-9")


def test_a_warning_shown_by_the_dry_run_is_overridden_before_the_run(
    scene: Scene, facts: Facts, careful: Exporter
) -> None:
    facts.bodies = {1, 3}
    scene.queue(1, 1, 2)
    scene.queue(2, 2, 3)
    (_, planned) = careful.plan()
    codes = [warning.code for warning in planned.check.warnings]
    record = careful.override("edit-2", "ann", codes)
    assert (record.state, record.overridden) == (EditState.QUEUED, (SOMATA,))
    assert [p.check.readiness for p in careful.plan()] == [Readiness.READY, Readiness.READY]
    assert {r.state for r in careful.run().records} == {EditState.COMMITTED}


def test_an_override_sets_aside_only_what_was_shown(
    scene: Scene, facts: Facts, careful: Exporter
) -> None:
    facts.bodies = {1, 2}
    scene.queue(1, 1, 2)
    careful.run()
    assert scene.record().warnings == (SOMATA,)
    with pytest.raises(InputError, match="these warnings only"):
        careful.override("edit-1", "ann", [FACES])
    assert careful.override("edit-1", "ann", [SOMATA]).state is EditState.QUEUED
    careful.run()
    with pytest.raises(InputError, match="these warnings only"):
        careful.override("edit-1", "ann", [SOMATA])
    held_by_change = a_merge(2, 3, 4, (scene.graph.root_of(9), scene.graph.root_of(4)))
    scene.ledger.append_all([DecisionMade(a_decision(2, site=2)), EditQueued(held_by_change)])
    careful.hold("edit-2")
    with pytest.raises(InputError, match="these warnings only"):
        careful.override("edit-2", "ann", [SOMATA])


def test_what_waits_or_was_refused_can_be_given_up(scene: Scene) -> None:
    scene.queue(1, 1, 2)
    assert scene.exporter.drop("edit-1", "ann").reason is Reason.DROPPED
    assert scene.ledger.state.pending_edits() == []
    scene.queue(2, 3, 4)
    scene.exporter.run()
    assert scene.merges_sent() == 1
    for wrong in ("edit-1", "edit-2", "edit-9"):
        with pytest.raises(InputError, match="does not wait"):
            scene.exporter.drop(wrong, "ann")
