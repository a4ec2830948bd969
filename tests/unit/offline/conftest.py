from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectome.offline.engine import GraphEngine
from connectome.offline.layout import DatastackFolder
from tests.unit.offline.volumes import make_datastack, slabs


@pytest.fixture(scope="session")
def slab_datastack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished datastack; copy it before editing."""
    out = tmp_path_factory.mktemp("offline") / "slabs"
    pieces, segments = slabs()
    make_datastack(out, pieces, segments, truth=segments)
    return out


@pytest.fixture
def folder(slab_datastack: Path, tmp_path: Path) -> DatastackFolder:
    copy = tmp_path / "copy"
    shutil.copytree(slab_datastack, copy)
    return DatastackFolder.open(copy)


@pytest.fixture
def engine(folder: DatastackFolder) -> Iterator[GraphEngine]:
    graph = GraphEngine.open(folder)
    yield graph
    graph.close()
