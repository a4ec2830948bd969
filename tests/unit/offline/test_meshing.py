from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from connectome.datastack import Mesh
from connectome.errors import StorageError
from connectome.offline.engine import GraphEngine, OperationResult
from connectome.offline.layout import DatastackFolder
from connectome.offline.meshing import MeshStore
from connectome.offline.remeshing import Remesher
from connectome.offline.surfaces import decode, encode, surfaces
from tests.unit.offline.volumes import point_in, read_supervoxels


def volume_nm3(mesh: Mesh) -> float:
    corner = mesh.vertices_nm.astype(np.float64)[mesh.faces]
    return float(
        np.einsum("ij,ij->i", corner[:, 0], np.cross(corner[:, 1], corner[:, 2])).sum() / 6
    )


def test_vertices_are_world_nanometres() -> None:
    labels = np.zeros((12, 14, 16), dtype=np.uint32)
    labels[3:6, 4:8, 5:10] = 7
    (mesh,) = surfaces(labels, (100, 200, 300), (8.0, 8.0, 40.0)).values()
    low, high = mesh.vertices_nm.min(axis=0), mesh.vertices_nm.max(axis=0)
    assert np.allclose(low, [105 * 8, 204 * 8, 303 * 40], atol=4)
    assert np.allclose(high, [110 * 8, 208 * 8, 306 * 40], atol=4)


def test_draco_keeps_the_lattice() -> None:
    labels = np.zeros((12, 14, 16), dtype=np.uint32)
    labels[3:6, 4:8, 5:10] = 1
    (mesh,) = surfaces(labels, (0, 0, 0), (10.0, 10.0, 10.0)).values()
    back = decode(encode(mesh, 1))
    assert np.allclose(back.vertices_nm, np.rint(back.vertices_nm), atol=1e-3)
    assert np.allclose(back.vertices_nm.min(axis=0), mesh.vertices_nm.min(axis=0), atol=0.51)
    assert len(back.faces) == len(mesh.faces)


def test_every_l2_node_has_a_fragment_after_ingest(
    engine: GraphEngine, folder: DatastackFolder
) -> None:
    store = MeshStore(folder)
    on_disk = {file.name for file in folder.mesh.iterdir()} - {"info"}
    names: set[str] = set()
    for root in engine.current_roots().tolist():
        for l2, name in store.fragments(engine, root):
            names.add(store.path_of(name).name)
            assert store.read(l2).faces.size
            assert ":" not in store.path_of(name).name
    assert names == on_disk


def test_fragments_of_an_object_enclose_its_voxels(
    engine: GraphEngine, folder: DatastackFolder
) -> None:
    store = MeshStore(folder)
    supervoxels = read_supervoxels(folder)
    root = int(engine.roots(supervoxels[10, 10, 10][None])[0])
    ((l2, _),) = store.fragments(engine, root)
    voxels = int(engine.sizes(np.asarray([root], dtype=np.uint64))[0])
    assert abs(volume_nm3(store.read(l2))) == pytest.approx(voxels * 16**3, rel=0.05)


def test_fragments_meet_at_the_chunk_border(engine: GraphEngine, folder: DatastackFolder) -> None:
    store = MeshStore(folder)
    supervoxels = read_supervoxels(folder)
    root = int(engine.roots(supervoxels[10, 10, 60][None])[0])
    parts = [store.read(l2).vertices_nm for l2, _ in store.fragments(engine, root)]
    assert len(parts) == 2
    near, far = sorted(parts, key=lambda v: float(v[:, 0].min()))
    # Both reach across the border at voxel 64, and none is closed by a wall there.
    assert near[:, 0].max() == pytest.approx(64.5 * 16, abs=2)
    assert far[:, 0].min() == pytest.approx(63.5 * 16, abs=2)


