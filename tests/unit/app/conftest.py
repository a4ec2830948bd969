"""A datastack of tubes, ingested once, with a copy for every test that may edit it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectome.offline.datastack import OfflineDatastack
from tests.contract.volumes import ingest_tubes


@pytest.fixture(scope="session")
def ingested(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the tubes; nobody may change it."""
    return ingest_tubes(tmp_path_factory.mktemp("ingested") / "tubes")


@pytest.fixture
def datastack(
    ingested: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[OfflineDatastack]:
    monkeypatch.setenv("HOME", str(tmp_path))  # keep away from a person's token files
    opened = OfflineDatastack(shutil.copytree(ingested, tmp_path / "tubes"))
    yield opened
    opened.close()
