"""Neuroglancer's own graphene layer against the offline service: see, merge, cut."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PyQt6.QtCore import QPoint, Qt
from PyQt6.QtTest import QTest
from PyQt6.QtWebEngineCore import QWebEngineUrlRequestInfo, QWebEngineUrlRequestInterceptor
from PyQt6.QtWidgets import QApplication

from connectome.graph import GraphPoint, MergeRequest
from connectome.offline.datastack import OfflineDatastack
from tests.contract.volumes import CUT, ingest_tubes, tube_point
from tests.qt.ngplugin.page import Page

pytestmark = pytest.mark.qt
_test: Any = QTest

NM_PER_PIXEL = 2.0
LEFT, RIGHT = 62, 82
"""Voxels on both sides of the tube's cut."""
GROUP = "viewer.layerManager.getLayerByName('segmentation').layer"


class Token(QWebEngineUrlRequestInterceptor):
    """Adds the person's token to what the page sends to the service, as a login would."""

    def __init__(self, origin: str, token: str) -> None:
        super().__init__()
        self.sent: list[tuple[str, str]] = []
        self.token = token
        self._origin = origin

    def interceptRequest(self, info: QWebEngineUrlRequestInfo) -> None:  # noqa: N802
        url = info.requestUrl().toString()
        if not url.startswith(self._origin):
            return
        self.sent.append((bytes(info.requestMethod().data()).decode(), url))
        if self.token and info.requestMethod() == b"POST":
            info.setHttpHeader(b"Authorization", b"Bearer " + self.token.encode())


@pytest.fixture
def datastack(tmp_path: Path) -> Iterator[OfflineDatastack]:
    opened = OfflineDatastack(ingest_tubes(tmp_path / "tubes"))
    yield opened
    opened.close()


@pytest.fixture
def token(datastack: OfflineDatastack) -> Token:
    address = datastack.service()
    return Token(address.url, address.token)


@pytest.fixture
def page(qapp: QApplication, datastack: OfflineDatastack, token: Token) -> Iterator[Page]:
    """Return a page that looks at both halves of the first tube, in one xy panel."""
    page = Page(datastack.viewer_sources())
    web_page = page.view.page()
    assert web_page is not None
    profile = web_page.profile()
    assert profile is not None
    profile.setUrlRequestInterceptor(token)
    page.view.resize(800, 400)
    page.load()
    page.viewer.look_at(tube_point(0, CUT), nm_per_pixel=NM_PER_PIXEL, layout="xy")
    page.until(lambda: page.viewer.view_state()["layout"] == "xy", "the layout")
    yield page
    page.close()


@pytest.fixture
def halves(datastack: OfflineDatastack) -> NDArray[np.uint64]:
    """Return a supervoxel on each side of the tube's cut."""
    found = [datastack.supervoxel_at(tube_point(0, x)) for x in (LEFT, RIGHT)]
    return np.array(found, np.uint64)


def place(page: Page, x: int) -> QPoint:
    """Return the pixel in which the slice panel shows voxel x of the first tube."""
    left, top, width, height = json.loads(page.evaluate(_PANEL))
    away = tube_point(0, x)[0] - tube_point(0, CUT)[0]
    return QPoint(round(left + width / 2 + away / NM_PER_PIXEL), round(top + height / 2))


def color(page: Page, x: int) -> tuple[int, int, int]:
    at = place(page, x)
    return page.color_at(at.x(), at.y())


def mark(page: Page, x: int, supervoxel: np.uint64) -> None:
    """Click with Ctrl, as Neuroglancer's tools take their points."""
    hovered = f"String({GROUP}.displayState.segmentSelectionState.baseValue)"

    def under_the_mouse() -> bool:
        _test.mouseMove(page.target(), place(page, x))
        _test.qWait(50)
        return bool(page.evaluate(hovered) == str(supervoxel))

    page.until(under_the_mouse, "the supervoxel under the mouse")
    control = Qt.KeyboardModifier.ControlModifier
    _test.mouseClick(page.target(), Qt.MouseButton.LeftButton, control, place(page, x))


