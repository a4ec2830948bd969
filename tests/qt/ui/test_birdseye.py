"""The bird's-eye map over the window."""

from __future__ import annotations

import numpy as np
import pytest
from PyQt6.QtCore import Qt
from pytestqt.qtbot import QtBot

from app.services.map_raster import MapSites, draw_map
from app.ui.birdseye import cell_words, map_image
from app.ui.theme import scale_color
from app.ui.window import MainWindow
from tests.qt.ui.fakes import MAP_BOUNDS, FakeWorkbench
from tests.qt.ui.pointer import click, send


@pytest.fixture(autouse=True)
def sites(bench: FakeWorkbench) -> MapSites:
    """Two places: three open sites left, two answered ones right."""
    points = np.array([[150, 150, 10]] * 3 + [[1850, 850, 10]] * 2, np.float32)
    probability = np.array([0.1, 0.9, -1.0, 0.5, 0.5], np.float32)
    visited = np.array([False, False, False, True, True])
    bench.map.sites = MapSites(points, np.arange(1, 6, dtype=np.uint64), probability, visited)
    return bench.map.sites


def test_b_opens_and_closes_the_map(window: MainWindow, bench: FakeWorkbench) -> None:
    send(window.queue.table, Qt.Key.Key_B)
    assert window.birdseye.isVisible()
    assert window.birdseye.words.text() == "5 sites, 2 answered (40%) · 2.0 µm across"
    send(window.queue.table, Qt.Key.Key_F)
    assert bench.answers == []  # nothing is answered behind the map
    send(window.queue.table, Qt.Key.Key_B)
    assert not window.birdseye.isVisible()
    send(window.queue.table, Qt.Key.Key_B)
    send(window.queue.table, Qt.Key.Key_Escape)
    assert not window.birdseye.isVisible()


def test_a_click_goes_to_the_site(window: MainWindow, bench: FakeWorkbench) -> None:
    send(window.queue.table, Qt.Key.Key_B)
    canvas = window.birdseye.canvas
    click(canvas, canvas.place_of((8, 18)).toPoint())
    assert bench.calls[-1] == f"select {4:016x}"
    assert not window.birdseye.isVisible()


def test_another_plane_is_drawn_and_every_change_once(
    window: MainWindow, bench: FakeWorkbench, qtbot: QtBot
) -> None:
    send(window.queue.table, Qt.Key.Key_B)
    click(window.birdseye.planes["xz"])
    assert bench.map.drawn[-1] == "xz"
    drawn = len(bench.map.drawn)
    bench.tell()
    qtbot.waitUntil(lambda: len(bench.map.drawn) == drawn + 1)
    window.birdseye.hide()
    bench.tell()
    qtbot.wait(60)
    assert len(bench.map.drawn) == drawn + 1


def test_open_cells_have_the_colour_of_the_best_and_answered_ones_are_grey(
    window: MainWindow, sites: MapSites
) -> None:
    seen = draw_map(sites, MAP_BOUNDS, "xy", 20)
    pixels = map_image(seen).astype(int)
    best = scale_color(0.9)
    assert np.abs(pixels[1, 1] - [best.red(), best.green(), best.blue()]).max() < 40
    red, green, blue = pixels[8, 18]
    assert max(red, green, blue) - min(red, green, blue) < 30
    assert (pixels[5, 5] == pixels[0, 10]).all()


def test_a_cell_in_words(window: MainWindow, sites: MapSites) -> None:
    seen = draw_map(sites, MAP_BOUNDS, "xy", 20)
    assert cell_words(seen, (1, 1)) == (
        "3 sites here, 0 answered (0%); the most probable open one 0.90"
    )
    assert cell_words(seen, (8, 18)) == "2 sites here, 2 answered (100%)"
    assert cell_words(seen, (0, 0)) == "no site here"
