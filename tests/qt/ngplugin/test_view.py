from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest
from PyQt6.QtWidgets import QApplication

from connectome.datastack import ViewerSources
from ngplugin import scripts
from tests.qt.ngplugin.conftest import ROOT_A, ROOT_B
from tests.qt.ngplugin.page import Page
from tests.qt.ngplugin.scene import Served
from tests.unit.ngplugin.sites import site

pytestmark = pytest.mark.qt
LEFT, RIGHT, ABOVE = (140, 200), (260, 200), (200, 20)


def is_blue(color: tuple[int, int, int]) -> bool:
    return color[2] > color[0] + 15


def is_orange(color: tuple[int, int, int]) -> bool:
    return color[0] > color[2] + 15


def is_gray(color: tuple[int, int, int]) -> bool:
    return max(color) - min(color) < 6


def shown(page: Page) -> list[str]:
    group = "viewer.layerManager.getLayerByName('segmentation').layer.displayState"
    ids = page.evaluate(
        f"JSON.stringify([...{group}.segmentationGroupState.value.visibleSegments].map(String))"
    )
    return sorted(json.loads(ids))


def test_a_pair_is_shown_in_its_colours_and_nothing_else(page: Page) -> None:
    page.until(lambda: page.color_at(*LEFT) == (60, 60, 60), "the imagery")
    assert is_gray(page.color_at(*RIGHT))
    page.viewer.show_pair(ROOT_A, ROOT_B)
    page.until(lambda: is_blue(page.color_at(*LEFT)), "A in blue")
    page.until(lambda: is_orange(page.color_at(*RIGHT)), "B in orange")
    assert is_gray(page.color_at(*ABOVE))
    assert shown(page) == [str(ROOT_A), str(ROOT_B)]
    page.viewer.show_pair(ROOT_B, None)
    page.until(lambda: is_blue(page.color_at(*RIGHT)), "B in A's place")
    page.until(lambda: is_gray(page.color_at(*LEFT)), "A gone")
    assert shown(page) == [str(ROOT_B)]


def test_a_double_click_shows_others_and_never_hides_the_pair(page: Page) -> None:
    def double_click(x: int, root: int) -> None:
        page.until(lambda: page.hover(x, LEFT[1]) == str(root), "the segment under the mouse")
        page.double_click(x, LEFT[1])

    page.viewer.show_pair(ROOT_A, None)
    page.until(lambda: is_blue(page.color_at(*LEFT)), "A")
    double_click(RIGHT[0], ROOT_B)
    page.until(lambda: shown(page) == [str(ROOT_A), str(ROOT_B)], "another one")
    double_click(RIGHT[0], ROOT_B)
    page.until(lambda: shown(page) == [str(ROOT_A)], "it gone again")
    page.evaluate("window.twice = 0; addEventListener('dblclick', () => { twice += 1; }, true); 0")
    double_click(LEFT[0], ROOT_A)
    page.until(lambda: page.evaluate("window.twice") == 1, "the stray one")
    page.until(lambda: shown(page) == [str(ROOT_A)], "A, still there")


def test_the_segmentation_can_be_read_again_and_the_imagery_stays(
    page: Page, volume: Served
) -> None:
    page.viewer.show_pair(ROOT_A, None)
    page.until(lambda: is_blue(page.color_at(*LEFT)), "A")
    before = len(volume.requests)
    page.viewer.refresh_segmentation()
    page.until(lambda: any("/seg/s0/" in path for path in volume.requests[before:]), "the reading")
    assert not [path for path in volume.requests[before:] if path.startswith("/em/")]


def test_the_view_moves_without_a_state_push_and_is_read_back(page: Page) -> None:
    turn = (0.0, 0.6, 0.0, 0.8)
    layer = "viewer.layerManager.getLayerByName('segmentation').layer"
    page.evaluate(f"{layer}.untouched = 7; 0")
    past = page.evaluate("[history.length, location.href]")
    page.viewer.look_at(
        (300.0, 405.0, 505.0), nm_per_pixel=4.0, orientation=turn, layout="4panel", height_nm=900.0
    )
    page.until(lambda: page.viewer.view_state().get("layout") == "4panel", "the view")
    view = page.viewer.view_state()
    assert view["position_nm"] == pytest.approx([300.0, 405.0, 505.0], abs=1e-3)
    assert view["nm_per_pixel"] == pytest.approx(4.0)
    assert view["height_nm"] == pytest.approx(900.0)
    assert view["orientation"] == pytest.approx(turn, abs=1e-6)
    # A pushed state would make every layer anew, and a change of the address a step back.
    assert page.evaluate(f"{layer}.untouched") == 7
    assert page.evaluate("[history.length, location.href]") == past