def start_tool(page: Page, key: Qt.Key, title: str) -> None:
    """Bind the graph's own tools to keys, select the layer, and start one."""
    page.evaluate(_TOOLS)
    page.click(400, 60)

    def started() -> bool:
        _test.keyClick(page.target(), key, Qt.KeyboardModifier.ShiftModifier)
        _test.qWait(200)
        return title in str(page.evaluate("document.body.textContent"))

    page.until(started, f"the tool {title}")


def is_blue(rgb: tuple[int, int, int]) -> bool:
    return rgb[2] > rgb[0] + 12


def is_orange(rgb: tuple[int, int, int]) -> bool:
    return rgb[0] > rgb[2] + 12


def test_slices_are_coloured_by_root_and_surfaces_are_drawn(
    page: Page, token: Token, datastack: OfflineDatastack, halves: NDArray[np.uint64]
) -> None:
    one, other = (int(root) for root in datastack.graph.roots(halves))
    page.viewer.show_pair(one, other)
    page.until(lambda: is_blue(color(page, LEFT)), "the agglomerated A")
    page.until(lambda: is_orange(color(page, RIGHT)), "the agglomerated B")
    assert any("/leaves" in url for _, url in token.sent)
    page.viewer.look_at(tube_point(0, CUT), layout="3d", height_nm=700.0)
    page.until(lambda: page.viewer.view_state()["layout"] == "3d", "the layout")

    def both() -> bool:
        image = page.image()
        colors = [image.pixelColor(x, y) for x in range(0, 800, 4) for y in range(0, 400, 4)]
        rgb = [(c.red(), c.green(), c.blue()) for c in colors]
        return any(is_blue(c) for c in rgb) and any(is_orange(c) for c in rgb)

    page.until(both, "both surfaces")
    asked = [url for _, url in token.sent]
    assert any(f"/manifest/{one}:0" in url for url in asked)
    assert any("/mesh/" in url and url.count("-") >= 3 for url in asked)


def test_an_edit_loads_only_the_pieces_of_mesh_that_it_changed(
    page: Page, token: Token, datastack: OfflineDatastack, halves: NDArray[np.uint64]
) -> None:
    def pieces(since: int = 0) -> set[str]:
        names = [url.split("/mesh/")[1] for _, url in token.sent[since:] if "/mesh/" in url]
        return {name for name in names if name.count(":") >= 2}

    page.viewer.look_at(tube_point(0, CUT), layout="3d", height_nm=700.0)
    roots = [int(root) for root in datastack.graph.roots(halves)]
    page.viewer.show_pair(roots[0], roots[1])
    page.until(lambda: len(pieces()) == page.evaluate(_HELD) > 2, "the meshes")
    first, sent = pieces(), len(token.sent)
    sides = zip(halves, (LEFT, RIGHT), strict=True)
    ends = [GraphPoint(int(id_), tube_point(0, x)) for id_, x in sides]
    (whole,) = datastack.graph.merge(MergeRequest(*ends)).new_roots
    page.viewer.show_pair(whole, None)
    page.viewer.refresh_segmentation()
    page.until(lambda: bool(pieces(sent)) and page.evaluate("viewer.isReady()"), "the whole")
    assert pieces(sent).isdisjoint(first)


def test_what_a_change_of_site_hides_is_not_counted_aloud(
    page: Page, datastack: OfflineDatastack, halves: NDArray[np.uint64]
) -> None:
    roots = [int(root) for root in datastack.graph.roots(halves)]
    shown = f"[...{GROUP}.displayState.segmentationGroupState.value.visibleSegments].length"
    page.viewer.show_pair(*roots)
    page.until(lambda: page.evaluate(shown) == 2, "both segments")
    page.viewer.show_pair(roots[0], None)
    lines = "[...document.querySelectorAll('#neuroglancer-status-container li')]"
    hid = f"{lines}.filter((l) => l.textContent.startsWith('Hid')).map((l) => l.offsetHeight)"
    page.until(lambda: page.evaluate(f"JSON.stringify({hid})") == "[0]", "a line out of sight")


