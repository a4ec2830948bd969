from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
from numpy.typing import NDArray

from connectome.datastack import Datastack
from connectome.errors import AuthError, EditRejectedError, NotFoundError, ServiceError
from connectome.graph import GraphPoint, MergeRequest
from connectome.offline.datastack import OfflineDatastack
from connectome.offline.service import RunningService
from connectome.opening import open_datastack
from connectome.precomputed import PrecomputedDatastack
from connectome.space import BoxNm
from tests.contract.datastack_contract import WHOLE, DatastackContract
from tests.contract.volumes import NAME, SHAPE_ZYX, VOXEL_NM, make_tubes, tube_point


class TestOfflineDatastack(DatastackContract):
    @pytest.fixture
    def datastack(self, folder: Path) -> Iterator[Datastack]:
        opened = OfflineDatastack(folder)
        yield opened
        opened.close()


class TestPrecomputedDatastack(DatastackContract):
    @pytest.fixture
    def datastack(self, tmp_path: Path) -> Iterator[Datastack]:
        tubes = make_tubes()
        write_precomputed(tmp_path / "flat", tubes.segmentation, "segmentation")
        write_precomputed(tmp_path / "em", tubes.em, "image")
        opened = PrecomputedDatastack(str(tmp_path / "flat"), str(tmp_path / "em"))
        yield opened
        opened.close()

    def test_it_takes_no_edits(self, datastack: Datastack) -> None:
        assert datastack.graph is None


class TestCaveDatastack(DatastackContract):
    """What is written for real servers, against the offline service over HTTP."""

    @pytest.fixture
    def datastack(self, service: RunningService, tmp_path: Path) -> Iterator[Datastack]:
        secrets = tmp_path / ".cloudvolume" / "secrets"
        secrets.mkdir(parents=True)
        (secrets / "cave-secret.json").write_text(json.dumps({"token": service.token}))
        opened = open_datastack(f"cave:{NAME}@{service.url}")
        yield opened
        opened.close()

    def test_listed_roots_are_those_in_the_volume(self, datastack: Datastack) -> None:
        with pytest.raises(ServiceError, match="cannot list"):
            datastack.segmentation.roots()

    def test_skeletons_run_along_their_segment(self, datastack: Datastack) -> None:
        with pytest.raises(ServiceError, match="cannot list"):
            next(datastack.skeletons.skeletons())

    def test_the_token_is_for_its_own_server(
        self, datastack: Datastack, service: RunningService
    ) -> None:
        sources = datastack.viewer_sources()
        assert sources.token_origins == (service.url,)
        assert sources.token_for is not None
        assert sources.token_for(service.url) == service.token
        assert service.token not in sources.segmentation
        with pytest.raises(AuthError, match=r"evil\.example"):
            sources.token_for("https://evil.example")

    def test_meshes_come_from_the_meshing_service(self, datastack: Datastack) -> None:
        assert datastack.graph is not None
        (joined,) = datastack.graph.merge(cut_request(datastack)).new_roots
        mesh = datastack.meshes.mesh(joined)
        assert np.ptp(mesh.vertices_nm[:, 0]) == pytest.approx(144 * 8, abs=16)
        part = datastack.meshes.mesh(joined, BoxNm.around(tube_point(0, 3), 8.0))
        assert 0 < len(part.faces) < len(mesh.faces)


def write_precomputed(path: Path, array: NDArray[Any], kind: str) -> None:
    from cloudvolume import CloudVolume

    info = CloudVolume.create_new_info(
        num_channels=1,
        layer_type=kind,
        data_type=str(array.dtype),
        encoding="raw",
        resolution=VOXEL_NM,
        voxel_offset=(0, 0, 0),
        volume_size=SHAPE_ZYX[::-1],
        chunk_size=(64, 64, 32),
    )
    volume = CloudVolume(path.resolve().as_uri(), info=info, progress=False, parallel=1)
    volume.commit_info()
    volume[:, :, :] = np.asfortranarray(array.T)


@pytest.fixture
def offline(folder: Path) -> Iterator[OfflineDatastack]:
    opened = OfflineDatastack(folder)
    yield opened
    opened.close()


def cut_request(datastack: Datastack, tube: int = 0) -> MergeRequest:
    a, b = (
        GraphPoint(datastack.supervoxel_at(point), point)
        for point in (tube_point(tube, 66), tube_point(tube, 78))
    )
    return MergeRequest(a, b)


def test_an_edit_shows_in_the_voxels_of_every_reader(
    offline: OfflineDatastack, folder: Path
) -> None:
    other = OfflineDatastack(folder)
    request = cut_request(offline)
    ids = np.array([request.a.supervoxel, request.b.supervoxel], np.uint64)
    before = offline.graph.roots(ids)
    receipt = offline.graph.merge(request)
    (joined,) = receipt.new_roots
    for reader in (offline, other):
        roots = reader.segmentation.read_roots(WHOLE).data
        assert (roots == joined).sum() == (make_tubes().groundtruth == 1).sum()
        assert joined in reader.segmentation.roots()
    assert offline.graph.is_latest(np.append(before, np.uint64(joined))).tolist() == [
        False,
        False,
        True,
    ]
    assert other.graph.roots(ids).tolist() == [joined, joined]
    with pytest.raises(EditRejectedError, match="must belong to different objects"):
        other.graph.merge(request)
    undone = other.graph.undo(receipt.operation_id)
    assert undone is not None
    assert len(set(offline.graph.roots(ids).tolist())) == 2
    assert offline.graph.undo(receipt.operation_id) is None
    assert offline.graph.undo(999) is None
    other.close()


