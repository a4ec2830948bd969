"""The scene that the tests of the protocol share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from proofreading.export.protocol import Exporter
from proofreading.ledger.store import Ledger
from tests.fake_annotations import MemoryAnnotations
from tests.fakes import FakeClock, MemoryGraph
from tests.unit.export.scene import Scene


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    clock = FakeClock()
    graph = MemoryGraph(range(1, 11), clock)
    annotations = MemoryAnnotations(clock)
    with Ledger.open(tmp_path / "ledger.sqlite", clock=clock) as ledger:
        exporter = Exporter(ledger, graph, clock=clock, wait=clock.wait)
        yield Scene(ledger, graph, clock, exporter, annotations)