def test_its_merge_and_multicut_tools_edit_the_graph(
    page: Page, token: Token, datastack: OfflineDatastack, halves: NDArray[np.uint64]
) -> None:
    one, other = (int(root) for root in datastack.graph.roots(halves))
    page.viewer.show_pair(one, other)
    page.until(lambda: is_orange(color(page, RIGHT)), "both halves")

    start_tool(page, Qt.Key.Key_M, "Merge segments")
    mark(page, LEFT, halves[0])
    mark(page, RIGHT, halves[1])
    lines = f"{GROUP}.graphConnection.value.state.mergeState.merges.value.length"
    page.until(lambda: page.evaluate(lines) == 1, "the merge line")
    _test.keyClick(page.target(), Qt.Key.Key_Return)
    page.until(lambda: len(set(roots_of(datastack, halves))) == 1, "one root in the graph")
    (joined,) = set(roots_of(datastack, halves))
    assert joined not in (one, other)
    page.until(lambda: shown(page) == [str(joined)], "the new root on the screen")

    start_tool(page, Qt.Key.Key_Q, "Multicut segments")
    mark(page, LEFT, halves[0])
    _test.keyClick(page.target(), Qt.Key.Key_G)
    mark(page, RIGHT, halves[1])
    page.until(lambda: page.evaluate(_POINTS) == 2, "two points")
    _test.keyClick(page.target(), Qt.Key.Key_Return)
    page.until(lambda: len(set(roots_of(datastack, halves))) == 2, "two roots in the graph")
    apart = roots_of(datastack, halves)
    assert not set(apart) & {one, other, joined}
    page.until(lambda: shown(page) == sorted(str(root) for root in apart), "both on the screen")
    edits = [url.split("?")[0].rsplit("/", 1)[-1] for method, url in token.sent if method == "POST"]
    assert [name for name in edits if name in ("merge", "split")] == ["merge", "split"]


def test_without_the_token_its_tools_change_nothing(
    page: Page, token: Token, datastack: OfflineDatastack, halves: NDArray[np.uint64]
) -> None:
    token.token = ""
    before = roots_of(datastack, halves)
    page.viewer.show_pair(*before)
    page.until(lambda: is_orange(color(page, RIGHT)), "both halves")
    start_tool(page, Qt.Key.Key_M, "Merge segments")
    mark(page, LEFT, halves[0])
    mark(page, RIGHT, halves[1])
    lines = f"{GROUP}.graphConnection.value.state.mergeState.merges.value.length"
    page.until(lambda: page.evaluate(lines) == 1, "the merge line")
    _test.keyClick(page.target(), Qt.Key.Key_Return)
    told = "needs the token of the offline service"
    page.until(lambda: told in page.evaluate("document.body.textContent"), "the refusal in words")
    assert roots_of(datastack, halves) == before


def roots_of(datastack: OfflineDatastack, supervoxels: NDArray[np.uint64]) -> list[int]:
    return [int(root) for root in datastack.graph.roots(supervoxels)]


def shown(page: Page) -> list[str]:
    visible = f"{GROUP}.displayState.segmentationGroupState.value.visibleSegments"
    ids = page.evaluate(f"JSON.stringify([...{visible}].map(String))")
    return sorted(json.loads(ids))


_PANEL = """(() => {
  const panel = [...viewer.display.panels].find((each) => each.sliceView);
  const box = panel.element.getBoundingClientRect();
  return JSON.stringify([box.left, box.top, box.width, box.height]);
})()"""

_TOOLS = f"""(() => {{
  const layer = {GROUP};
  layer.toolBinder.restoreState(
    {{M: 'grapheneMergeSegments', Q: 'grapheneMulticutSegments'}});
  viewer.selectedLayer.layer = viewer.layerManager.getLayerByName('segmentation');
  return 0;
}})()"""

_POINTS = f"""(() => {{
  const cut = {GROUP}.graphConnection.value.state.multicutState;
  return [...cut.sinks].length + [...cut.sources].length;
}})()"""

_HELD = """[...viewer.chunkManager.rpc.objects.values()]
  .filter((each) => each.meshSource).reduce((sum, each) => sum + each.chunks.size, 0)"""
