"""The unmodified skeleton client against the offline service."""

from __future__ import annotations

import gzip
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests

from connectome.offline.service import RunningService
from tests.contract.members import driven, members
from tests.contract.volumes import NAME, VOXEL_NM


@pytest.fixture
def roots(service: RunningService) -> list[int]:
    """All objects, the largest first."""
    found = service.engine.current_roots()
    order = np.argsort(-service.engine.sizes(found), kind="stable")
    return [int(root) for root in found[order]]


def check(record: dict[str, Any], root: int, service: RunningService) -> None:
    """Assert that a skeleton lies in its object."""
    vertices = np.asarray(record["vertices"])
    n = len(vertices)
    assert n > 1
    assert len(record["edges"]) == n - 1
    assert np.max(record["edges"]) < n
    assert len(record["radius"]) == len(record["compartment"]) == n
    assert np.min(record["radius"]) > 0
    assert record["meta"]["root_id"] == root
    nodes = service.engine.leaves(root, stop_layer=2)
    assert list(record["lvl2_ids"]) == nodes.tolist()
    assert len(record["mesh_to_skel_map"]) == len(nodes)
    assert 0 <= np.min(record["mesh_to_skel_map"]) <= np.max(record["mesh_to_skel_map"]) < n
    from connectome.precomputed import PrecomputedSegmentation, PrecomputedVolume, supervoxel_at

    url = service.engine.folder.supervoxels.resolve().as_uri()
    segmentation = PrecomputedSegmentation(PrecomputedVolume(url))
    own = set(service.engine.leaves(root).tolist())
    for x, y, z in vertices[:: max(1, n // 10)].tolist():
        assert supervoxel_at(segmentation, (x, y, z)) in own


PACKING = {
    "compressDictToBytes",
    "compressStringToBytes",
    "decompressBytesToDict",
    "decompressBytesToString",
}
"""Helpers of the client that send nothing."""


def test_every_member_of_the_client_is_driven() -> None:
    from caveclient.skeletonservice import SkeletonClient

    assert members(SkeletonClient) - driven("client.skeleton") == PACKING


def test_versions(client: Any) -> None:
    assert 4 in client.skeleton.get_versions()
    assert str(client.skeleton.get_version()).endswith("+offline")
    info = client.skeleton.get_precomputed_skeleton_info(4)
    assert info["@type"] == "neuroglancer_skeletons"
    assert [entry["id"] for entry in info["vertex_attributes"]] == ["radius", "compartment"]
    assert len(client.skeleton.get_refusal_list()) == 0


def test_one_skeleton(client: Any, service: RunningService, roots: list[int]) -> None:
    root = roots[0]
    assert client.skeleton.skeletons_exist(root_ids=root) is False
    assert client.skeleton.get_cache_contents()["num_found"] == 0
    record = client.skeleton.get_skeleton(root)
    check(record, root, service)
    again = client.skeleton.get_skeleton(root)
    assert np.array_equal(again["vertices"], record["vertices"])
    assert client.skeleton.skeletons_exist(root_ids=roots[:2]) == {roots[0]: True, roots[1]: False}
    assert client.skeleton.get_cache_contents()["num_found"] == 1
    assert client.skeleton.get_cache_contents(root_id_prefixes=[roots[1]])["num_found"] == 0

    table = client.skeleton.get_skeleton(root, output_format="swc")
    assert len(table) == len(record["vertices"])
    assert (table["parent"] == -1).sum() == 1
    assert (table["parent"] < table["id"]).all()
    low, high = table[["x", "y", "z"]].min(), table[["x", "y", "z"]].max()
    assert low.tolist() == pytest.approx(record["vertices"].min(axis=0) / 1000, rel=1e-4)
    assert high.tolist() == pytest.approx(record["vertices"].max(axis=0) / 1000, rel=1e-4)

    with pytest.raises(ValueError, match="Invalid root id"):
        client.skeleton.get_skeleton(int(service.engine.leaves(root)[0]))
    with pytest.raises(ValueError, match="Unknown skeleton version"):
        client.skeleton.get_skeleton(root, skeleton_version=3)


def test_in_bulk(client: Any, service: RunningService, roots: list[int]) -> None:
    first, second = roots[:2]
    assert client.skeleton.get_bulk_skeletons([first, second]) == {}
    client.skeleton.get_skeleton(first)
    found = client.skeleton.get_bulk_skeletons([first, second])
    assert set(found) == {str(first)}
    check(found[str(first)], first, service)
    swc = client.skeleton.get_bulk_skeletons([first], output_format="swc")[str(first)]
    assert len(swc) == len(found[str(first)]["vertices"])
    assert client.skeleton.generate_bulk_skeletons_async([second], skeleton_version=4) == 60.0
    wait_until(lambda: client.skeleton.skeletons_exist(root_ids=second))
    kept = client.skeleton.fetch_skeletons([first, second, 5])
    assert set(kept) == {str(first), str(second)}
    check(kept[str(second)], second, service)
    tables = client.skeleton.fetch_skeletons([first], output_format="swc")
    assert len(tables[str(first)]) == len(swc)


def wait_until(true: Any) -> None:
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end
        threading.Event().wait(0.05)


def test_precomputed(client: Any, service: RunningService, roots: list[int]) -> None:
    # What the info record names is what a viewer reads, without a token.
    source = client.info.get_datastack_info()["skeleton_source"].removeprefix("precomputed://")
    base = f"{service.viewer_prefix}/skeletoncache/api/v1/{NAME}/precomputed/skeleton/4"
    content = requests.get(f"{base}/{roots[0]}", timeout=60).content
    n, m = np.frombuffer(content[:8], "<u4").tolist()
    assert len(content) == 8 + 12 * n + 8 * m + 4 * n + n
    wide = requests.get(f"{source}/{roots[0]}", timeout=60).content
    assert len(wide) == len(content) + 3 * n
    info = requests.get(f"{source}/info", timeout=10).json()
    assert {entry["data_type"] for entry in info["vertex_attributes"]} == {"float32"}
    vertices = np.frombuffer(content, "<f4", 3 * n, 8).reshape(-1, 3)
    grid = vertices / np.asarray(VOXEL_NM) - 0.5
    assert np.allclose(grid, np.rint(grid), atol=1e-3)


def test_many_who_ask_at_once_get_one_tracing(
    service: RunningService, roots: list[int], folder: Path
) -> None:
    url = f"{service.viewer_prefix}/skeletoncache/api/v1/{NAME}/async/get_skeleton/4/{roots[0]}"
    answers: list[bytes] = []

    def ask() -> None:
        answers.append(requests.get(f"{url}/flatdict", timeout=60).content)

    threads = [threading.Thread(target=ask) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 5
    assert len(set(answers)) == 1
    assert gzip.decompress(answers[0]).startswith(b"{")
    assert [path.name for path in (folder / "cache" / "skeletons").iterdir()] == [f"{roots[0]}.npz"]


def test_those_who_wait_leave_threads_to_others(
    service: RunningService, roots: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    from connectome.offline.skeleton_worker import SkeletonWorker

    store, go = service._state.skeletons, threading.Event()
    trace = SkeletonWorker.trace

    def slow(worker: SkeletonWorker, job: Any) -> Any:
        assert go.wait(60)
        return trace(worker, job)

    monkeypatch.setattr(SkeletonWorker, "trace", slow)
    base = f"{service.viewer_prefix}/skeletoncache/api/v1/{NAME}/async/get_skeleton/4"
    answers: list[int] = []

    def ask(root: int) -> None:
        answers.append(requests.get(f"{base}/{root}/swc", timeout=60).status_code)

    threads = [threading.Thread(target=ask, args=(root,)) for root in roots[:4] * 2]
    for thread in threads:
        thread.start()
    wait_until(lambda: store.waiting == 8)
    ask(roots[0])
    assert answers == [429]
    go.set()
    for thread in threads:
        thread.join()
    assert answers == [429, *[200] * 8]


def test_a_damaged_skeleton_is_traced_again(
    service: RunningService, roots: list[int], folder: Path
) -> None:
    kept = folder / "cache" / "skeletons" / f"{roots[0]}.npz"
    kept.write_bytes(b"PK\x03\x04 nothing")
    url = f"{service.viewer_prefix}/skeletoncache/api/v1/{NAME}/async/get_skeleton/4/{roots[0]}/swc"
    answer = requests.get(url, timeout=60)
    assert answer.status_code == 200
    assert len(answer.text.splitlines()) > 1
    assert len(kept.read_bytes()) > 100


def test_our_own_client_takes_them(service: RunningService, roots: list[int], folder: Path) -> None:
    from connectome.cave import CaveGraph, connect
    from connectome.cave.skeletons import CaveSkeletons

    connection = connect(NAME, service.url, service.token)
    try:
        (found,) = CaveSkeletons(connection, CaveGraph(connection)).skeletons(roots[:1])
    finally:
        connection.close()
    assert found.root == roots[0]
    assert len(found.edges) == len(found.vertices_nm) - 1 > 0
    # The coarse one of the level-2 graph would have left no skeleton behind.
    kept = (folder / "cache" / "skeletons").iterdir()
    assert [path.stem for path in kept] == [str(roots[0])]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("precomputed/skeleton/4/x", 400),
        ("precomputed/skeleton/4/123", 400),
        ("precomputed/skeleton/99/info", 400),
        ("precomputed/skeleton/exists/4/1,x", 400),
        ("precomputed/skeleton/query_cache/4/0/x", 400),
        ("async/get_skeleton/4/123/flatdict", 400),
        ("async/get_skeleton/4/123/obj", 400),
        ("async/get_skeleton/four/123/flatdict", 400),
        ("bulk/get_skeletons/4/obj/False/1", 400),
        ("bulk/gen_skeletons/4/99999999999999999999999", 400),
    ],
)
def test_what_cannot_be_understood_is_refused(
    service: RunningService, path: str, status: int
) -> None:
    base = f"{service.viewer_prefix}/skeletoncache/api/v1"
    assert requests.get(f"{base}/{NAME}/{path}", timeout=10).status_code == status
    assert requests.get(f"{base}/other/{path}", timeout=10).status_code in (400, 404)


def test_stopping_in_the_middle_of_a_tracing(folder: Path) -> None:
    from connectome.offline.service import serve

    with serve(folder) as service:
        ids = service.engine.current_roots()[:20].tolist()
        url = f"{service.viewer_prefix}/skeletoncache/api/v1/{NAME}/bulk/gen_skeletons"
        assert requests.post(url, json={"root_ids": ids}, timeout=10).json() > 0
        started = time.monotonic()
    assert time.monotonic() - started < 20
    names = {thread.name for thread in threading.enumerate()}
    assert "skeletons" not in names
