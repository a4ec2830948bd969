"""Who may speak to the offline service, and in which form it answers."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests

from connectome.errors import DatastackError, InputError, PortInUseError
from connectome.offline.service import RunningService, find_running, serve, serve_files
from tests.contract.volumes import NAME, SHAPE_ZYX

TABLE = f"/segmentation/api/v1/table/{NAME}"
GRAPHENE = f"/segmentation/table/{NAME}/info"


@pytest.fixture
def web(service: RunningService) -> Any:
    with requests.Session() as session:
        session.trust_env = False
        session.headers["Authorization"] = f"Bearer {service.token}"
        yield session


@pytest.fixture
def root(service: RunningService) -> int:
    return int(service.engine.current_roots()[0])


def test_nothing_but_versions_without_a_token(service: RunningService) -> None:
    assert requests.get(f"{service.url}/info/version", timeout=5).status_code == 200
    for path in (GRAPHENE, "/info/api/v2/datastacks", "/precomputed/em/info"):
        answer = requests.get(service.url + path, timeout=5)
        assert answer.status_code == 401
        assert answer.json()["error"] == "no_token"
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    wrong = {"Authorization": "Bearer " + "0" * 32}
    answer = requests.get(service.url + GRAPHENE, headers=wrong, timeout=5)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_token")


def test_the_secret_path_reads_but_never_edits(service: RunningService, root: int) -> None:
    prefix = service.viewer_prefix
    assert requests.get(prefix + GRAPHENE, timeout=5).status_code == 200
    reading = requests.post(
        f"{prefix}{TABLE}/is_latest_roots", data=json.dumps({"node_ids": [str(root)]}), timeout=5
    )
    assert reading.json() == {"is_latest": [True]}
    for edit in ("merge", "undo"):
        answer = requests.post(f"{prefix}{TABLE}/{edit}", data="[]", timeout=5)
        assert answer.status_code == 403
        assert answer.json()["error"] == "missing_permission"
        assert answer.json()["data"] == {"required_permission": "edit", "auth_dataset": NAME}
    assert requests.get(f"{prefix}/auth/api/v1/user/token", timeout=5).status_code == 403
    wrong = f"{service.url}/t/{'0' * 32}{GRAPHENE}"
    assert requests.get(wrong, timeout=5).status_code == 404


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", ""])
def test_other_host_names_are_refused(web: Any, service: RunningService, host: str) -> None:
    answer = web.get(service.url + "/info/version", headers={"Host": host}, timeout=5)
    assert answer.status_code in (400, 403)


def test_other_origins_are_refused(web: Any, service: RunningService) -> None:
    for origin in ("https://evil.example", "null", "http://127.0.0.1.evil.example"):
        answer = web.get(service.url + GRAPHENE, headers={"Origin": origin}, timeout=5)
        assert answer.status_code == 403
        assert "Access-Control-Allow-Origin" not in answer.headers


def test_pages_of_this_machine_may_read_errors_too(service: RunningService) -> None:
    origin = {"Origin": "http://127.0.0.1:4321"}
    for path in (GRAPHENE, "/nowhere", f"/t/{'0' * 32}/x"):
        answer = requests.get(service.url + path, headers=origin, timeout=5)
        assert answer.status_code >= 400
        assert answer.headers["Access-Control-Allow-Origin"] == origin["Origin"]
        assert answer.headers["Content-Type"] == "application/json"
        assert answer.json()["code"] == answer.status_code
    ask = requests.options(f"{service.viewer_prefix}{GRAPHENE}", headers=origin, timeout=5)
    assert ask.status_code == 204
    assert "Authorization" in ask.headers["Access-Control-Allow-Headers"]


@pytest.mark.parametrize(
    "path",
    [
        "/precomputed/%2e%2e/manifest.json",
        "/precomputed/em/%2e%2e/%2e%2e/service.json",
        "/precomputed/em/..%2f..%2fservice.json",
        "/precomputed/..%5cservice.json",
        "/precomputed//etc/passwd",
        "/precomputed/%2fetc/passwd",
        "/precomputed/supervoxels/mesh/%2e%2e%2finfo",
        "/precomputed/supervoxels/mesh/..",
        "/precomputed/em/%00",
    ],
)
def test_no_way_out_of_the_folder(web: Any, service: RunningService, path: str) -> None:
    request = web.prepare_request(requests.Request("GET", service.url))
    request.url = service.viewer_prefix + path
    answer = web.send(request, timeout=5)
    assert answer.status_code == 404
    assert service.token not in answer.text


def test_ids_are_strings_on_request(web: Any, service: RunningService, root: int) -> None:
    assert root > 2**53
    leaf = service.engine.leaves(root)[0]
    url = f"{service.url}{TABLE}/node/{leaf}/root"
    assert web.get(url, timeout=5).json() == {"root_id": root}
    assert web.get(url + "?int64_as_str=1", timeout=5).json() == {"root_id": str(root)}
    leaves = web.get(f"{service.url}{TABLE}/node/{root}/leaves?int64_as_str=1", timeout=5).json()
    assert leaves == {"leaf_ids": [str(i) for i in service.engine.leaves(root)]}


@pytest.mark.parametrize("path", ["node/leaves_many", "leaves_many"])
def test_text_bodies_are_json(web: Any, service: RunningService, root: int, path: str) -> None:
    x = SHAPE_ZYX[2]
    answer = web.post(
        f"{service.url}{TABLE}/{path}?int64_as_str=1&bounds=0-{x}_0-{x}_0-{x}",
        data=json.dumps({"node_ids": [str(root)]}),
        headers={"Content-Type": "text/plain"},
        timeout=5,
    )
    assert answer.json() == {str(root): [str(i) for i in service.engine.leaves(root)]}


def test_packed_bodies(web: Any, service: RunningService, root: int) -> None:
    leaves = service.engine.leaves(root)
    url, packed = f"{service.url}{TABLE}/roots_binary", {"Content-Encoding": "gzip"}
    body = leaves.astype("<u8").tobytes()
    answer = web.post(url, data=gzip.compress(body), headers=packed, timeout=5)
    assert set(np.frombuffer(answer.content, "<u8").tolist()) == {root}
    for broken in (b"\x1f\x8b broken", gzip.compress(body)[:-10], gzip.compress(body)[:30]):
        assert web.post(url, data=broken, headers=packed, timeout=5).status_code == 400
    bomb = gzip.compress(bytes(80 << 20))
    assert web.post(url, data=bomb, headers=packed, timeout=30).status_code == 413


def test_bad_reads_are_explained(web: Any, service: RunningService, root: int) -> None:
    base = service.url + TABLE
    cases = [
        web.post(f"{base}/roots_binary", data=b"123", timeout=5),
        web.post(f"{base}/is_latest_roots", data=b"{", timeout=5),
        web.post(f"{base}/is_latest_roots", data=b'{"node_ids": [1.5]}', timeout=5),
        web.post(f"{base}/is_latest_roots", data=b'{"node_ids": [-1]}', timeout=5),
        web.get(f"{base}/node/none/root", timeout=5),
        web.get(f"{base}/node/{root}/leaves?bounds=1-2", timeout=5),
        web.get(f"{base}/node/12345/root", timeout=5),
        web.get(f"{base}/operation_details?operation_ids=x", timeout=5),
        web.get(f"{service.url}/meshing/api/v1/table/{NAME}/manifest/x:0", timeout=5),
    ]
    for answer in cases:
        assert answer.status_code == 400
        assert answer.json()["message"].startswith("[400]: ")
    other = web.get(f"{service.url}/segmentation/table/other/info", timeout=5)
    assert other.status_code == 404
    assert web.get(f"{base}/merge", timeout=5).status_code == 405


def test_bad_edits_change_nothing(web: Any, service: RunningService, root: int) -> None:
    leaf = int(service.engine.leaves(root)[0])
    before = service.engine.current_roots().tolist()
    bodies: list[Any] = [
        [[leaf, 0, 0, 0]],
        [[leaf, 0, 0, 0]] * 3,
        [[leaf, 0, 0, 0]] * 2,
        [[leaf, 0, 0], [leaf, 0, 0, 0]],
        [["x", 0, 0, 0], [leaf, 0, 0, 0]],
        [[leaf, "NaN", 0, 0], [leaf, 0, 0, 0]],
        {"sources": []},
    ]
    for body in bodies:
        answer = web.post(f"{service.url}{TABLE}/merge", data=json.dumps(body), timeout=5)
        assert answer.status_code in (400, 500)
        assert answer.json()["code"] == answer.status_code
    long = web.post(f"{service.url}{TABLE}/merge", data=bytes(2 << 20), timeout=5)
    assert long.status_code == 400
    assert web.post(f"{service.url}{TABLE}/undo", data="{}", timeout=5).status_code == 400
    assert service.engine.current_roots().tolist() == before


def test_files_with_head_and_range(web: Any, service: RunningService, folder: Path) -> None:
    url = f"{service.viewer_prefix}/precomputed/supervoxels/info"
    whole = requests.get(url, timeout=5)
    assert whole.json()["data_type"] == "uint64"
    assert whole.headers["Content-Type"] == "application/json"
    head = requests.head(url, timeout=5)
    assert head.content == b""
    assert int(head.headers["Content-Length"]) == len(whole.content)
    part = requests.get(url, headers={"Range": "bytes=2-5"}, timeout=5)
    assert (part.status_code, part.content) == (206, whole.content[2:6])
    assert part.headers["Content-Range"] == f"bytes 2-5/{len(whole.content)}"
    assert requests.get(url.replace("/supervoxels", "//supervoxels"), timeout=5).ok


def test_chunks_packed_on_disk_can_be_read_either_way(
    service: RunningService, folder: Path
) -> None:
    scale = json.loads((folder / "precomputed/em/info").read_text())["scales"][0]["key"]
    chunk = sorted((folder / "precomputed/em" / scale).iterdir())[0]
    url = f"{service.viewer_prefix}/precomputed/em/{scale}/{chunk.name.removesuffix('.gz')}"
    plain = requests.get(url, headers={"Accept-Encoding": "identity"}, timeout=5)
    packed = requests.get(url, headers={"Accept-Encoding": "gzip"}, timeout=5)
    assert plain.content == packed.content
    assert "Content-Encoding" not in plain.headers


def test_manifest_and_fragments_for_neuroglancer(service: RunningService, root: int) -> None:
    prefix = service.viewer_prefix
    info = requests.get(prefix + GRAPHENE, timeout=5).json()
    assert requests.get(f"{info['data_dir']}/{info['mesh']}/info", timeout=5).ok
    manifest = f"{prefix}/meshing/api/v1/table/{NAME}/manifest/{root}:0"
    fragments = requests.get(f"{manifest}?verify=1&prepend_seg_ids=1", timeout=5).json()
    level2 = {str(i) for i in service.engine.leaves(root, stop_layer=2)}
    assert {f.split(":")[0] for f in fragments["fragments"]} == {f"~{i}" for i in level2}
    for fragment in fragments["fragments"]:
        name = fragment.split(":", 1)[1]
        # Neuroglancer doubles the slash before a fragment.
        assert requests.get(f"{info['data_dir']}/{info['mesh']}//{name}", timeout=5).content
    missing = f"{info['data_dir']}/{info['mesh']}/1:0:0-1_0-1_0-1"
    assert requests.get(missing, timeout=5).status_code == 404


def test_a_running_service_can_be_found(folder: Path) -> None:
    assert find_running(folder) is None
    with serve(folder) as service:
        found = find_running(folder)
        assert found is not None
        assert (found.url, found.token, found.pid) == (service.url, service.token, os.getpid())
        assert found.viewer_prefix == service.viewer_prefix
        card = folder / "service.json"
        if os.name == "posix":
            assert card.stat().st_mode & 0o777 == 0o600
        with pytest.raises(DatastackError, match=f"process {os.getpid()}"):
            serve(folder)
        stale = card.read_text()
    assert not card.exists()
    card.write_text(stale)
    assert find_running(folder) is None
    with serve(folder) as again:
        assert find_running(folder) == again.address


def test_a_copy_does_not_inherit_the_service(folder: Path, tmp_path: Path) -> None:
    with serve(folder) as service:
        copy = shutil.copytree(folder, tmp_path / "copy")
        assert find_running(copy) is None
        with serve(copy) as second:
            assert second.url != service.url
            assert find_running(copy) == second.address
            assert find_running(folder) == service.address


def test_another_program_on_the_port(folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(PortInUseError, match=str(taken.getsockname()[1])):
            serve(folder, port=taken.getsockname()[1])
    serve(folder).stop()


def test_unusable_tokens_and_ports(folder: Path) -> None:
    with pytest.raises(InputError, match="32 hexadecimal"):
        serve(folder, token="local-token")
    with pytest.raises(InputError, match="no port"):
        serve(folder, port=70000)
    with serve(folder, token="ab" * 16) as service:
        assert service.token == "ab" * 16


def test_stopping_twice_is_harmless_and_frees_the_port(folder: Path) -> None:
    service = serve(folder)
    port = int(service.url.rsplit(":", 1)[1])
    service.stop()
    service.stop()
    with serve(folder, port=port) as again:
        assert again.url == service.url


def test_parallel_merges_are_all_kept(web: Any, service: RunningService) -> None:
    from concurrent.futures import ThreadPoolExecutor

    from tests.contract.test_caveclient import halves

    cuts = [halves(service, tube) for tube in range(6)]
    url, headers = f"{service.url}{TABLE}/merge", dict(web.headers)

    def merge(cut: Any) -> int:
        body = [[i, *p] for i, p in zip(*cut, strict=True)]
        answer = requests.post(url, data=json.dumps(body), headers=headers, timeout=30)
        return answer.status_code

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(merge, cuts)) == [200] * 6
    for ids, _ in cuts:
        assert len(set(service.engine.roots(np.array(ids, np.uint64)).tolist())) == 1
    assert len(service.engine.operations(range(1, 7))) == 6


def test_a_local_folder_can_be_served_alone(ingested: Path) -> None:
    files = serve_files(ingested / "precomputed" / "em")
    try:
        url = f"{files.viewer_prefix}/precomputed/info"
        assert requests.get(url, timeout=5).json()["data_type"] == "uint8"
        bare = url.replace(files.viewer_prefix, files.viewer_prefix.split("/t/")[0])
        assert requests.get(bare, timeout=5).status_code == 401
    finally:
        files.stop()