def test_fragments_of_new_nodes_are_made_on_demand(
    engine: GraphEngine, folder: DatastackFolder
) -> None:
    store = MeshStore(folder)
    supervoxels = read_supervoxels(folder)
    a, b = point_in(supervoxels, (10, 10, 10)), point_in(supervoxels, (10, 10, 40))
    merged = engine.merge(a, b, "x")
    (l2,) = merged.new_l2
    assert not store.path_of(store.name_of(l2)).exists()
    assert [node for node, _ in store.fragments(engine, merged.new_roots[0])] == [l2]
    mesh = store.read(l2)
    voxels = int(engine.sizes(np.asarray(merged.new_roots, dtype=np.uint64))[0])
    assert abs(volume_nm3(mesh)) == pytest.approx(voxels * 16**3, rel=0.05)
    undone = engine.undo(1, "x")  # a replaced root still answers
    assert store.fragments(engine, merged.new_roots[0])
    assert all(store.fragments(engine, root) for root in undone.new_roots)


def test_meshes_of_an_edit_are_made_before_anybody_asks(
    engine: GraphEngine, folder: DatastackFolder
) -> None:
    store, supervoxels = MeshStore(folder), read_supervoxels(folder)
    with Remesher(engine, store) as remesher:
        a, b = point_in(supervoxels, (10, 10, 10)), point_in(supervoxels, (10, 10, 40))
        merged = engine.merge(a, b, "x")
        assert remesher.wait(60)
        (l2,) = merged.new_l2
        made = store.path_of(store.name_of(l2)).stat()
        assert store.fragments(engine, merged.new_roots[0]) == [(l2, store.name_of(l2))]
        assert store.path_of(store.name_of(l2)).stat().st_mtime_ns == made.st_mtime_ns
    undone = engine.undo(1, "x")  # after the end nobody follows
    assert not any(store.path_of(store.name_of(l2)).exists() for l2 in undone.new_l2)


def test_the_newest_mesh_is_made_first_and_a_failure_stops_nothing(
    engine: GraphEngine, folder: DatastackFolder, caplog: pytest.LogCaptureFixture
) -> None:
    made: list[int] = []
    begun, go_on = threading.Event(), threading.Event()

    class Recorder(MeshStore):
        def make(self, engine: GraphEngine, l2: int) -> None:
            begun.set()
            assert go_on.wait(60)
            made.append(l2)
            if l2 == 2:
                raise StorageError("full")

    with Remesher(engine, Recorder(folder)) as remesher:
        remesher.ask([0])
        assert begun.wait(60)
        remesher.ask([1, 2])
        remesher.ask([3])
        go_on.set()
        assert remesher.wait(60)
    assert made == [0, 3, 2, 1]
    assert "the mesh of 2 could not be made" in caplog.text
    remesher.close()


def test_a_listener_that_fails_does_not_fail_the_edit(
    engine: GraphEngine, folder: DatastackFolder, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_result: OperationResult) -> None:
        raise ValueError("nobody's fault")

    told: list[OperationResult] = []
    forget = engine.on_edit(fail)
    engine.on_edit(told.append)
    supervoxels = read_supervoxels(folder)
    a, b = point_in(supervoxels, (10, 10, 10)), point_in(supervoxels, (10, 10, 40))
    assert told == [engine.merge(a, b, "x")]
    assert "a listener failed" in caplog.text
    forget()
    caplog.clear()
    engine.undo(1, "x")
    assert len(told) == 2
    assert not caplog.records


def test_two_makers_make_a_fragment_once(engine: GraphEngine, folder: DatastackFolder) -> None:
    writes: list[int] = []

    class Counting(MeshStore):
        def write(self, l2: int, mesh: Mesh) -> None:
            writes.append(l2)
            super().write(l2, mesh)

    store, supervoxels = Counting(folder), read_supervoxels(folder)
    a, b = point_in(supervoxels, (10, 10, 10)), point_in(supervoxels, (10, 10, 40))
    (l2,) = engine.merge(a, b, "x").new_l2
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: store.make(engine, l2), range(8)))
    assert writes == [l2]


def test_a_name_that_is_none_is_refused(folder: DatastackFolder) -> None:
    store = MeshStore(folder)
    for name in ("../manifest.json", "1:0:0-1_0-1", "info", "1:1:0-1_0-1_0-1", "x:0:0-1_0-1_0-1"):
        with pytest.raises(ValueError, match="no name"):
            store.path_of(name)
