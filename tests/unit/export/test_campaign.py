"""Random faults, crashes at any point, and other people's edits: nothing twice, nothing lost."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from proofreading.edits import EditState
from proofreading.export.protocol import Exporter
from proofreading.ledger.events import DecisionMade, EditQueued, Event
from proofreading.ledger.fold import LedgerState
from proofreading.ledger.store import Ledger
from tests.fakes import Crash, FakeClock, Fault, MemoryGraph
from tests.unit.ledger.build import a_decision, a_merge

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

    def __init__(self, path: Path, seed: int) -> None:
        self.chance = random.Random(seed)
        self.path = path
        self.clock = FakeClock()
        self.graph = MemoryGraph(SUPERVOXELS, self.clock)
        self.pairs: dict[str, tuple[int, int]] = {}
        MortalLedger.chance = random.Random(seed + 1)

    def queue(self) -> None:
        pairs = {tuple(sorted(self.chance.sample(SUPERVOXELS, 2))) for _ in range(EDITS)}
        with Ledger.open(self.path, clock=self.clock) as ledger:
            for number, (a, b) in enumerate(sorted(pairs)):
                roots = (self.graph.root_of(a), self.graph.root_of(b))
                ledger.append(DecisionMade(a_decision(number, site=number)))
                ledger.append(EditQueued(a_merge(number, a, b, roots)))
                self.pairs[f"edit-{number}"] = (a, b)

    def meddle(self) -> None:
        """Somebody joins two objects, or undoes any merge, ours among them."""
        a, b = self.chance.sample(SUPERVOXELS, 2)
        if self.chance.random() < 0.5 and self.graph.root_of(a) != self.graph.root_of(b):
            self.graph.join(a, b, user="other")
        elif self.graph.log:
            self.graph.take_back(self.chance.choice(sorted(self.graph.log)), user="other")

    def live(self, deadly: float, fault: float) -> str:
        """Run the program once, until it ends or dies, and return why it stopped."""
        MortalLedger.deadly = deadly
        self.graph.faults = [
            self.chance.choice(FAULTS) if self.chance.random() < fault else Fault.NONE
            for _ in range(2 * EDITS)
        ]
        with MortalLedger.open(self.path, clock=self.clock) as ledger:
            try:
                return Exporter(ledger, self.graph, clock=self.clock, wait=self.wait).run().stopped
            except Crash:
                return "crashed"
            finally:
                self.graph.unreadable = 0

    def wait(self, seconds: float) -> None:
        self.clock.wait(seconds)
        if self.chance.random() < 0.2:
            self.meddle()
        if self.chance.random() < 0.2:
            self.graph.unreadable += self.chance.randint(1, 3)

    def finish(self) -> None:
        """Run in peace until nothing waits."""
        for _ in range(20):
            if self.live(0, 0) == "" and not self.left():
                return
        pytest.fail(f"still waiting: {self.left()}")

    def left(self) -> list[str]:
        with Ledger.open(self.path, read_only=True) as ledger:
            open_edits = ledger.state.pending_edits() + ledger.state.unanswered_edits()
            return [record.edit.id for record in open_edits]


@pytest.mark.parametrize("seed", range(60))
def test_nothing_is_applied_twice_and_nothing_is_lost(tmp_path: Path, seed: int) -> None:
    world = World(tmp_path / "ledger.sqlite", seed)
    world.queue()
    for _ in range(15):
        world.live(deadly=0.06, fault=0.5)
        world.meddle()
        world.clock.wait(world.chance.choice([0, 30, 400]))
    world.finish()
    with Ledger.open(world.path, read_only=True) as ledger:
        for edit_id, (a, b) in world.pairs.items():
            record = ledger.state.edit(edit_id)
            assert record is not None
            applied = world.graph.applied(a, b)
            assert len(applied) <= 1, f"{edit_id} was applied {len(applied)} times"
            ids = [row.operation_id for row in applied]
            if record.state is EditState.COMMITTED:
                assert ids == [record.operation_id]
            else:
                assert record.state in (EditState.CONFLICT, EditState.FAILED), record
                assert ids == []
