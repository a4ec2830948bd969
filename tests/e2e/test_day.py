"""A short day in the real window: whatever is killed, the ledger says what was shown as done."""

from __future__ import annotations

import sys

import pytest

pytest.importorskip("PyQt6.QtWebEngineWidgets", reason="the gui extra is not installed")

from app.services.opening import Opened
from benchmarks.day import KILL, Day, faults_in
from benchmarks.day_plan import plan
from benchmarks.day_window import RENDERER, REOPENED
from proofreading.session import Session

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(300),
    pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL"),
]

SEED, SIZE = 1, (12, 1)


def test_a_day_with_a_lost_renderer_and_a_killed_window(judged: Opened) -> None:
    keys = plan(SEED, *SIZE)
    assert {"Z", "cut"} <= set(keys)
    faults = faults_in(len(keys), [(0.25, RENDERER), (0.6, KILL)])
    outcome = Day(judged.session, judged.address, SEED, SIZE, faults).run()
    assert outcome.wrong == []
    assert {fault for fault, _ in outcome.faults} == {RENDERER, KILL, REOPENED, "end"}
    # The key in flight when the window was killed counts, or it does not.
    assert outcome.answers >= SIZE[0] - 1
    with Session.open(judged.session, read_only=True) as session:
        assert session.ledger.state.decided >= outcome.answers - outcome.undone
