"""Attributes of level-2 nodes against slow and plain computations."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from connectome.graph import GraphPoint
from connectome.offline.engine import GraphEngine
from connectome.offline.l2_attributes import measure_depths, measure_shapes
from connectome.offline.l2_store import ATTRIBUTES, L2Store
from connectome.offline.layout import DatastackFolder
from tests.contract.volumes import NAME, VOXEL_NM, ingest_tubes, tube_point

SIZE = (8.0, 4.0, 30.0)


@pytest.fixture(params=[1, 2, 3])
def labels(request: pytest.FixtureRequest) -> NDArray[np.uint32]:
    """Blobs of noise: some touch faces, some hold together badly, one is a voxel."""
    rng = np.random.default_rng(request.param)
    smooth = ndimage.gaussian_filter(rng.normal(size=(9, 17, 13)), 1.2)
    found = np.digitize(smooth, [-0.1, 0.0, 0.1]).astype(np.uint32)
    found[4, 8, 6] = 4
    return found


def voxels_of(labels: NDArray[np.uint32], label: int) -> NDArray[np.int64]:
    """Return the indices (x, y, z) of a label's voxels."""
    return np.argwhere(labels == label)[:, ::-1]


def test_sizes_and_faces(labels: NDArray[np.uint32]) -> None:
    shapes = measure_shapes(labels, 4, SIZE)
    top = np.asarray(labels.shape[::-1]) - 1
    for label in range(1, 5):
        own = voxels_of(labels, label)
        assert shapes.voxels[label - 1] == len(own)
        assert shapes.faces[label - 1].tolist() == [
            (own == 0).sum(axis=0).tolist(),
            (own == top).sum(axis=0).tolist(),
        ]


def test_area_counts_faces_inside_the_chunk(labels: NDArray[np.uint32]) -> None:
    shapes = measure_shapes(labels, 4, SIZE)
    faces = (SIZE[1] * SIZE[2], SIZE[0] * SIZE[2], SIZE[0] * SIZE[1])
    for label in range(1, 5):
        area = 0.0
        for axis, face in zip((2, 1, 0), faces, strict=True):
            inside = (labels == label).swapaxes(0, axis)
            area += face * int((inside[1:] != inside[:-1]).sum())
        assert shapes.area_nm2[label - 1] == pytest.approx(area)


def test_principal_axes(labels: NDArray[np.uint32]) -> None:
    shapes = measure_shapes(labels, 4, SIZE)
    for label in range(1, 4):
        places = voxels_of(labels, label) * np.asarray(SIZE)
        _, singular, axes = np.linalg.svd(places - places.mean(axis=0), full_matrices=False)
        assert shapes.pca_val[label - 1] == pytest.approx(singular, rel=1e-4)
        assert np.abs((shapes.pca[label - 1] * axes).sum(axis=1)) == pytest.approx(1, abs=1e-3)
        assert shapes.pca[label - 1][np.arange(3), np.abs(axes).argmax(axis=1)].min() > 0


def test_one_voxel_has_no_extent(labels: NDArray[np.uint32]) -> None:
    assert measure_shapes(labels, 4, SIZE).pca_val[3] == pytest.approx(0, abs=1e-3)
    depths = measure_depths(labels, 4, SIZE)
    assert depths.max_dt_nm[3] == depths.mean_dt_nm[3] == min(SIZE)
    assert depths.rep_voxel[3].tolist() == [6, 8, 4]


def test_depths(labels: NDArray[np.uint32]) -> None:
    depths = measure_depths(labels, 4, SIZE)
    for label in range(1, 4):
        transform = ndimage.distance_transform_edt(labels == label, sampling=SIZE[::-1])
        own = voxels_of(labels, label)
        deep = transform[own[:, 2], own[:, 1], own[:, 0]]
        assert depths.max_dt_nm[label - 1] == pytest.approx(deep.max(), rel=1e-5)
        assert depths.mean_dt_nm[label - 1] == pytest.approx(deep.mean(), rel=1e-5)
        away = np.linalg.norm((own - own.mean(axis=0)) * np.asarray(SIZE), axis=1)
        score = deep * (1 - away / away.max())
        x, y, z = depths.rep_voxel[label - 1]
        chosen = np.flatnonzero((own == (x, y, z)).all(axis=1))
        assert score[chosen] == pytest.approx(score.max(), rel=1e-5)


