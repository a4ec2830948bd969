"""Every run has a log; one that ended badly is found at the next start."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from app.services.logs import KEPT, RunLog
from connectome.errors import StorageError

_log = logging.getLogger("proofdesk.test")

CHILD = """
import logging, os, sys
from pathlib import Path
from app.services.logs import RunLog
log = RunLog(Path(sys.argv[1]))
logging.getLogger("x").error("about to fall")
print("ready", flush=True)
{end}
"""


def run_child(folder: Path, end: str) -> int:
    done = subprocess.run(
        [sys.executable, "-c", CHILD.format(end=end), str(folder)],
        check=False,
        capture_output=True,
        timeout=60,
        cwd=Path(__file__).parents[3],
    )
    assert b"ready" in done.stdout
    return done.returncode


def test_a_run_that_ends_well_is_not_told_of(tmp_path: Path) -> None:
    assert run_child(tmp_path, "log.close()") == 0
    with RunLog(tmp_path) as log:
        assert log.crashed == ()
    assert not list(tmp_path.glob("*.running"))
    assert len(list(tmp_path.glob("*.log"))) == 2


@pytest.mark.skipif(os.name != "posix", reason="kills by signal")
def test_a_killed_run_is_told_of_once(tmp_path: Path) -> None:
    end = "os.kill(os.getpid(), 9)"
    assert run_child(tmp_path, end) == -signal.SIGKILL
    with RunLog(tmp_path) as log:
        (crashed,) = log.crashed
        assert "about to fall" in crashed.read_text()
    with RunLog(tmp_path) as log:
        assert log.crashed == ()


@pytest.mark.skipif(os.name != "posix", reason="the way of ending is of this system")
def test_a_fatal_error_leaves_its_trace(tmp_path: Path) -> None:
    assert run_child(tmp_path, "import faulthandler; faulthandler._sigsegv()") != 0
    with RunLog(tmp_path) as log:
        (crashed,) = log.crashed
        assert "Segmentation fault" in crashed.read_text()


def test_a_run_that_goes_on_is_no_crash(tmp_path: Path) -> None:
    with RunLog(tmp_path) as first, RunLog(tmp_path) as second:
        assert second.crashed == ()
        assert first.path.exists()


def test_lines_are_in_the_file_and_in_memory(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with RunLog(tmp_path) as log:
        with caplog.at_level(logging.INFO):
            _log.info("a thing happened")
        assert any("a thing happened" in line for line in log.lines)
        assert "a thing happened" in log.path.read_text()
    _log.info("afterwards")
    assert not any("afterwards" in line for line in log.lines)


def test_old_logs_go(tmp_path: Path) -> None:
    for number in range(KEPT + 5):
        (tmp_path / f"20200101-0000{number:02}-1.log").write_text("old")
    with RunLog(tmp_path):
        assert len(list(tmp_path.glob("*.log"))) == KEPT


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("")
    with pytest.raises(StorageError) as caught:
        RunLog(tmp_path / "plain" / "logs")
    assert caught.value.hint
