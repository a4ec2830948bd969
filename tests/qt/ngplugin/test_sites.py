from __future__ import annotations

import time

import numpy as np
import pytest

from ngplugin.style import probability_color
from proofreading.decisions import Answer
from tests.qt.ngplugin.page import Page
from tests.unit.ngplugin.sites import site

MIDDLE = (640.0, 640.0, 640.0)
FAR = 2**63 + 12345
pytestmark = pytest.mark.qt


def name(number: int) -> str:
    return f"{number:016x}"


def near(color: tuple[int, int, int], wanted: str, tolerance: int = 30) -> bool:
    rgb = [int(wanted[at : at + 2], 16) for at in (1, 3, 5)]
    return all(abs(a - b) <= tolerance for a, b in zip(color, rgb, strict=True))


def test_the_pinned_client_has_all_that_is_patched(page: Page) -> None:
    assert page.missing == [[]]
    assert page.viewer.missing_internals == []


def test_sites_appear_while_they_are_added_without_a_state_push(page: Page) -> None:
    page.evaluate("viewer.layerManager.getLayerByName('sites').layer.untouched = 7; 0")
    page.until(lambda: page.viewer.source.requests["cell"] > 0)
    before = page.viewer.source.requests.copy()
    ground = page.color_at(200, 200)
    page.viewer.add_sites([site(FAR, MIDDLE)])
    page.until(lambda: page.color_at(200, 200) != ground, "the first site")
    page.viewer.add_sites([site(n, (600.0, 500.0 + n, 640.0)) for n in range(1, 20)])
    page.until(lambda: page.property_of(19) is not None, "a later site")
    after = page.viewer.source.requests
    assert after["info"] == before["info"] == 1
    assert after["cell"] - before["cell"] <= 2
    assert page.evaluate("viewer.layerManager.getLayerByName('sites').layer.untouched") == 7


def test_colours_change_in_place(page: Page) -> None:
    page.viewer.add_sites([site(FAR, MIDDLE)])
    page.until(lambda: page.property_of(FAR) == [-1.0, 0, 0, 0], "the site")
    requests = page.viewer.source.requests.copy()
    page.viewer.set_probabilities([name(FAR)], [1.0])
    page.until(lambda: near(page.color_at(200, 200), probability_color(1.0)), "a verdict's colour")
    page.viewer.set_probabilities([name(FAR)], [0.5])
    page.until(lambda: near(page.color_at(200, 200), probability_color(0.5)), "the next colour")
    page.viewer.set_answers([name(FAR)], [Answer.ACCEPT])
    faded = probability_color(0.5)
    page.until(lambda: not near(page.color_at(200, 200), faded, 60), "the fading")
    assert page.property_of(FAR) == [0.5, 0, 1, 0]
    assert page.viewer.source.requests == requests


def test_a_click_on_a_site_calls_back_with_its_id(page: Page) -> None:
    clicked: list[str] = []
    page.viewer.on_site_click(clicked.append)
    page.viewer.add_sites([site(FAR, MIDDLE), site(7, (500.0, 640.0, 640.0))])
    page.viewer.set_probabilities([name(FAR), name(7)], [1.0, 1.0])
    page.until(lambda: near(page.color_at(200, 200), probability_color(1.0)), "the site")
    page.click(200, 200)
    page.until(lambda: clicked == [name(FAR)], "the click")
    page.click(200, 300)
    page.click(200 - 56, 200)
    page.until(lambda: len(clicked) == 2, "the second click")
    assert clicked == [name(FAR), name(7)]


def test_two_thousand_sites_are_added_judged_and_kept(page: Page) -> None:
    rng = np.random.default_rng(3)
    numbers = [int(n) for n in rng.integers(1, 2**64 - 1, 2000, dtype=np.uint64)]
    page.viewer.set_layout("3d")
    places = rng.uniform(50, 1230, (2000, 3))
    settled = page.evaluate(_TRACES)
    for start in range(0, 2000, 500):
        part = slice(start, start + 500)
        page.viewer.add_sites(
            [site(n, (x, y, z)) for n, (x, y, z) in zip(numbers[part], places[part], strict=True)]
        )
    page.until(lambda: page.sites_held() == 2000, "all sites")
    cells = page.viewer.source.requests["cell"]
    started = time.monotonic()
    page.viewer.set_probabilities([name(n) for n in numbers], list(np.linspace(0, 1, 2000)))
    last = numbers[-1]
    page.until(lambda: page.property_of(last) == [1.0, 0, 0, 0], "the last verdict")
    assert time.monotonic() - started < 5
    assert page.viewer.source.requests["cell"] == cells, "a verdict fetched a cell"
    # A verdict outlives both a cell that grows and a cache that is thrown away.
    page.viewer.add_sites([site(5, MIDDLE)])
    page.until(lambda: page.property_of(5) is not None, "one more site")
    assert page.property_of(last) == [1.0, 0, 0, 0]
    page.evaluate(
        "for (const s of viewer.layerManager.getLayerByName('sites').layer.annotationStates"
        ".states[0].source.spatiallyIndexedSources) s.invalidateCache(); 0"
    )
    page.until(lambda: page.property_of(last) is None, "the empty cache")
    page.until(lambda: page.property_of(last) == [1.0, 0, 0, 0], "the verdict, read again")
    assert page.evaluate(_TRACES) == settled


