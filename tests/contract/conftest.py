from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.contract.volumes import ingest_tubes

if TYPE_CHECKING:
    from connectome.offline.service import RunningService


@pytest.fixture(autouse=True)
def no_tokens_of_the_person(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep the clients away from real token files."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))


@pytest.fixture(scope="session")
def ingested(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An ingested datastack that no test may change."""
    return ingest_tubes(tmp_path_factory.mktemp("ingested") / "tubes")


@pytest.fixture
def folder(ingested: Path, tmp_path: Path) -> Path:
    """A datastack of the test's own."""
    return Path(shutil.copytree(ingested, tmp_path / "tubes"))


@pytest.fixture
def service(folder: Path) -> Iterator[RunningService]:
    """The datastack of the test's own, being served."""
    from connectome.offline.service import serve

    with serve(folder) as running:
        yield running
