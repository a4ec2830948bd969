from __future__ import annotations

import json
import logging
import struct
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

pytest.importorskip("neuroglancer", reason="the gui extra is not installed")

from connectome.datastack import ViewerSources
from connectome.space import BoxNm
from ngplugin.source import SiteSource
from ngplugin.store import SiteStore
from ngplugin.viewer import SiteViewer
from tests.unit.ngplugin.sites import site

BOUNDS = BoxNm((0.0, 0.0, 0.0), (1000.0, 1000.0, 1000.0))
ROOT = 2**60 + 7


@pytest.fixture
def source() -> Iterator[SiteSource]:
    store = SiteStore(BOUNDS, (10.0, 10.0, 10.0))
    store.add([site(2**63 + 1, (1.0, 2.0, 3.0), root=ROOT)])
    source = SiteSource(store)
    source.mount()
    yield source
    source.unmount()


def get(url: str, data: bytes | None = None) -> tuple[int, bytes, str]:
    try:
        with urllib.request.urlopen(url, data=data, timeout=20) as reply:
            return reply.status, reply.read(), str(reply.headers["Cache-Control"])
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read(), str(error.headers["Cache-Control"])


def address(source: SiteSource) -> str:
    return source.url.removeprefix("precomputed://")


def test_info_says_what_is_served(source: SiteSource) -> None:
    status, body, cache = get(address(source) + "/info")
    assert (status, cache) == (200, "no-store")
    info = json.loads(body)
    assert info["@type"] == "neuroglancer_annotations_v1"
    assert info["upper_bound"] == [1000.0, 1000.0, 1000.0]
    assert info["spatial"][0]["grid_shape"] == [1, 1, 1]
    sizes = {"float32": 4, "uint8": 1}
    assert sum(sizes[prop["type"]] for prop in info["properties"]) == 8


def test_what_a_page_holds_is_known_until_another_one_begins(source: SiteSource) -> None:
    base, number = address(source), 2**63 + 1
    assert source.store.on_page([number]) == []
    get(base + "/spatial0/0_0_0")
    assert source.store.on_page([number]) == [number]
    get(base + "/info")
    assert source.store.on_page([number]) == []


def test_cells_single_sites_and_segments_are_served(source: SiteSource) -> None:
    base = address(source)
    whole = get(base + "/spatial0/0_0_0")[1]
    assert whole[:8] == struct.pack("<Q", 1)
    assert whole[-8:] == struct.pack("<Q", 2**63 + 1)
    assert get(base + "/spatial1/3_3_3")[1] == struct.pack("<Q", 0)
    assert get(f"{base}/segs/{ROOT}")[1] == whole
    assert get(f"{base}/segs/5")[1] == struct.pack("<Q", 0)
    assert get(f"{base}/by_id/{2**63 + 1}")[1] == whole[8:28] + struct.pack(
        "<IQQ", 2, ROOT, ROOT + 1
    )


@pytest.mark.parametrize(
    "path",
    [
        "/spatial9/0_0_0",
        "/spatial0/9_0_0",
        "/spatial0/0_0",
        "/spatial0/-1_0_0",
        "/by_id/77",
        "/by_id/x",
        "/../../v/x",
        "/nothing",
    ],
)
def test_what_is_not_there_is_404(source: SiteSource, path: str) -> None:
    assert get(address(source) + path)[0] == 404


def test_only_the_session_that_knows_the_address_is_answered(source: SiteSource) -> None:
    base = address(source)
    host, token = base.split("/proofdesk/")
    stranger = f"{host}/proofdesk/{'0' * 40}/{token.split('/')[1]}/info"
    assert get(stranger)[0] == 404
    source.unmount()
    assert get(base + "/info")[0] == 404


def test_a_passing_fault_is_503_so_that_the_client_asks_again(
    source: SiteSource, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(code: int) -> None:
        raise RuntimeError(str(code))

    with caplog.at_level(logging.CRITICAL):
        monkeypatch.setattr(source.store.grid, "code", fail)
        assert get(address(source) + "/spatial0/0_0_0")[0] == 503
        monkeypatch.undo()
        assert get(address(source) + "/spatial0/0_0_0")[0] == 200


def test_reports_that_are_no_json_are_refused(source: SiteSource) -> None:
    assert get(address(source) + "/report", b"{")[0] == 400
    assert get(address(source) + "/report", b"{}")[0] == 200
    assert get(address(source) + "/info", b"{}")[0] == 404


def credentials(viewer: SiteViewer, origin: str) -> tuple[int, bytes]:
    body = json.dumps({"key": "middleauthapp", "parameters": origin}).encode()
    status, reply, _ = get(viewer.url.replace("/v/", "/credentials/").rstrip("/"), body)
    return status, reply


def test_the_token_goes_to_allowed_origins_only(capsys: pytest.CaptureFixture[str]) -> None:
    origin = "https://minnie.example.org"
    sources = ViewerSources("", "precomputed://http://127.0.0.1:9/seg", (1, 1, 1), (origin,))
    viewer = SiteViewer(sources, BOUNDS, token_for=lambda asked: f"secret of {asked}")
    status, reply = credentials(viewer, origin)
    assert status == 200
    assert json.loads(reply)["credentials"] == {
        "tokenType": "Bearer",
        "accessToken": f"secret of {origin}",
    }
    status, reply = credentials(viewer, "https://evil.example.org")
    assert status == 401
    assert b"secret" not in reply
    viewer.close()
    assert credentials(viewer, origin)[0] == 404
    assert "secret" not in capsys.readouterr().err


def test_viewers_listen_on_this_machine_only() -> None:
    sources = ViewerSources("", "precomputed://http://127.0.0.1:9/seg", (4.0, 4.0, 40.0))
    viewer = SiteViewer(sources, BOUNDS)
    assert viewer.url.startswith("http://127.0.0.1:")
    assert viewer.view_state() == {
        "layout": "xy-3d",
        "position_nm": pytest.approx([500.0, 500.0, 500.0]),
        "nm_per_pixel": pytest.approx(1000 / 600),
        "height_nm": pytest.approx(1000.0),
    }
    viewer.close()
