"""The unmodified CloudVolume, on ``graphene://`` at the offline service."""

from __future__ import annotations

import math
import time
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from connectome.graph import Ids
from connectome.offline.service import RunningService
from tests.contract.volumes import (
    NAME,
    SHAPE_ZYX,
    VOXEL_NM,
    make_tubes,
    supervoxels_at,
    tube_point,
)


@pytest.fixture
def volume(service: RunningService) -> Any:
    from cloudvolume import CloudVolume

    return CloudVolume(
        f"graphene://{service.url}/segmentation/table/{NAME}",
        secrets={"token": service.token},
        use_https=False,
        progress=False,
        parallel=1,
    )


def test_agglomerated_voxels_are_the_segmentation(volume: Any) -> None:
    from cloudvolume import Bbox

    nz, ny, nx = SHAPE_ZYX
    found = volume.download(Bbox((0, 0, 0), (nx, ny, nz)), agglomerate=True)
    roots = np.asarray(found)[..., 0].T
    given = make_tubes().segmentation
    pairs = np.unique(np.stack([roots.ravel(), given.ravel()]), axis=1)
    assert pairs.shape[1] == len(np.unique(given)) == len(np.unique(roots))
    assert (roots[given == 0] == 0).all()


def test_the_path_that_caveclient_gives_opens_too(service: RunningService) -> None:
    from caveclient import CAVEclient
    from cloudvolume import CloudVolume

    client = CAVEclient(
        NAME, server_address=service.url, auth_token=service.token, write_server_cache=False
    )
    path = client.chunkedgraph.cloudvolume_path
    volume = CloudVolume(path, secrets={"token": service.token}, progress=False)
    assert tuple(volume.meta.volume_size(0)) == SHAPE_ZYX[::-1]


def test_supervoxels_are_those_on_disk(volume: Any, service: RunningService) -> None:
    flat = np.asarray(volume.download(volume.bounds, agglomerate=False))[..., 0].T
    assert set(np.unique(flat[flat > 0]).tolist()) == set(_all_leaves(service).tolist())
    assert ((flat > 0) == (make_tubes().segmentation > 0)).all()
    assert np.array_equal(flat, np.asarray(volume.download(volume.bounds))[..., 0].T)
    same = volume.download(volume.bounds, agglomerate=True, stop_layer=1)
    assert np.array_equal(flat, np.asarray(same)[..., 0].T)


# No node lies in layer 3: there a level-2 node is the highest, directly below its root.
@pytest.mark.parametrize(("layer", "found_in"), [(2, 2), (3, 2), (4, 4)])
def test_voxels_of_every_layer(
    volume: Any, service: RunningService, layer: int, found_in: int
) -> None:
    assert volume.meta.n_layers == 4
    flat = np.asarray(volume.download(volume.bounds, agglomerate=False))[..., 0]
    found = volume.download(volume.bounds, agglomerate=True, stop_layer=layer)
    expected = service.engine.roots(flat.ravel(), stop_layer=layer)
    assert np.array_equal(np.asarray(found)[..., 0].ravel(), expected)
    assert set(np.unique(expected[expected > 0] >> np.uint64(56)).tolist()) == {found_in}


def test_one_object_alone(volume: Any, service: RunningService) -> None:
    root = int(service.engine.current_roots()[0])
    found = np.asarray(volume.download(volume.bounds, agglomerate=True, label=root))[..., 0]
    whole = np.asarray(volume.download(volume.bounds, agglomerate=True))[..., 0]
    assert found.any()
    assert np.array_equal(found.astype(bool), whole == root)


def test_voxels_of_the_past(volume: Any, service: RunningService) -> None:
    engine = service.engine
    # cloud-volume asks for whole seconds, rounded up: the edit needs a second of its own.
    time.sleep(max(0.0, engine.oldest_timestamp() + 2 - time.time()))
    root = _merge(service)
    made = float(engine.root_timestamps(np.array([root], np.uint64))[0])
    leaves = engine.leaves(root)
    before = engine.roots(leaves, timestamp=made - 0.001)
    assert root not in before
    for moment in (math.floor(made), math.floor(made) - 0.5, str(_utc(math.floor(made)))):
        assert np.array_equal(volume.get_roots(leaves, timestamp=moment), before)
    # A time within the edit's second is asked for as the second's end.
    for later in (made - 0.001, datetime.fromtimestamp(made, UTC), math.ceil(made), None):
        assert set(volume.get_roots(leaves, timestamp=later).tolist()) == {root}
    now, then = (
        np.asarray(volume.download(volume.bounds, agglomerate=True, timestamp=at))[..., 0]
        for at in (None, math.floor(made))
    )
    inside = now == root
    assert set(np.unique(then[inside]).tolist()) == set(before.tolist())
    assert np.array_equal(now[~inside], then[~inside])


