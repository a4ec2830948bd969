"""What is told of objects, against the voxels themselves and after edits."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from connectome.offline.engine import GraphEngine
from connectome.offline.ingest import IngestRequest, ingest
from connectome.offline.layout import DatastackFolder
from connectome.offline.object_facts import OfflineFacts
from tests.contract.volumes import ingest_tubes
from tests.unit.offline.volumes import (
    em_like,
    make_datastack,
    point_in,
    quiet,
    read_supervoxels,
    root_volume,
    slabs,
)

Volume = NDArray[np.uint64]


def faces_by_looking(roots: Volume, root: int) -> frozenset[str]:
    """Return the faces on which a root has voxels."""
    planes = {}
    for axis, name in ((2, "x"), (1, "y"), (0, "z")):
        planes[f"{name}-"] = roots.take(0, axis)
        planes[f"{name}+"] = roots.take(-1, axis)
    return frozenset(name for name, plane in planes.items() if (plane == root).any())


@pytest.fixture(scope="module")
def tubes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ingest_tubes(tmp_path_factory.mktemp("facts") / "tubes")


@pytest.fixture
def engine(tubes: Path, tmp_path: Path) -> Iterator[GraphEngine]:
    opened = GraphEngine.open(DatastackFolder.open(shutil.copytree(tubes, tmp_path / "own")))
    yield opened
    opened.close()


@pytest.fixture
def facts(engine: GraphEngine) -> Iterator[OfflineFacts]:
    made = OfflineFacts(engine)
    yield made
    made.close()


def test_faces_and_voxels_of_every_object(engine: GraphEngine, facts: OfflineFacts) -> None:
    roots = root_volume(engine, read_supervoxels(engine.folder))
    counted = 0
    for root in engine.current_roots().tolist():
        seen = faces_by_looking(roots, root)
        assert facts.faces(root) == seen
        assert facts.voxels(root) == int((roots == root).sum())
        counted += bool(seen)
    assert counted > 10


def test_they_follow_an_edit_and_still_know_what_it_replaced(
    engine: GraphEngine, facts: OfflineFacts
) -> None:
    supervoxels = read_supervoxels(engine.folder)
    before = root_volume(engine, supervoxels)
    a, b = point_in(supervoxels, (6, 6, 66)), point_in(supervoxels, (6, 6, 78))
    old = [int(before[6, 6, 66]), int(before[6, 6, 78])]
    voxels = [facts.voxels(root) for root in old]
    (root,) = engine.merge(a, b, "1").new_roots
    assert facts.faces(root) == frozenset({"x-", "x+"})
    assert facts.voxels(root) == sum(v for v in voxels if v)
    assert [facts.faces(o) for o in old] == [frozenset({"x-"}), frozenset({"x+"})]
    assert [facts.voxels(o) for o in old] == voxels


def test_an_object_on_every_face(tmp_path: Path) -> None:
    make_datastack(tmp_path / "slabs", *slabs())
    engine = GraphEngine.open(DatastackFolder.open(tmp_path / "slabs"))
    facts = OfflineFacts(engine)
    roots = root_volume(engine, read_supervoxels(engine.folder))
    for root in engine.current_roots().tolist():
        assert facts.faces(root) == faces_by_looking(roots, root)
    facts.close()
    engine.close()


def test_of_what_is_no_root_nothing_is_known(engine: GraphEngine, facts: OfflineFacts) -> None:
    base = engine.state.base
    stranger = int(engine.current_roots()[-1]) + 1
    for node in (0, stranger, int(base.sv_ids[0]), int(base.l2_ids[0])):
        assert (facts.faces(node), facts.voxels(node), facts.somata(node)) == (None, None, None)


def test_a_chunk_narrower_than_a_cell_body_cannot_tell(
    engine: GraphEngine, facts: OfflineFacts
) -> None:
    root = int(engine.current_roots()[0])
    assert facts.somata(root) is None
    thin = OfflineFacts(engine, soma_radius_nm=200.0)
    assert thin.somata(root) == 0
    thin.close()


def dumbbells(tmp_path: Path) -> tuple[GraphEngine, Volume]:
    """Two balls on one neurite, one of them across a chunk's border, and a neurite alone.

    The chunks are 64 voxels of 100 nm wide, which is more than a cell body.
    """
    z, y, x = np.indices((64, 64, 200))
    segments = np.zeros((64, 64, 200), np.uint32)
    segments[28:36, 28:36, :] = 1
    for center in (30, 128):
        segments[(z - 32) ** 2 + (y - 32) ** 2 + (x - center) ** 2 < 28**2] = 1
    segments[2:8, 2:8, :] = 2
    ingest(
        IngestRequest(
            em=em_like((64, 64, 200)),
            supervoxels=segments,
            segmentation=segments,
            groundtruth=None,
            resolution_nm=(100.0, 100.0, 100.0),
            name="offline_somata",
            out=tmp_path / "somata",
        ),
        quiet,
    )
    engine = GraphEngine.open(DatastackFolder.open(tmp_path / "somata"))
    return engine, root_volume(engine, read_supervoxels(engine.folder))


def test_cell_bodies_are_groups_of_deep_nodes(tmp_path: Path) -> None:
    engine, roots = dumbbells(tmp_path)
    facts = OfflineFacts(engine)
    body, neurite = int(roots[32, 32, 30]), int(roots[4, 4, 100])
    assert engine.folder.manifest.chunk_size == (64, 64, 64)
    # The ball at 128 lies in two chunks, in both of which it is deep: one cell body.
    assert facts.somata(body) == 2
    assert facts.somata(neurite) == 0
    assert facts.somata(body) == 2
    facts.close()
    engine.close()