def test_the_graph_tells_what_happened(offline: OfflineDatastack) -> None:
    graph, request = offline.graph, cut_request(offline)
    ids = np.array([request.a.supervoxel, request.b.supervoxel], np.uint64)
    before = graph.roots(ids)
    receipt = graph.merge(request)
    (joined,) = receipt.new_roots
    details = graph.operations([receipt.operation_id, 12345])
    assert set(details) == {receipt.operation_id}
    row = details[receipt.operation_id]
    assert row.applied
    assert row.new_roots == (joined,)
    assert row.added_edges == ((request.a.supervoxel, request.b.supervoxel),)
    distance = np.subtract(row.source_coords_nm[0], request.a.position_nm)
    assert (np.abs(distance) <= VOXEL_NM).all()
    lineage = graph.lineage(before.tolist())
    assert set(lineage.edges) == {(int(old), joined) for old in before}
    assert lineage.latest(int(before[0])) == {joined}
    (made,) = graph.root_timestamps(np.array([joined], np.uint64))
    assert made == row.timestamp == lineage.timestamps[joined]
    assert graph.roots(ids, timestamp=graph.root_timestamps(before)[0]).tolist() == before.tolist()
    undone = graph.undo(receipt.operation_id)
    assert undone is not None
    assert graph.operations([undone.operation_id])[undone.operation_id].undoes == 1


def test_leaves_within_a_box(offline: OfflineDatastack) -> None:
    graph, request = offline.graph, cut_request(offline)
    (root,) = graph.merge(request).new_roots
    everything = graph.leaves(root)
    near = graph.leaves(root, BoxNm.around(tube_point(0, 3), 8.0))
    assert request.b.supervoxel in everything
    assert request.b.supervoxel not in near
    assert 0 < len(near) < len(everything)


def test_meshes_of_roots_new_and_old(offline: OfflineDatastack) -> None:
    request = cut_request(offline)
    root = int(offline.graph.roots(np.array([request.a.supervoxel], np.uint64))[0])
    half = offline.meshes.mesh(root)
    (joined,) = offline.graph.merge(request).new_roots
    whole = offline.meshes.mesh(joined)
    assert np.ptp(half.vertices_nm[:, 0]) == pytest.approx(72 * 8, abs=16)
    assert np.ptp(whole.vertices_nm[:, 0]) == pytest.approx(144 * 8, abs=16)
    assert whole.faces.max() < len(whole.vertices_nm)
    part = offline.meshes.mesh(joined, BoxNm.around(tube_point(0, 3), 8.0))
    assert 0 < len(part.faces) < len(whole.faces)
    with pytest.raises(NotFoundError):
        offline.meshes.mesh(joined, BoxNm.around((-500.0, 0.0, 0.0), 8.0))


def test_truth_for_scoring(offline: OfflineDatastack) -> None:
    assert offline.groundtruth is not None
    truth = offline.groundtruth.read_roots(WHOLE).data
    assert np.array_equal(truth, make_tubes().groundtruth)


def test_what_the_viewer_is_given_can_be_read(offline: OfflineDatastack) -> None:
    sources = offline.viewer_sources()
    assert f"/segmentation/table/{NAME}" in sources.segmentation
    images = sources.imagery.removeprefix("precomputed://")
    assert requests.get(f"{images}/info", timeout=5).json()["data_type"] == "uint8"
    table = sources.segmentation.removeprefix("graphene://")
    assert requests.get(f"{table}/info", timeout=5).json()["graph"]["n_layers"] >= 3


def test_the_service_of_another_process_is_used(offline: OfflineDatastack, folder: Path) -> None:
    program = (
        "import sys\n"
        "from connectome.offline.service import run\n"
        "run(sys.argv[1], ready=lambda service: print(service.url, flush=True))\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(folder)], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            assert offline.service().url == url
            (joined,) = offline.graph.merge(cut_request(offline)).new_roots
            assert joined in offline.segmentation.roots()
        finally:
            process.terminate()
        assert process.wait(30) == 0
    # The other process is gone; the next edit starts a service here.
    assert offline.service().url.startswith("http://127.0.0.1:")
    offline.graph.merge(cut_request(offline, tube=1))


def test_an_edit_outlives_the_service(folder: Path) -> None:
    first = OfflineDatastack(folder)
    (joined,) = first.graph.merge(cut_request(first)).new_roots
    first.close()
    second = OfflineDatastack(folder)
    assert joined in second.segmentation.roots()
    second.close()
