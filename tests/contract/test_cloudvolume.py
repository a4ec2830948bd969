"""The unmodified CloudVolume, on ``graphene://`` at the offline service."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from connectome.offline.service import RunningService
from tests.contract.volumes import NAME, SHAPE_ZYX, VOXEL_NM, make_tubes, tube_point


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


def test_mesh_of_a_merged_root_is_there_at_once(volume: Any, service: RunningService) -> None:
    from connectome.graph import GraphPoint

    ends = [tube_point(0, 66), tube_point(0, 78)]
    ids = _supervoxels(service, *ends)
    points = [GraphPoint(int(i), p) for i, p in zip(ids, ends, strict=True)]
    (root,) = service.engine.merge(points[0], points[1], "1").new_roots
    mesh = volume.mesh.get(root)[root]
    assert np.ptp(mesh.vertices[:, 0]) == pytest.approx(144 * VOXEL_NM[0], abs=2 * VOXEL_NM[0])


def _supervoxels(service: RunningService, *points: tuple[float, float, float]) -> Any:
    from connectome.precomputed import PrecomputedSegmentation, PrecomputedVolume, supervoxel_at

    url = service.engine.folder.supervoxels.resolve().as_uri()
    segmentation = PrecomputedSegmentation(PrecomputedVolume(url))
    return np.array([supervoxel_at(segmentation, point) for point in points], np.uint64)
