"""Random faults, crashes at any point, and other people's edits: nothing twice, nothing lost."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from connectome.errors import EditRejectedError, ProofdeskError
from connectome.graph import GraphPoint, OperationDetails
from proofreading.edits import Edit, EditRecord, EditState, MergeEdit, Reason, SplitEdit
from proofreading.export.protocol import Exporter
from proofreading.ledger.events import DecisionMade, EditChanged, EditQueued, Event
from proofreading.ledger.fold import LedgerState
from proofreading.ledger.store import Ledger
from proofreading.verdicts import Task
from tests.fake_annotations import MemoryAnnotations
from tests.fakes import Crash, FakeClock, Fault, MemoryGraph
from tests.unit.export.scene import cut_request, point
from tests.unit.ledger.build import a_decision

EDITS = 12
SUPERVOXELS = range(1, 31)
FAULTS = [fault for fault in Fault if fault is not Fault.NONE]


class MortalLedger(Ledger):
    """A ledger whose program dies before or after some of its writes."""

    chance = random.Random(0)
    deadly = 0.0

    def append(
        self, event: Event, *, only_if: Callable[[LedgerState], bool] | None = None
    ) -> int | None:
        if self.chance.random() < self.deadly:
            raise Crash
        number = super().append(event, only_if=only_if)
        if self.chance.random() < self.deadly:
            raise Crash
        return number


class World:
    """A session, a graph, and everybody who meddles."""

    def __init__(self, path: Path, seed: int, *, cuts: bool) -> None:
        self.chance = random.Random(seed)
        self.path = path
        self.clock = FakeClock()
        self.graph = MemoryGraph(SUPERVOXELS, self.clock)
        self.graph.tells_points = bool(seed % 2)
        self.annotations = MemoryAnnotations(self.clock)
        self.edits: dict[str, Edit] = {}
        self.undos: Counter[str] = Counter()
        MortalLedger.chance = random.Random(seed + 1)
        if cuts:
            self.grow()

    def grow(self) -> None:
        """Make six objects of five, some of which a cut does not reach through."""
        for first in range(1, 31, 5):
            for a in range(first, first + 4):
                self.graph.join(a, a + 1, "other", far=self.chance.random() < 0.1)
            if self.chance.random() < 0.5:
                self.graph.bond(first, first + 3)

    def queue(self) -> None:
        pairs = {tuple(sorted(self.chance.sample(SUPERVOXELS, 2))) for _ in range(EDITS)}
        with Ledger.open(self.path, clock=self.clock) as ledger:
            for number, (a, b) in enumerate(sorted(pairs)):
                if self.graph.root_of(a) == self.graph.root_of(b):
                    self.queue_cut(ledger, number, a, b)
                else:
                    self.queue_merge(ledger, number, a, b)
            for number in range(len(pairs), len(pairs) + EDITS // 2):
                one = self.chance.choice(SUPERVOXELS)
                root = self.graph.root_of(one)
                mates = [s for s in SUPERVOXELS if self.graph.root_of(s) == root and s != one]
                if mates:
                    self.queue_cut(ledger, number, one, self.chance.choice(mates))

    def queue_merge(self, ledger: Ledger, number: int, a: int, b: int) -> None:
        roots = (self.graph.root_of(a), self.graph.root_of(b))
        names = (f"edit-{number}", f"decision-{number}", f"{number:016x}")
        edit = MergeEdit(*names, point(a), point(b), roots)
        ledger.append_all([DecisionMade(a_decision(number, site=number)), EditQueued(edit)])
        self.edits[edit.id] = edit

    def queue_cut(self, ledger: Ledger, number: int, a: int, b: int) -> None:
        names = (f"edit-{number}", f"decision-{number}", f"{number:016x}")
        # Each edit has a place of its own, so that the log tells them apart.
        x, y, z = point(a).position_nm
        source = GraphPoint(a, (x, y + 200.0 * number, z))
        edit = SplitEdit(*names, (source,), (point(b),), self.graph.root_of(a))
        decision = a_decision(number, site=number)
        decision = replace(decision, task=Task.MERGE_ERROR_IDENTIFICATION)
        ledger.append_all([DecisionMade(decision), EditQueued(edit)])
        self.edits[edit.id] = edit

    def meddle(self) -> None:
        """Somebody joins or cuts two objects, or undoes any edit, ours among them."""
        a, b = self.chance.sample(SUPERVOXELS, 2)
        dice = self.chance.random()
        if dice < 0.4 and self.graph.root_of(a) != self.graph.root_of(b):
            self.graph.join(a, b, user="other")
        elif dice < 0.6 and self.graph.root_of(a) == self.graph.root_of(b):
            self.cut(a, b)
        elif self.graph.log:
            self.graph.take_back(self.chance.choice(sorted(self.graph.log)), user="other")

    def cut(self, a: int, b: int) -> None:
        # Another place inside the supervoxel: the same points would be the same cut.
        here, there = (GraphPoint(s, (1000.0 * s + 500.0, 2.0, 3.0)) for s in (a, b))
        request = cut_request(SplitEdit("", "", "", (here,), (there,), 0))
        try:
            self.graph.cut(request, user="other")
        except EditRejectedError:
            return  # only far connections join them

    def live(self, deadly: float, fault: float) -> str:
        """Run the program once, until it ends or dies, and return why it stopped."""
        MortalLedger.deadly = deadly
        self.graph.faults = self.faults(fault)
        self.annotations.faults = self.faults(fault)
        with MortalLedger.open(self.path, clock=self.clock) as ledger:
            try:
                summary = self.exporter(ledger).run()
                return summary.stopped or (summary.rows.stopped if summary.rows else "")
            except Crash:
                return "crashed"
            finally:
                self.graph.unreadable = self.graph.stale = self.annotations.unreadable = 0

    def exporter(self, ledger: Ledger) -> Exporter:
        return Exporter(
            ledger, self.graph, rows=self.annotations, me="me", clock=self.clock, wait=self.wait
        )

    def undo(self, deadly: float, fault: float) -> None:
        """Undo an applied edit, and sometimes let it wait again."""
        MortalLedger.deadly = deadly
        self.graph.faults = self.faults(fault)
        with MortalLedger.open(self.path, clock=self.clock) as ledger:
            applied = ledger.state.edits(EditState.COMMITTED, EditState.PARTIAL)
            edit_ids = [record.edit.id for record in applied if record.operation_id]
            if not edit_ids:
                return
            try:
                edit_id = self.chance.choice(edit_ids)
                exporter = self.exporter(ledger)
                exporter.undo_plan(edit_id)
                exporter.undo(edit_id)
                if self.chance.random() < 0.5:
                    exporter.requeue([edit_id])
            except (Crash, ProofdeskError):
                return
            finally:
                self.graph.unreadable = self.graph.stale = 0

    def faults(self, rate: float) -> list[Fault]:
        return [
            self.chance.choice(FAULTS) if self.chance.random() < rate else Fault.NONE
            for _ in range(3 * EDITS)
        ]

    def wait(self, seconds: float) -> None:
        self.clock.wait(seconds)
        if self.chance.random() < 0.2:
            self.meddle()
        if self.chance.random() < 0.2:
            self.graph.unreadable += self.chance.randint(1, 3)
        if self.chance.random() < 0.2:
            self.annotations.unreadable += self.chance.randint(1, 3)
        if self.chance.random() < 0.1:
            self.graph.stale = 1

    def finish(self) -> None:
        """Run in peace until nothing waits."""
        for _ in range(20):
            if self.live(0, 0) == "" and not self.left():
                return
        pytest.fail(f"still waiting: {self.left()}")

    def left(self) -> list[str]:
        with Ledger.open(self.path, read_only=True) as ledger:
            state = ledger.state
            open_edits = state.pending_edits() + state.unanswered_edits() + state.unfinished_undos()
            return [r.edit.id for r in open_edits] + [r.row.key for r in state.open_rows()]

    def applied(self, edit: Edit) -> list[OperationDetails]:
        """Return what was applied in our name for an edit."""
        if isinstance(edit, SplitEdit):
            return self.graph.applied_cuts(cut_request(edit))
        return self.graph.applied(edit.a.supervoxel, edit.b.supervoxel)


def check_record(world: World, ledger: Ledger, record: EditRecord) -> None:
    ids = [row.operation_id for row in world.applied(record.edit)]
    undone = sum(
        isinstance(entry.event, EditChanged)
        and entry.event.edit_id == record.edit.id
        and entry.event.state is EditState.UNDONE
        for entry in ledger.events()
    )
    assert len(ids) <= 1 + undone, f"{record.edit.id} was applied {len(ids)} times"
    if record.state in (EditState.COMMITTED, EditState.PARTIAL):
        assert ids[-1:] == [record.operation_id]
    elif record.state is EditState.UNDONE:
        assert record.operation_id in ids
    else:
        assert record.state in (EditState.CONFLICT, EditState.FAILED), record
        assert record.reason is not Reason.NONE
        assert len(ids) == undone


def check_rows(world: World, state: LedgerState) -> None:
    for table in world.annotations.rows.values():
        keys = [str(row.get("tag2") or row["tag"]) for row in table]
        assert len(keys) == len(set(keys)), "a row was written twice"
    for record in state.edits(EditState.COMMITTED):
        keys = [f"{record.edit.id}|op={record.operation_id}"]
        if isinstance(record.edit, SplitEdit):
            keys = [f"split:accept|{keys[0]}|{side}" for side in ("source", "sink")]
        for key in keys:
            row = state.row(key)
            assert row is not None, f"{key} was never written"
            assert row.row_id is not None
            text = world.annotations.rows[row.row.table][row.row_id - 1]
            assert key in (text["tag"], text.get("tag2"))


@pytest.mark.parametrize("cuts", [False, True], ids=["merges", "cuts"])
@pytest.mark.parametrize("seed", range(30))
def test_nothing_is_applied_twice_and_nothing_is_lost(
    tmp_path: Path, seed: int, cuts: bool
) -> None:
    world = World(tmp_path / "ledger.sqlite", seed, cuts=cuts)
    world.queue()
    for _ in range(15):
        world.live(deadly=0.06, fault=0.5)
        world.meddle()
        world.clock.wait(world.chance.choice([0, 30, 400]))
    world.finish()
    with Ledger.open(world.path, read_only=True) as ledger:
        assert {record.edit.id for record in ledger.state.edits()} == set(world.edits)
        for record in ledger.state.edits():
            check_record(world, ledger, record)
        check_rows(world, ledger.state)


@pytest.mark.parametrize("seed", range(100, 120))
def test_undo_and_redo_under_faults(tmp_path: Path, seed: int) -> None:
    world = World(tmp_path / "ledger.sqlite", seed, cuts=True)
    world.queue()
    for _ in range(15):
        world.live(deadly=0.04, fault=0.3)
        world.undo(deadly=0.04, fault=0.5)
        if world.chance.random() < 0.5:
            world.meddle()
        world.clock.wait(world.chance.choice([0, 30, 400]))
    world.finish()
    with Ledger.open(world.path, read_only=True) as ledger:
        for record in ledger.state.edits():
            check_record(world, ledger, record)
        check_rows(world, ledger.state)
