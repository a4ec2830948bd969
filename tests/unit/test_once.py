from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TESTS = """
import os

import pytest


def test_passes():
    pass


def test_needs_more():
    if "BARE" in os.environ:
        pytest.skip("bare")
"""


def run(folder: Path, *options: str, **environment: str) -> str:
    told = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "tests.once", "-v", *options, "test_some.py"],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", **environment},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return told.stdout


def test_only_what_passed_is_left_out_the_second_time(tmp_path: Path) -> None:
    (tmp_path / "test_some.py").write_text(TESTS)
    passed = tmp_path / "build" / "passed"
    assert "1 passed, 1 skipped" in run(tmp_path, f"--note-passed={passed}", BARE="1")
    again = run(tmp_path, f"--without-passed={passed}")
    assert "1 passed, 1 deselected" in again
    assert "test_needs_more PASSED" in again
