from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from connectome.errors import MachineError, StorageError
from connectome.offline.base import BaseGraph
from connectome.offline.ids import ChunkLayout
from connectome.offline.layout import DatastackFolder, Manifest
from connectome.offline.mesh_crew import MeshCrew, helpers_for
from connectome.offline.mesh_worker import NUMBERS, open_mesher
from connectome.offline.meshing import MeshStore
from connectome.offline.partition import cut_supervoxels
from connectome.offline.region_graph import build_graph

GRID = (3, 2, 1)


@pytest.fixture
def unfinished(tmp_path: Path) -> DatastackFolder:
    """A datastack as it stands when an ingest begins to make meshes: six chunks."""
    layout = ChunkLayout((16, 16, 16), (48, 32, 16))
    labels = np.ones((16, 32, 48), dtype=np.uint32)
    labels[:, 10:] = 2
    supervoxels = cut_supervoxels(labels, labels, layout)
    base = build_graph(supervoxels, None, layout, (10.0, 10.0, 10.0), 0)
    folder = DatastackFolder(tmp_path / "half")
    manifest = Manifest(
        name="offline_half",
        resolution_nm=(10.0, 10.0, 10.0),
        shape=layout.shape,
        chunk_size=layout.chunk_size,
        has_groundtruth=False,
        fingerprint="",
        created_ms=0,
    )
    folder.write_manifest(manifest, complete=False)
    base.save(folder.base_graph)
    np.save(folder.base_graph / NUMBERS, supervoxels.numbers)
    MeshStore(folder).write_info()
    return folder


def fragments(folder: DatastackFolder) -> dict[str, bytes]:
    return {f.name: f.read_bytes() for f in folder.mesh.iterdir() if f.name != "info"}


def level2_ids(folder: DatastackFolder) -> set[str]:
    base = BaseGraph.load(folder.base_graph, folder.layout, 0)
    return {str(node) for node in base.l2_ids.tolist()}


@pytest.mark.parametrize("helpers", [0, 2])
def test_every_node_gets_its_mesh_from_whoever_is_free(
    unfinished: DatastackFolder, helpers: int
) -> None:
    shares: list[float] = []
    with MeshCrew(unfinished.path, GRID, helpers) as crew:
        crew.begin()
        crew.finish(shares.append)
    assert {name.split("_")[0] for name in fragments(unfinished)} == level2_ids(unfinished)
    assert shares == sorted(shares)
    assert helpers or shares[-1] == 1


def test_a_helper_makes_the_same_meshes(unfinished: DatastackFolder) -> None:
    mesher = open_mesher(unfinished.path)
    for chunk in np.ndindex(GRID):
        mesher.write((chunk[0], chunk[1], chunk[2]))
    here = fragments(unfinished)
    for name in here:
        (unfinished.mesh / name).unlink()
    done = subprocess.run(
        [sys.executable, "-m", "connectome.offline.mesh_worker", str(unfinished.path)],
        input="".join("{} {} {}\n".format(*chunk) for chunk in np.ndindex(GRID)),
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert done.stdout.count("fragments") == 6
    assert fragments(unfinished) == here


def test_a_helper_that_dies_is_an_error(unfinished: DatastackFolder) -> None:
    with MeshCrew(unfinished.path, GRID, 1) as crew:
        (pid,) = crew.pids
        os.kill(pid, signal.SIGTERM)
        crew.begin()
        with pytest.raises(MachineError, match="ended before its work was done"):
            crew.finish(lambda _share: None)


def test_an_error_of_a_helper_becomes_the_ingest_s(unfinished: DatastackFolder) -> None:
    with MeshCrew(unfinished.path, GRID, 1) as crew:
        (unfinished.mesh / "info").unlink()
        unfinished.mesh.rmdir()
        crew.begin()
        with pytest.raises(StorageError, match="cannot be written") as found:
            crew.finish(lambda _share: None)
        assert "Make room" in found.value.hint


def test_an_error_of_the_caller_ends_the_helpers(unfinished: DatastackFolder) -> None:
    crew = MeshCrew(unfinished.path, GRID, 2)

    def stop(_share: float) -> None:
        raise KeyboardInterrupt

    with crew:
        pids = crew.pids
        crew.begin()
        with pytest.raises(KeyboardInterrupt):
            crew.finish(stop)
    assert len(pids) == 2
    assert not crew.pids
    assert not [t for t in threading.enumerate() if t.name == "mesh-helper"]


def test_a_helper_ends_with_the_ingest_however_that_ends(unfinished: DatastackFolder) -> None:
    code = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from connectome.offline.mesh_crew import MeshCrew\n"
        f"crew = MeshCrew(Path(sys.argv[1]), {GRID}, 1)\n"
        "print(*crew.pids, flush=True)\n"
        "time.sleep(300)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code, str(unfinished.path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    assert parent.stderr is not None
    assert int(parent.stdout.readline()) > 0
    parent.kill()
    parent.wait(60)
    # The helper holds the other end of the error stream until it is gone.
    parent.stderr.read()
    parent.stdout.close()
    parent.stderr.close()


def test_small_work_needs_no_helper() -> None:
    assert helpers_for(2) == 0
    assert 0 <= helpers_for(10_000) <= 3
