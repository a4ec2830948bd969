"""Tracing one object, in this process and in the child."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from connectome.errors import DatastackError, MachineError
from connectome.offline import skeleton_tracing
from connectome.offline.engine import GraphEngine
from connectome.offline.layout import DatastackFolder
from connectome.offline.skeleton_formats import KeptSkeleton, swc
from connectome.offline.skeleton_tracing import TraceJob, trace
from connectome.offline.skeleton_worker import SkeletonWorker
from tests.contract.volumes import VOXEL_NM, ingest_tubes, tube_point


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GraphEngine]:
    path = ingest_tubes(tmp_path_factory.mktemp("tubes") / "tubes")
    opened = GraphEngine.open(DatastackFolder.open(path), read_only=True)
    yield opened
    opened.close()


@pytest.fixture
def job(engine: GraphEngine) -> TraceJob:
    """The first half of the first tube."""
    return job_of(engine, int(engine.current_roots()[0]))


def job_of(engine: GraphEngine, root: int) -> TraceJob:
    folder = engine.folder
    leaves = engine.leaves(root)
    return TraceJob(root, leaves, folder.supervoxels, folder.scale, engine.layout)


def test_a_tube_becomes_a_line(job: TraceJob) -> None:
    found = trace(job)
    assert found.root == job.root
    assert len(found.edges) == len(found.vertices_nm) - 1
    along = found.vertices_nm[:, 0]
    assert along.max() - along.min() > 50 * VOXEL_NM[0]
    y, z = np.median(found.vertices_nm[:, 1:], axis=0)
    assert (y, z) == pytest.approx(tube_point(0, 0)[1:], abs=2 * VOXEL_NM[2])


def test_a_large_object_is_traced_on_a_coarser_grid(
    job: TraceJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    fine = trace(job)
    voxels = int(np.prod(job.layout.shape))
    monkeypatch.setattr(skeleton_tracing, "_MAX_VOXELS", voxels // 12)
    coarse = trace(job)
    assert 1 < len(coarse.vertices_nm) < len(fine.vertices_nm)
    for ours, theirs in (
        (coarse.vertices_nm.min(axis=0), fine.vertices_nm.min(axis=0)),
        (coarse.vertices_nm.max(axis=0), fine.vertices_nm.max(axis=0)),
    ):
        assert ours == pytest.approx(theirs, abs=4 * max(VOXEL_NM))
    monkeypatch.setattr(skeleton_tracing, "_MAX_VOXELS", 1)
    with pytest.raises(DatastackError, match="too much of the volume"):
        trace(job)


def test_the_smallest_object_is_one_vertex(engine: GraphEngine, tmp_path: Path) -> None:
    from connectome.offline.ingest import IngestRequest, ingest

    labels = np.zeros((20, 20, 20), np.uint32)
    labels[10, 11, 12] = 1
    request = IngestRequest(labels, (8.0, 8.0, 8.0), "offline_dot", tmp_path / "dot", None, labels)
    ingest(request, lambda *_: None)
    dot = GraphEngine.open(DatastackFolder.open(tmp_path / "dot"), read_only=True)
    found = trace(job_of(dot, int(dot.current_roots()[0])))
    dot.close()
    assert found.vertices_nm.tolist() == [[100.0, 92.0, 84.0]]
    assert found.edges.shape == (0, 2)
    assert found.radii_nm[0] > 0


def test_swc_of_pieces_that_hang_apart() -> None:
    skeleton = KeptSkeleton(
        7,
        np.arange(15, dtype=np.float32).reshape(5, 3) * 1000,
        np.asarray([[0, 1], [1, 2], [3, 4]], np.uint32),
        np.asarray([1, 5, 1, 2, 4], np.float32) * 1000,
        np.zeros(0, np.uint64),
        np.zeros(0, np.int64),
    )
    lines = [line.split() for line in swc(skeleton).decode().splitlines()]
    assert [line[0] for line in lines] == ["0", "1", "2", "3", "4"]
    assert lines[0] == ["0", "0", "3", "4", "5", "5", "-1"]
    assert {line[6] for line in lines[1:3]} == {"0"}
    assert lines[3] == ["3", "0", "12", "13", "14", "4", "-1"]
    assert lines[4][6] == "3"


def test_the_child_outlives_a_job_that_fails(job: TraceJob, tmp_path: Path) -> None:
    worker = SkeletonWorker()
    try:
        with pytest.raises(DatastackError, match=f"skeleton of {job.root}"):
            worker.trace(replace(job, volume=tmp_path / "nothing"))
        assert np.array_equal(worker.trace(job).vertices_nm, trace(job).vertices_nm)
    finally:
        worker.close()
    with pytest.raises(MachineError, match="being stopped"):
        worker.trace(job)


def test_closing_breaks_off_a_job(job: TraceJob) -> None:
    worker = SkeletonWorker()
    worker.trace(job)
    ended: list[BaseException] = []

    def ask_again_and_again() -> None:
        try:
            for _ in range(1000):
                worker.trace(job)
        except MachineError as error:
            ended.append(error)

    thread = threading.Thread(target=ask_again_and_again)
    thread.start()
    worker.close()
    thread.join(30)
    assert not thread.is_alive()
    assert len(ended) == 1


_PARENT = """
import sys, time
from connectome.offline.engine import GraphEngine
from connectome.offline.layout import DatastackFolder
from connectome.offline.skeleton_worker import SkeletonWorker
from tests.unit.offline.test_skeletons import job_of
engine = GraphEngine.open(DatastackFolder.open(sys.argv[1]), read_only=True)
worker = SkeletonWorker()
worker.trace(job_of(engine, int(engine.current_roots()[0])))
print("traced", flush=True)
time.sleep(600)
"""


def test_the_child_ends_with_a_killed_parent(engine: GraphEngine) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _PARENT, str(engine.folder.path)], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "traced\n"
        parent.kill()
        # The child has the same standard output: its end is the end of the text.
        assert parent.communicate(timeout=30)[0] == ""
