"""The bundled demo, grown and ingested once for all end-to-end tests."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.services.opening import Opened
from benchmarks.window_session import copy_judged, make_judged

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

JUDGED = 24
"""Contacts; enough to be sure of some that are probable."""
ARTIFACTS = Path(os.environ.get("ARTIFACTS", "artifacts")).absolute()


@pytest.fixture(scope="session")
def grown_demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return the folder of the demo's datastack; nobody may change it."""
    home = tmp_path_factory.mktemp("home")
    before = os.environ.get("PROOFDESK_HOME")
    os.environ["PROOFDESK_HOME"] = str(home)
    from app.services.demo import ensure_demo

    yield Path(ensure_demo().address)
    if before is None:
        del os.environ["PROOFDESK_HOME"]
    else:
        os.environ["PROOFDESK_HOME"] = before


@pytest.fixture(scope="session")
def kept_judged(grown_demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a session on the demo whose first contacts are judged."""
    kept = tmp_path_factory.mktemp("judged")
    make_judged(kept, JUDGED)
    return kept


@pytest.fixture
def judged(kept_judged: Path, tmp_path: Path) -> Opened:
    """Return a judged session of the test's own, on its own copy of the demo."""
    return copy_judged(kept_judged, tmp_path)


@pytest.fixture
def demo(grown_demo: Path, tmp_path: Path) -> Path:
    """Return a copy of the demo's datastack that a test may edit."""
    copy = tmp_path / "datastack"
    shutil.copytree(grown_demo, copy)
    return copy


@pytest.fixture
def artifacts() -> Path:
    """Return the folder where screenshots are kept."""
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    return ARTIFACTS
