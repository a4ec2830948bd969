"""``kill -9`` of the window at any moment loses nothing that it acknowledged."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("PyQt6.QtWebEngineWidgets", reason="the gui extra is not installed")

from proofreading.session import Session

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(300),
    pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL"),
]


def test_nothing_acknowledged_is_lost_and_the_place_is_kept(demo: Path, tmp_path: Path) -> None:
    folder = tmp_path / "killed.proofdesk"
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.e2e.window_child", str(folder), str(demo)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    try:
        assert child.stdout is not None
        acknowledged = [child.stdout.readline().strip() for _ in range(3)]
    finally:
        os.kill(child.pid, signal.SIGKILL)
        child.communicate(timeout=30)
    assert all(acknowledged)
    _wait_for_workers(folder)
    with Session.open(folder) as session:
        state = session.ledger.state
        assert {d.site_id for d in state.decisions()} >= set(acknowledged)
        assert state.cursor is not None
        assert session.catalogue.site(state.cursor) is not None
        assert state.cursor not in acknowledged


def _wait_for_workers(folder: Path) -> None:
    """Wait until no process holds the session: workers end when their window is gone."""
    end = time.monotonic() + 60
    while _workers(folder):
        assert time.monotonic() < end, "a worker outlived its window"
        time.sleep(0.2)


def _workers(folder: Path) -> list[str]:
    """Return the processes that have the session's catalogue open (Linux)."""
    held = []
    for links in Path("/proc").glob("[0-9]*/fd"):
        try:
            targets = [str(link.readlink()) for link in links.iterdir()]
        except OSError:
            continue
        if any(str(folder) in target for target in targets):
            held.append(links.parent.name)
    return held