def test_supervoxels_of_a_chunk(volume: Any, service: RunningService) -> None:
    engine = service.engine
    root = _merge(service)
    for node in engine.leaves(root, stop_layer=2).tolist():
        mapping = volume.get_chunk_mappings(node)
        assert sorted(map(int, mapping[np.uint64(node)])) == engine.leaves(node).tolist()
        svs = np.array([sv for group in mapping.values() for sv in group], np.uint64)
        tops = [int(l2) for l2, group in mapping.items() for _ in group]
        assert engine.roots(svs, stop_layer=2).tolist() == tops
        place = engine.layout.chunk_of(np.uint64(node), 2)
        mine = engine.layout.chunk_of(_all_leaves(service), 1)
        assert len(svs) == int((mine == place).all(axis=1).sum())
    early = volume.get_chunk_mappings(node, timestamp=engine.oldest_timestamp() - 5)
    assert {int(l2) for l2 in early} == {
        int(l2) for l2 in engine.roots(svs, engine.oldest_timestamp(), 2)
    }


def test_bounds_and_leaves_of_a_layer(volume: Any, service: RunningService) -> None:
    assert tuple(volume.bounds.size3()) == SHAPE_ZYX[::-1]
    assert list(volume.meta.graph_chunk_size) == list(service.engine.layout.chunk_size)
    root = _merge(service)
    level2 = volume.get_leaves(root, volume.bounds, 0, stop_layer=2)
    assert sorted(level2.tolist()) == service.engine.leaves(root, stop_layer=2).tolist()


def test_leaves_within_a_box(volume: Any, service: RunningService) -> None:
    from cloudvolume import Bbox

    root = int(service.engine.current_roots()[0])
    leaves = volume.get_leaves(root, Bbox((0, 0, 0), (144, 72, 40)), 0)
    assert sorted(np.asarray(leaves).tolist()) == service.engine.leaves(root).tolist()


def test_mesh_lies_where_the_segment_is(volume: Any, service: RunningService) -> None:
    root = int(service.engine.roots(_supervoxels(service, tube_point(0, 10)))[0])
    mesh = volume.mesh.get(root)[root]
    low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
    expected_low, expected_high = np.array([0, 2, 2]) * VOXEL_NM, np.array([72, 12, 12]) * VOXEL_NM
    assert (np.abs(low - expected_low) <= 1.5 * np.array(VOXEL_NM)).all()
    assert (np.abs(high - expected_high) <= 1.5 * np.array(VOXEL_NM)).all()


def test_mesh_within_a_box(volume: Any, service: RunningService) -> None:
    from cloudvolume import Bbox

    root = _merge(service)
    chunk = service.engine.layout.chunk_size
    box = Bbox((0, 0, 0), chunk)
    part = volume.mesh.get(root, bounding_box=box)[root]
    assert part.vertices[:, 0].max() <= (chunk[0] + 1) * VOXEL_NM[0]
    whole = volume.mesh.get(root)[root]
    assert len(part.vertices) < len(whole.vertices)


def test_mesh_of_a_merged_root_is_there_at_once(volume: Any, service: RunningService) -> None:
    root = _merge(service)
    mesh = volume.mesh.get(root)[root]
    assert np.ptp(mesh.vertices[:, 0]) == pytest.approx(144 * VOXEL_NM[0], abs=2 * VOXEL_NM[0])


def test_meshes_of_both_halves_are_there_after_an_undo(
    volume: Any, service: RunningService
) -> None:
    _merge(service)
    halves = service.engine.undo(1, "1").new_roots
    meshes = volume.mesh.get(list(halves))
    for root in halves:
        width = np.ptp(meshes[root].vertices[:, 0])
        assert width == pytest.approx(72 * VOXEL_NM[0], abs=2 * VOXEL_NM[0])


def _merge(service: RunningService) -> int:
    """Join the halves of the first tube and return the root."""
    from connectome.graph import GraphPoint

    ends = [tube_point(0, 66), tube_point(0, 78)]
    ids = _supervoxels(service, *ends)
    points = [GraphPoint(int(i), p) for i, p in zip(ids, ends, strict=True)]
    (root,) = service.engine.merge(points[0], points[1], "1").new_roots
    return root


def _all_leaves(service: RunningService) -> Ids:
    engine = service.engine
    return np.concatenate([engine.leaves(int(root)) for root in engine.current_roots()])


def _utc(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _supervoxels(service: RunningService, *points: tuple[float, float, float]) -> Ids:
    return np.array(supervoxels_at(service.engine.folder, *points), np.uint64)