def test_a_chunk_that_is_one_node() -> None:
    full = np.ones((4, 4, 4), np.uint32)
    depths, shapes = measure_depths(full, 1, SIZE), measure_shapes(full, 1, SIZE)
    assert np.isfinite(depths.max_dt_nm).all()
    assert shapes.area_nm2[0] == 0
    assert shapes.faces[0].tolist() == [[16, 16, 16], [16, 16, 16]]


@pytest.fixture(scope="module")
def tubes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ingest_tubes(tmp_path_factory.mktemp("tubes") / "tubes")


@pytest.fixture
def engine(tubes: Path, tmp_path: Path) -> GraphEngine:
    folder = Path(shutil.copytree(tubes, tmp_path / "own"))
    return GraphEngine.open(DatastackFolder.open(folder))


def test_sizes_agree_with_the_graph(engine: GraphEngine) -> None:
    assert engine.folder.name == NAME
    base = engine.state.base
    store = L2Store(engine)
    found = store.attributes(base.l2_ids, ["size_nm3"])
    voxels = np.bincount(base.sv_l2, base.sv_sizes)
    sizes = [found[node]["size_nm3"] for node in base.l2_ids.tolist()]
    assert sizes == pytest.approx(voxels * np.prod(VOXEL_NM))
    store.close()


def test_places_lie_inside_their_nodes(engine: GraphEngine) -> None:
    store = L2Store(engine)
    nodes = engine.state.base.l2_ids
    for node, values in store.attributes(nodes).items():
        assert set(values) == set(ATTRIBUTES)
        x, y, z = np.asarray(values["rep_coord_nm"])
        own = engine.leaves(node)
        assert engine.resolve(GraphPoint(node, (x, y, z))) in own
    store.close()


def test_nodes_made_by_an_edit_and_those_it_replaced(engine: GraphEngine) -> None:
    from connectome.precomputed import PrecomputedSegmentation, PrecomputedVolume, supervoxel_at

    url = engine.folder.supervoxels.resolve().as_uri()
    segmentation = PrecomputedSegmentation(PrecomputedVolume(url))
    points = [tube_point(0, x) for x in (66, 78)]
    ends = [GraphPoint(supervoxel_at(segmentation, p), p) for p in points]
    store = L2Store(engine)
    before = engine.roots(np.asarray([e.supervoxel for e in ends], np.uint64), stop_layer=2)
    result = engine.merge(ends[0], ends[1], "1")
    assert result.new_l2
    after = store.attributes(np.asarray(result.new_l2, np.uint64))
    sizes = store.attributes(engine.state.base.l2_ids, ["size_nm3"])
    total = 0
    for node in result.new_l2:
        assert set(after[node]) == set(ATTRIBUTES)
        rows = engine.state.base.positions(engine.leaves(node))
        voxels = int(engine.state.base.sv_sizes[rows].sum())
        assert after[node]["size_nm3"] == voxels * np.prod(VOXEL_NM)
        total += voxels
    assert total > 0
    assert all(sizes[int(node)]["size_nm3"] for node in before)
    store.close()
    # What was measured is kept, and read again.
    again = L2Store(engine)
    assert again.attributes(np.asarray(result.new_l2, np.uint64)) == after
    again.close()


def test_what_is_no_level2_node_has_nothing(engine: GraphEngine) -> None:
    store = L2Store(engine)
    supervoxel, stranger = int(engine.state.base.sv_ids[0]), (2 << 56) | 999_999
    ids = np.asarray([supervoxel, stranger, 0], np.uint64)
    assert store.attributes(ids) == {supervoxel: {}, stranger: {}, 0: {}}
    assert store.attributes(np.zeros(0, np.uint64)) == {}
    store.close()


def test_a_damaged_cache_and_missing_arrays_cost_time_only(engine: GraphEngine) -> None:
    nodes = engine.state.base.l2_ids[:5]
    store = L2Store(engine)
    known = store.attributes(nodes)
    store.close()
    shutil.rmtree(engine.folder.base_graph / "l2")
    (engine.folder.path / "cache" / "l2.sqlite").write_bytes(b"not a database" * 100)
    for suffix in ("-wal", "-shm"):
        (engine.folder.path / "cache" / f"l2.sqlite{suffix}").unlink(missing_ok=True)
    fresh = L2Store(engine)
    assert fresh.attributes(nodes) == known
    fresh.close()