def test_a_stale_reply_is_dropped(page: Page) -> None:
    page.viewer.add_sites([site(1, MIDDLE)])
    page.until(lambda: page.property_of(1) is not None, "the first site")
    # The reply to the next request is held back until a later one has been used.
    page.evaluate(
        """(() => {
          const real = window.fetch;
          window.release = null;
          let first = true;
          window.fetch = async (...given) => {
            const reply = await real(...given);
            if (!first || !String(given[0]).includes('spatial')) return reply;
            first = false;
            await new Promise((resolve) => { window.release = resolve; });
            return reply;
          };
        })(); 0"""
    )
    again = "proofdesk.run('refreshCells', {cells: [[0, '0,0,0']]}); 0"
    page.evaluate(again)
    page.until(lambda: bool(page.evaluate("window.release !== null")), "the held reply")
    # Sites that come meanwhile join the cell, and the held reply does not know them.
    page.viewer.add_sites([site(2, MIDDLE)])
    page.until(lambda: page.property_of(2) is not None, "the newest site")
    page.evaluate(again)
    page.until(lambda: page.evaluate("proofdesk.counts.refetched") == 1, "the later reply")
    page.evaluate("window.release(); 0")
    page.until(lambda: page.evaluate("proofdesk.counts.stale") == 1, "the drop")
    assert page.property_of(1) is not None
    assert page.property_of(2) is not None


def test_sites_that_join_a_cell_while_it_is_fetched_are_not_lost(page: Page) -> None:
    page.viewer.add_sites([site(1, MIDDLE)])
    page.until(lambda: page.property_of(1) is not None, "the first site")
    page.evaluate(
        """(() => {
          const real = window.fetch;
          window.release = null;
          window.fetch = async (...given) => {
            const reply = await real(...given);
            if (!String(given[0]).includes('spatial')) return reply;
            window.fetch = real;
            await new Promise((resolve) => { window.release = resolve; });
            return reply;
          };
          proofdesk.run('refreshCells', {cells: [[0, '0,0,0']]});
        })(); 0"""
    )
    page.until(lambda: bool(page.evaluate("window.release !== null")), "the held reply")
    page.viewer.add_sites([site(2, MIDDLE)])
    page.until(lambda: page.property_of(2) is not None, "the second site")
    page.evaluate("window.release(); 0")
    page.until(lambda: page.evaluate("proofdesk.counts.refetched") == 2, "the cell, once more")
    assert page.property_of(1) is not None
    assert page.property_of(2) is not None


def test_a_cell_that_arrives_late_takes_the_newest_properties(page: Page) -> None:
    page.viewer.add_sites([site(1, MIDDLE)])
    page.until(lambda: page.property_of(1) is not None, "the site")
    # The worker may hold a cell from before the verdict and hand it over afterwards.
    page.evaluate(
        """(() => {
          const layer = viewer.layerManager.getLayerByName('sites').layer;
          const sources = [...layer.annotationStates.states[0].source.spatiallyIndexedSources];
          const source = sources.find((s) => [...s.chunks.values()].some(
            (c) => c.data?.serializedAnnotations.typeToIdMaps[0].has('1')));
          const [key, chunk] = [...source.chunks][0];
          const held = chunk.data.serializedAnnotations;
          const old = source.getChunk({
            chunkGridPosition: chunk.chunkGridPosition, ...held, data: held.data.slice() });
          source.chunks.delete(key);
          window.handOver = () => source.addChunk(key, old);
        })(); 0"""
    )
    page.viewer.set_probabilities([name(1)], [0.75])
    page.until(lambda: page.evaluate("proofdesk.counts.patched") > 0, "the patch")
    assert page.property_of(1) is None
    page.evaluate("window.handOver(); 0")
    assert page.property_of(1) == [0.75, 0, 0, 0]


def test_the_current_site_is_ringed_and_looked_at(page: Page) -> None:
    here = site(1, (800.0, 500.0, 640.0))
    page.viewer.add_sites([here, site(2, MIDDLE)])
    page.until(lambda: page.property_of(1) is not None, "the site")
    page.viewer.set_current(here)
    page.until(lambda: page.property_of(1) == [-1.0, 0, 0, 1], "the ring")
    page.until(lambda: page.viewer.view_state().get("position_nm") == [800.0, 500.0, 640.0])
    page.viewer.set_current(None)
    page.until(lambda: page.property_of(1) == [-1.0, 0, 0, 0], "the ring's end")


def test_filtered_sites_disappear(page: Page) -> None:
    page.viewer.add_sites([site(1, MIDDLE)])
    page.viewer.set_probabilities([name(1)], [0.5])
    page.until(lambda: near(page.color_at(200, 200), probability_color(0.5)), "the site")
    page.viewer.filter_sites(least_probability=0.6)
    page.until(lambda: near(page.color_at(200, 200), "#3c3c3c"), "the filter")
    page.viewer.filter_sites(least_probability=0.4)
    page.until(lambda: near(page.color_at(200, 200), probability_color(0.5)), "the site again")


_TRACES = """[history.length, location.href,
  JSON.stringify(viewer.state.toJSON().layers).length]"""
"""Where a client that keeps annotations in its state leaves traces of each."""
