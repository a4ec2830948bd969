"""What a page, a broken client or a greedy one may not do to the service."""

from __future__ import annotations

import gzip
import json
import logging
import os
import shutil
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from connectome.offline.service import Limits, RunningService, serve
from connectome.offline.service.app import ROUTES
from connectome.offline.service.routing import ServiceRoute
from tests.contract.volumes import NAME

TABLE = f"/segmentation/api/v1/table/{NAME}"
GRAPHENE = f"/segmentation/table/{NAME}/info"
EVIL = "https://evil.example"
QUICK = Limits(connections=4, head_seconds=0.5, request_seconds=0.8)


@pytest.fixture(scope="module")
def service(ingested: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """One service for all tests here: none of them may change anything."""
    copy = shutil.copytree(ingested, tmp_path_factory.mktemp("safety") / "tubes")
    with serve(copy) as running:
        before = running.engine.state.last_operation
        yield running
        assert running.engine.state.last_operation == before


@pytest.fixture
def web(service: RunningService) -> Iterator[Any]:
    with requests.Session() as session:
        session.trust_env = False
        session.headers["Authorization"] = f"Bearer {service.token}"
        yield session


def connect(service: RunningService, sent: bytes = b"") -> socket.socket:
    """Open a connection, send what is given, and leave it open."""
    port = int(service.url.rsplit(":", 1)[1])
    open_socket = socket.create_connection(("127.0.0.1", port), timeout=10)
    open_socket.sendall(sent)
    return open_socket


def head(path: str, *lines: str, method: str = "POST", token: str = "") -> bytes:
    """Return a request line with headers, of one that ends with an empty line."""
    given = [f"Authorization: Bearer {token}"] if token else []
    return "\r\n".join(
        [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *given, *lines, "", ""]
    ).encode()


def all_of(open_socket: socket.socket) -> bytes:
    """Return everything until the other side closes."""
    found = b""
    try:
        while part := open_socket.recv(65536):
            found += part
    except ConnectionResetError:
        pass
    return found


# Who


@pytest.mark.skipif(sys.platform != "linux", reason="needs a second loopback address")
def test_only_the_loopback_address_listens(service: RunningService) -> None:
    port = int(service.url.rsplit(":", 1)[1])
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", port), timeout=5)


def test_every_write_needs_the_token(service: RunningService) -> None:
    writes = [
        entry
        for entry in ROUTES
        if isinstance(entry, ServiceRoute) and entry.access.value in ("write", "edit")
    ]
    assert len(writes) >= 4
    for entry in writes:
        path = entry.path_format.replace("{table}", NAME).replace("{volume}", NAME)
        for method in (entry.methods or set()) - {"HEAD"}:
            bare = requests.request(method, service.url + path, data="{}", timeout=5)
            assert (bare.status_code, bare.json()["error"]) == (401, "no_token"), path
            secret = requests.request(method, service.viewer_prefix + path, data="{}", timeout=5)
            assert (secret.status_code, secret.json()["error"]) == (403, "missing_permission")


def test_a_post_that_only_reads_is_the_only_one_without_the_token() -> None:
    """What changes something is never called a read."""
    changing = {"PUT", "DELETE", "PATCH"}
    for entry in ROUTES:
        assert isinstance(entry, ServiceRoute)
        if changing & (entry.methods or set()):
            assert entry.access.value in ("write", "edit"), entry.path


def test_token_sources_in_middle_auths_order(service: RunningService) -> None:
    url, good, bad = service.url + GRAPHENE, service.token, "0" * 32

    def status(header: str | None, query: str | None, cookie: str | None) -> int:
        answer = requests.get(
            url,
            headers={"Authorization": f"Bearer {header}"} if header else {},
            params={"middle_auth_token": query} if query else {},
            cookies={"middle_auth_token": cookie} if cookie else {},
            timeout=5,
        )
        return answer.status_code

    assert [status(good, None, None), status(None, good, None), status(None, None, good)] == [
        200
    ] * 3
    assert [status(good, bad, bad), status(None, good, bad)] == [200] * 2
    assert [status(bad, good, good), status(None, bad, good)] == [401] * 2
    assert status(None, None, bad) == 401


def test_refusals_as_middle_auth_shapes_them(service: RunningService) -> None:
    url = service.url + GRAPHENE
    bare = requests.get(url, timeout=5)
    assert bare.headers["WWW-Authenticate"] == 'Bearer realm="offline"'
    wrong = requests.get(url, headers={"Authorization": "Bearer abc"}, timeout=5)
    assert wrong.headers["WWW-Authenticate"] == 'Bearer realm="offline", error="invalid_token"'
    basic = requests.get(url, headers={"Authorization": "Basic abc"}, timeout=5)
    assert basic.status_code == 400
    assert 'error="invalid_request"' in basic.headers["WWW-Authenticate"]
    empty = requests.get(url, headers={"Authorization": "Bearer "}, timeout=5)
    assert empty.status_code in (400, 401)


def test_a_stale_cookie_does_not_lock_the_viewer_out(service: RunningService) -> None:
    old = {"middle_auth_token": "0" * 32}
    assert requests.get(service.viewer_prefix + GRAPHENE, cookies=old, timeout=5).ok


def test_a_token_is_never_logged_nor_repeated(
    service: RunningService, caplog: pytest.LogCaptureFixture
) -> None:
    query = {"middle_auth_token": service.token}
    with caplog.at_level(logging.DEBUG):
        for path in (GRAPHENE, "/nowhere", f"{TABLE}/node/x/root", f"{TABLE}/operation_details"):
            answer = requests.get(service.url + path, params=query, timeout=5)
            assert service.token not in answer.text
            assert service.token not in str(answer.headers)
    ours = [r.getMessage() for r in caplog.records if not r.name.startswith("urllib3")]
    assert service.token not in "".join(ours)
    assert service.token not in repr(service.address)


@pytest.mark.parametrize("origin", [EVIL, "null", "http://127.0.0.1@evil.example", "file://"])
def test_a_strange_page_cannot_edit_even_with_the_token(
    service: RunningService, web: Any, origin: str
) -> None:
    answer = web.post(
        f"{service.url}{TABLE}/merge", data="[]", headers={"Origin": origin}, timeout=5
    )
    assert answer.status_code == 403
    assert "Access-Control-Allow-Origin" not in answer.headers
    ask = requests.options(f"{service.url}{TABLE}/merge", headers={"Origin": origin}, timeout=5)
    assert ask.status_code == 403


@pytest.mark.parametrize(
    "host", ["127.0.0.1.evil.example", "evil@127.0.0.1", "127.0.0.1:1:2", "[::2]"]
)
def test_rebound_names_are_refused(service: RunningService, web: Any, host: str) -> None:
    answer = web.get(service.url + GRAPHENE, headers={"Host": host}, timeout=5)
    assert answer.status_code == 403


def test_allowed_pages(folder: Path) -> None:
    page = {"Origin": "https://viewer.example"}
    with serve(folder, allowed_origins=["https://viewer.example"]) as service:
        answer = requests.get(service.viewer_prefix + GRAPHENE, headers=page, timeout=5)
        assert answer.headers["Access-Control-Allow-Origin"] == page["Origin"]
        other = requests.get(service.viewer_prefix + GRAPHENE, headers={"Origin": EVIL}, timeout=5)
        assert other.status_code == 403


@pytest.mark.parametrize("method", ["PUT", "DELETE", "POST"])
def test_preflights_of_json_requests(service: RunningService, method: str) -> None:
    asking = {
        "Origin": "http://localhost:8080",
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    answer = requests.options(f"{service.url}{TABLE}/merge", headers=asking, timeout=5)
    assert answer.status_code == 204
    assert method in answer.headers["Access-Control-Allow-Methods"].split(", ")
    allowed = answer.headers["Access-Control-Allow-Headers"].lower().split(", ")
    assert {"authorization", "content-type"} <= set(allowed)
    assert answer.headers["Access-Control-Allow-Origin"] == asking["Origin"]


# What


DEEP = b"[" * 100_000 + b"]" * 100_000
NO_JSON = {
    "nan": b"[NaN, NaN]",
    "infinity": b'{"operation_id": Infinity}',
    "beyond floats": b'{"operation_id": 1e999}',
    "too many digits": b'{"operation_id": ' + b"9" * 5000 + b"}",
    "deep": DEEP,
    "deep objects": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    "half a pair": b'{"operation_id": "\\ud800"}',
    "half a pair in bytes": b'{"operation_id": "\xed\xa0\x80"}',
    "not UTF-8": b'{"operation_id": "\xff"}',
    "UTF-16": '{"operation_id": 1}'.encode("utf-16"),
    "nothing": b"",
    "two": b"{} {}",
}


@pytest.mark.parametrize("body", NO_JSON.values(), ids=NO_JSON)
@pytest.mark.parametrize("path", ["merge", "undo", "is_latest_roots"])
def test_what_is_no_json_is_refused(
    service: RunningService, web: Any, path: str, body: bytes
) -> None:
    answer = web.post(f"{service.url}{TABLE}/{path}", data=body, timeout=20)
    assert answer.status_code == 400
    assert answer.json()["message"] == "[400]: The body is not JSON."


@pytest.mark.parametrize(
    "query",
    [
        "timestamp=nan",
        "timestamp=inf",
        "timestamp=1e300",
        "timestamp=now",
        "stop_layer=9999999999999999999999",
        "stop_layer=x",
        "stop_layer=٣",
    ],
)
def test_numbers_of_the_query_are_bounded(service: RunningService, web: Any, query: str) -> None:
    root = int(service.engine.current_roots()[0])
    answer = web.get(f"{service.url}{TABLE}/node/{root}/root?{query}", timeout=5)
    assert answer.status_code == 400


@pytest.mark.parametrize(
    "bounds", ["1-2", "a-b_c-d_e-f", "0-" + "9" * 30 + "_0-1_0-1", "0-1_0-1_0-1_0-1"]
)
def test_bounds_are_bounded(service: RunningService, web: Any, bounds: str) -> None:
    root = int(service.engine.current_roots()[0])
    answer = web.get(f"{service.url}{TABLE}/node/{root}/leaves?bounds={bounds}", timeout=5)
    assert answer.status_code == 400


def test_errors_repeat_little_of_what_was_sent(service: RunningService, web: Any) -> None:
    body = json.dumps({"node_ids": ["x" * 1_000_000]})
    answer = web.post(f"{service.url}{TABLE}/is_latest_roots", data=body, timeout=10)
    assert answer.status_code == 400
    assert len(answer.text) < 1000


def _chunked(size: int) -> Iterator[bytes]:
    for _ in range(size >> 16):
        yield bytes(1 << 16)


def test_bodies_without_a_length_are_bounded(service: RunningService, web: Any) -> None:
    answer = web.post(f"{service.url}{TABLE}/merge", data=_chunked(3 << 20), timeout=20)
    assert answer.status_code == 400
    assert "longer than" in answer.json()["message"]


def test_whoever_never_stops_sending_is_cut_off(service: RunningService) -> None:
    start = head(f"{TABLE}/merge", "Transfer-Encoding: chunked", token=service.token)
    part = b"10000\r\n" + bytes(1 << 16) + b"\r\n"
    with connect(service, start) as stream:
        assert _pour(stream, part, 2000) < 1000


def _pour(stream: socket.socket, part: bytes, times: int) -> int:
    """Send again and again; return how often it went before the other side closed."""
    for sent in range(times):
        try:
            stream.sendall(part)
        except OSError:
            return sent
    return times


def test_small_bombs_are_bounded(service: RunningService, web: Any) -> None:
    packed = {"Content-Encoding": "gzip"}
    bomb = gzip.compress(bytes(8 << 20))
    answer = web.post(f"{service.url}{TABLE}/merge", data=bomb, headers=packed, timeout=20)
    assert answer.status_code == 400
    assert "longer than" in answer.json()["message"]
    other = {"Content-Encoding": "br"}
    answer = web.post(f"{service.url}{TABLE}/roots", data=b"x", headers=other, timeout=5)
    assert answer.status_code == 400


def test_long_heads_are_refused(service: RunningService) -> None:
    with connect(service, head(GRAPHENE, "X-Long: " + "a" * 100_000, method="GET")) as stream:
        answer = all_of(stream)
    first = answer.split(b"\r\n")[0]
    assert b" 431 " in first or b" 400 " in first
    with connect(service, b"GET / HTTP/1.1\r\n") as endless:
        assert _pour(endless, b"X: " + b"a" * 1000 + b"\r\n", 10_000) < 10_000
    assert requests.get(service.url + "/info/version", timeout=5).ok


@pytest.mark.parametrize(
    "sent", [b"\x16\x03\x01 hello\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n"]
)
def test_what_is_no_http_gets_json(service: RunningService, sent: bytes) -> None:
    with connect(service, sent) as stream:
        answer = all_of(stream)
    first, _, rest = answer.partition(b"\r\n")
    assert b" 400 " in first
    assert b"content-type: application/json\r\n" in rest.lower()


# Files


def test_names_that_lead_elsewhere(service: RunningService, web: Any) -> None:
    folder = service.engine.folder.path
    inside = folder / "precomputed" / "em"
    secret = folder / "service.json"
    if hasattr(os, "symlink"):
        (inside / "link").symlink_to(secret)
        (inside / "packed.gz").symlink_to(secret)
        (inside / "around").symlink_to(folder)
        (inside / "loop").symlink_to(inside / "loop")
    paths = [
        "em/link",
        "em/packed",
        "em/around/service.json",
        "em/loop",
        "C:/Windows/win.ini",
        "C%3a/Windows/win.ini",
        "em/info::$DATA",
        "%5c%5cserver%5cshare",
        "//server/share",
        "%2f%2fserver/share",
        "em/%252e%252e/%252e%252e/service.json",
        "em/" + "a" * 300,
        "em/" + "a" * 254,
        "em/" + "/".join(["b" * 200] * 30),
        "em/%ff%fe",
        "em",
        "",
        ".",
        "supervoxels/mesh/" + "1" * 300 + ":0:0-1_0-1_0-1",
    ]
    for path in paths:
        request = web.prepare_request(requests.Request("GET", service.url))
        request.url = f"{service.viewer_prefix}/precomputed/{path}"
        answer = web.send(request, timeout=5)
        assert answer.status_code == 404, path
        assert service.token not in answer.text


def test_ranges(service: RunningService) -> None:
    url = f"{service.viewer_prefix}/precomputed/supervoxels/info"
    whole = requests.get(url, timeout=5).content

    def part(text: str) -> requests.Response:
        return requests.get(url, headers={"Range": text}, timeout=5)

    assert part("bytes=-5").content == whole[-5:]
    assert part("bytes=3-").content == whole[3:]
    assert part(f"bytes=0-{10**12}").content == whole
    several = part("bytes=0-1,4-5")
    assert several.status_code == 206
    assert several.headers["Content-Type"].startswith("multipart/byteranges")
    beyond = part(f"bytes={len(whole)}-")
    assert (beyond.status_code, beyond.headers["Content-Range"]) == (416, f"bytes */{len(whole)}")
    for odd in ("bytes=", "bytes=b-a", "lines=0-1", "bytes=9-2"):
        assert part(odd).status_code in (200, 400, 416)
    many = part("bytes=" + ",".join(f"{k}-{k}" for k in range(2000)))
    assert many.status_code in (200, 206, 400, 416)
    head_only = requests.head(url, headers={"Range": "bytes=0-1"}, timeout=5)
    assert head_only.status_code in (200, 206)
    assert head_only.content == b""


def test_nothing_is_ever_redirected(service: RunningService, web: Any) -> None:
    for path in (GRAPHENE, "/info/version", "/info/api/v2/datastacks", f"{TABLE}/merge"):
        answer = web.get(f"{service.url}{path}/", timeout=5, allow_redirects=False)
        assert answer.status_code == 404
        assert answer.headers["Content-Type"] == "application/json"
    wrong = web.delete(f"{service.url}{TABLE}/merge", timeout=5)
    assert (wrong.status_code, wrong.headers["Allow"]) == (405, "POST")


# How long


def test_a_head_that_trickles_is_cut_off(folder: Path) -> None:
    with serve(folder, limits=QUICK) as service:
        started = time.monotonic()
        with connect(service, b"GET / HT") as stream:
            assert all_of(stream) == b""
        with connect(service) as silent:
            assert all_of(silent) == b""
        assert time.monotonic() - started < 10
        assert requests.get(service.url + "/info/version", timeout=5).ok


def test_a_body_that_trickles_is_cut_off_and_changes_nothing(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with serve(folder, limits=QUICK) as service:
        before = service.engine.state.last_operation
        start = head(f"{TABLE}/merge", "Content-Length: 1000", token=service.token)
        with connect(service, start + b"[") as stream:
            assert all_of(stream) == b""
        # A refused request that goes on sending is cut off too.
        with connect(service, head(f"{TABLE}/merge", "Content-Length: 1000") + b"[") as refused:
            assert b" 401 " in all_of(refused)
        assert service.engine.state.last_operation == before
    assert [r for r in caplog.records if r.levelno >= logging.ERROR] == []


def test_a_client_that_goes_away_changes_nothing(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with serve(folder) as service:
        before = service.engine.state.last_operation
        start = head(f"{TABLE}/merge", "Content-Length: 1000", token=service.token)
        connect(service, start + b"[").close()
        assert requests.get(service.url + "/info/version", timeout=5).ok
    assert [r for r in caplog.records if r.levelno >= logging.ERROR] == []
    with serve(folder) as again:
        assert again.engine.state.last_operation == before


def test_connections_are_bounded(folder: Path) -> None:
    patient = Limits(connections=4, head_seconds=30)
    with serve(folder, limits=patient) as service:
        held = [connect(service, b"GET / HT") for _ in range(4)]
        try:
            with connect(service, head("/info/version", method="GET")) as late:
                assert all_of(late) == b""
        finally:
            for one in held:
                one.close()
        # Closed ones make room, at the latest when the server has noticed.
        end = time.monotonic() + 10
        answered = b""
        while not answered and time.monotonic() < end:
            with connect(
                service, head("/info/version", "Connection: close", method="GET")
            ) as next_:
                answered = all_of(next_)
        assert b" 200 " in answered


def test_requests_on_a_kept_connection_have_time_each(folder: Path) -> None:
    """The limit is for each request, not for the connection."""
    with serve(folder, limits=QUICK) as service, requests.Session() as session:
        for _ in range(4):
            assert session.get(service.url + "/info/version", timeout=5).ok
            time.sleep(0.35)  # Time itself is what is tested: in sum more than the limit.