def test_where_the_page_looks_is_told_once_for_each_place(page: Page) -> None:
    told: list[tuple[float, float, float]] = []
    page.viewer.on_moved(told.append)
    page.viewer.look_at((300.0, 405.0, 505.0))
    page.until(lambda: bool(told), "the move")
    page.viewer.look_at((300.0, 405.0, 505.0), nm_per_pixel=4.0)
    page.until(lambda: page.viewer.view_state()["nm_per_pixel"] == pytest.approx(4.0), "the zoom")
    assert told == [pytest.approx((300.0, 405.0, 505.0), abs=1e-3)]


def test_contrast_changes_the_imagery(page: Page) -> None:
    page.until(lambda: page.color_at(*ABOVE) == (60, 60, 60), "the imagery")
    page.viewer.set_contrast(20, 80)
    page.until(lambda: abs(page.color_at(*ABOVE)[0] - 170) < 4, "the contrast")


def test_a_reloaded_page_shows_the_same(page: Page) -> None:
    page.viewer.show_pair(ROOT_A, ROOT_B)
    page.viewer.add_sites([site(9, (640.0, 640.0, 640.0))])
    page.until(lambda: page.property_of(9) is not None, "the site")
    page.load()
    page.viewer.set_probabilities([f"{9:016x}"], [0.25])
    page.until(lambda: page.property_of(9) == [0.25, 0, 0, 0], "the site after the reload")
    page.until(lambda: is_blue(page.color_at(*LEFT)) and is_orange(page.color_at(*RIGHT)))


def test_hostile_texts_are_shown_or_refused_but_never_run(
    page: Page, caplog: pytest.LogCaptureFixture
) -> None:
    hostile = "</script><img src=x onerror='window.hacked=1'>\"); window.hacked=1; (\""
    page.viewer.status("x", hostile)
    page.until(lambda: hostile in page.evaluate("document.body.textContent"), "the status")
    with caplog.at_level(logging.WARNING, "ngplugin"):
        page.evaluate(scripts.call(hostile, {"x": hostile}) + "0")
        page.until(lambda: "failed in the page" in caplog.text, "the refusal")
    caplog.clear()
    page.viewer.status("x", None)
    page.until(lambda: hostile not in page.evaluate("document.body.textContent"))
    assert page.evaluate("window.hacked === undefined")


def test_the_next_places_are_fetched_ahead(page: Page, volume: Served) -> None:
    page.viewer.look_at((100.0, 100.0, 100.0), nm_per_pixel=0.1)
    page.until(lambda: page.viewer.view_state().get("nm_per_pixel") == pytest.approx(0.1))
    page.viewer.prefetch([((1200.0, 1200.0, 1200.0), (ROOT_A,))] * 5, after_s=0.0)
    wanted = "/em/s0/64-128_64-128_64-128"
    page.until(lambda: wanted in volume.requests, "the chunk ahead")
    config = page.viewer._viewer.config_state
    page.until(lambda: len(config.state.prefetch) == 3, "the first three places")


@pytest.fixture
def crippled(qapp: QApplication, sources: ViewerSources) -> Iterator[Page]:
    """Return a page whose client lacks one of the internals that are patched."""
    page = Page(sources)
    page.load(
        before_ready="""(() => {
          const layer = viewer.layerManager.getLayerByName('sites')?.layer;
          const source = layer?.annotationStates?.states?.[0]?.source;
          const sources = [...(source?.spatiallyIndexedSources ?? [])];
          for (const cells of sources) Object.defineProperty(cells, 'parent', { value: null });
          return sources.length > 0;
        })()"""
    )
    page.viewer.look_at((640.0, 640.0, 640.0), nm_per_pixel=2.5, layout="xy")
    yield page
    page.close()


def test_a_changed_client_still_shows_sites_by_the_fallback(crippled: Page) -> None:
    assert crippled.missing == [["cells.parent"]]
    crippled.viewer.add_sites([site(9, (640.0, 640.0, 640.0))])
    crippled.until(lambda: crippled.property_of(9) is not None, "the site")
    crippled.viewer.set_probabilities([f"{9:016x}"], [0.25])
    crippled.until(lambda: crippled.property_of(9) == [0.25, 0, 0, 0], "the verdict")
