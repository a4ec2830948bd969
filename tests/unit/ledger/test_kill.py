"""kill -9 at any moment loses nothing that was acknowledged."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
from pathlib import Path

from proofreading.ledger.events import DecisionMade
from proofreading.ledger.store import Ledger

ROOT = Path(__file__).resolve().parents[3]
KILLS = 12


def run_and_kill(path: Path, after: int, delay_s: float) -> list[str]:
    """Kill the writer a random moment after its ``after``-th acknowledgement."""
    command = [sys.executable, "-m", "tests.unit.ledger.writer", str(path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        acknowledged = [writer.stdout.readline().strip() for _ in range(after)]
        killer = threading.Timer(delay_s, writer.kill)
        killer.start()
        rest = writer.stdout.read()
        killer.join()
    # The last line may be cut off by the kill: what was not read whole was not acknowledged.
    whole = rest[: rest.rfind("\n") + 1].split()
    return acknowledged + whole


def test_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    chance = random.Random(7)
    acknowledged: list[str] = []
    for _ in range(KILLS):
        acknowledged += run_and_kill(path, chance.randint(1, 20), chance.uniform(0, 0.02))
    with Ledger.open(path) as ledger:
        events = [entry.event for entry in ledger.events()]
        kept = [event.decision.id for event in events if isinstance(event, DecisionMade)]
        numbers = [entry.number for entry in ledger.events()]
    assert len(acknowledged) > KILLS
    assert set(acknowledged) <= set(kept)
    assert [name for name in kept if name in set(acknowledged)] == acknowledged
    # Each kill may leave one event that was written but not yet acknowledged.
    assert len(kept) - len(acknowledged) <= KILLS
    assert numbers == list(range(1, len(kept) + 1))
