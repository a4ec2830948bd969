"""The bundled demo, grown and ingested once for all end-to-end tests."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

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
