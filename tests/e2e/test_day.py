"""A short day in the real window: whatever is killed, the ledger says what was shown as done."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

pytest.importorskip("PyQt6.QtWebEngineWidgets", reason="the gui extra is not installed")

from app.services.opening import Opened
from benchmarks.day import KILL, Day, faults_in
from benchmarks.day_plan import CUT, SENT, UNDO, plan
from benchmarks.day_service import served
from benchmarks.day_window import RENDERER, REOPENED, SERVICE_DOWN, SERVICE_UP
from proofreading.edits import EditState
from proofreading.session import Session

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(300),
    pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL"),
]

SEED, SIZE = 140, (14, 1, 1)


def test_a_day_with_a_lost_renderer_and_a_killed_window(judged: Opened, tmp_path: Path) -> None:
    keys = plan(SEED, *SIZE)
    assert {UNDO, CUT, SENT} <= set(keys)
    parts = [(0.15, RENDERER), (0.45, SERVICE_DOWN), (0.6, SERVICE_UP), (0.8, KILL)]
    faults = faults_in(keys, parts)
    with served(judged, tmp_path / "home") as (opened, service):
        home = tmp_path / "home"
        day = Day(opened.session, opened.address, SEED, SIZE, faults, service, home)
        outcome = day.run()
    assert outcome.wrong == []
    told = [fault for fault, _ in outcome.faults]
    assert set(told) == {*(fault for _, fault in parts), REOPENED, "end", "sent"}
    assert outcome.sent == SIZE[2]
    # The key in flight when the window was killed counts, or it does not.
    assert outcome.answers >= SIZE[0] - 1
    with Session.open(judged.session, read_only=True) as session:
        assert session.ledger.state.decided >= outcome.answers - outcome.undone - outcome.sent
        assert session.ledger.state.edits(EditState.COMMITTED)
