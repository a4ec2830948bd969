"""The bird's-eye map: cells, shares, and the site that a click means."""

from __future__ import annotations

import numpy as np
import pytest

from app.services.map_bench import MapBench, sites_of
from app.services.map_raster import MapSites, SiteMap, draw_map, nearest_site
from connectome.space import BoxNm, PointNm
from ngplugin.store import SiteStore
from proofreading.decisions import Answer
from tests.unit.app.test_export_desk import Loop
from tests.unit.ngplugin.sites import site

BOUNDS = BoxNm((100.0, 0.0, 0.0), (1100.0, 500.0, 200.0))


def _sites(*rows: tuple[PointNm, float, bool]) -> MapSites:
    return MapSites(
        np.array([point for point, _, _ in rows], np.float32).reshape(-1, 3),
        np.arange(1, len(rows) + 1, dtype=np.uint64),
        np.array([p for _, p, _ in rows], np.float32),
        np.array([seen for _, _, seen in rows], np.bool_),
    )


FEW = _sites(
    ((105.0, 5.0, 5.0), 0.2, False),
    ((109.0, 9.0, 195.0), 0.7, False),
    ((109.0, 9.0, 5.0), 0.99, True),
    ((1100.0, 500.0, 200.0), -1.0, False),  # on the far corner
    ((605.0, 255.0, 5.0), 0.5, True),
)


def test_cells_count_sites_and_answers_and_keep_the_most_probable_open_one() -> None:
    seen = draw_map(FEW, BOUNDS, "xy", most=10)
    assert (seen.shape, seen.cell_nm, seen.low_nm) == ((5, 10), 100.0, (100.0, 0.0))
    assert (seen.total[0, 0], seen.visited[0, 0]) == (3, 1)
    assert seen.best[0, 0] == pytest.approx(0.7)
    assert (seen.total[4, 9], seen.best[4, 9]) == (1, -1.0)
    assert (seen.total[2, 5], seen.visited[2, 5]) == (1, 1)
    assert np.isnan(seen.best[2, 5])
    assert seen.total.sum() == len(FEW)


def test_other_planes_look_along_other_axes() -> None:
    seen = draw_map(FEW, BOUNDS, "xz", most=10)
    assert seen.shape == (2, 10)
    assert (seen.total[0, 0], seen.total[1, 0]) == (2, 1)
    assert seen.place_of((1.0, 2.0, 3.0)) == (1.0, 3.0)


def test_a_place_is_a_cell_or_outside() -> None:
    seen = draw_map(FEW, BOUNDS, "xy", most=10)
    assert seen.cell_at(650.0, 250.0) == (2, 5)
    assert seen.cell_at(99.0, 250.0) is None
    assert seen.cell_at(650.0, 501.0) is None


def test_many_sites_are_counted_in_pieces_as_one() -> None:
    rng = np.random.default_rng(3)
    n = 450_000
    points = (rng.random((n, 3)) * BOUNDS.size + np.array(BOUNDS.lower)).astype(np.float32)
    many = MapSites(
        points,
        np.arange(n, dtype=np.uint64),
        rng.random(n).astype(np.float32),
        rng.random(n) < 0.25,
    )
    seen = draw_map(many, BOUNDS, "yz")
    assert seen.total.sum() == n
    assert seen.visited.sum() == many.visited.sum()
    assert np.nanmax(seen.best) == many.probability[~many.visited].max()


def test_a_click_prefers_an_open_site_that_is_about_as_near() -> None:
    seen = draw_map(FEW, BOUNDS, "xy", most=10)
    assert nearest_site(FEW, seen, 109.0, 9.0) in (1, 2)
    assert nearest_site(FEW, seen, 605.0, 255.0) == 5  # nothing open is near
    assert nearest_site(FEW, seen, 1000.0, 480.0) == 4
    assert nearest_site(_sites(), seen, 0.0, 0.0) is None


def test_the_map_shows_what_asks_something() -> None:
    store = SiteStore(BOUNDS, (10.0, 10.0, 10.0))
    three = [site(n, (200.0 * n, 50.0, 50.0)) for n in (1, 2, 3)]
    store.add(three)
    store.set_aside(np.array([three[1].number], np.uint64), np.array([True]))
    store.set_answers([three[2].id], [Answer.REJECT])
    store.set_probabilities([three[0].id], [0.5])
    found = sites_of(store)
    assert found.numbers.tolist() == [three[0].number, three[2].number]
    assert found.visited.tolist() == [False, True]
    assert found.probability[0] == pytest.approx(0.5)


def test_the_map_and_the_click_come_on_the_owners_thread() -> None:
    loop, store = Loop(), SiteStore(BOUNDS, (10.0, 10.0, 10.0))
    one = site(7, (300.0, 50.0, 50.0))
    store.add([one])
    bench = MapBench(store, loop.post)
    maps: list[SiteMap] = []
    bench.draw("xy", maps.append)
    loop.until(lambda: maps)
    clicked: list[str | None] = []
    bench.find(maps[0], 300.0, 50.0, clicked.append)
    loop.until(lambda: clicked)
    assert clicked == [one.id]
    bench.close()
