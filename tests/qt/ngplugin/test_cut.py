"""Points of a cut and what it would leave, in the real page."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from PyQt6.QtCore import QPoint, Qt
from PyQt6.QtTest import QTest

from connectome.space import PointNm
from ngplugin.after import AfterPicture, Surface
from ngplugin.points import Mark
from tests.qt.ngplugin.conftest import ROOT_A, ROOT_B
from tests.qt.ngplugin.page import Page

pytestmark = pytest.mark.timeout(120)

MIDDLE: PointNm = (640.0, 640.0, 640.0)
MARKS = "[...viewer.layerManager.getLayerByName('cut').layer.localAnnotations]"
ALPHA = "viewer.layerManager.getLayerByName('segmentation').layer.displayState.objectAlpha.value"
SHOWN = "viewer.layerManager.getLayerByName('after').visible"
# PyQt6 stubs give QTest functions a `self` that they do not have.
_test: Any = QTest


def _colored(page: Page, at: tuple[int, int]) -> str:
    red, _green, blue = page.color_at(*at)
    if abs(red - blue) < 20:
        return "grey"
    return "orange" if red > blue else "blue"


def test_points_are_drawn_dragged_and_taken_away(page: Page) -> None:
    moved: list[list[Mark]] = []
    page.viewer.marks.on_moved(moved.append)
    page.viewer.marks.show([Mark(1, 0, MIDDLE), Mark(2, 1, (840.0, 640.0, 640.0))])
    page.until(lambda: _colored(page, (200, 200)) == "blue", "the first point")
    page.until(lambda: page.evaluate(f"{MARKS}.length") == 2, "both points")
    assert page.evaluate(ALPHA) < 1.0
    assert moved == []

    _drag(page, (200, 200), (240, 260))  # 2.5 nm a pixel
    page.until(lambda: bool(moved), "the drag")
    page.until(lambda: moved[-1][0].position_nm[0] > 700, "the end of the drag")
    first, second = moved[-1]
    assert (first.number, first.side) == (1, 0)
    assert math.dist(first.position_nm, (740.0, 790.0, 640.0)) < 15.0
    assert second == Mark(2, 1, (840.0, 640.0, 640.0))

    page.viewer.marks.show([])
    page.until(lambda: page.evaluate(f"{MARKS}.length") == 0, "no points")
    assert page.evaluate(ALPHA) == 1.0


def test_a_point_is_where_the_mouse_is_or_in_the_middle(page: Page) -> None:
    found: list[tuple[int, PointNm]] = []
    page.viewer.marks.on_pointed(lambda side, at: found.append((side, at)))
    page.viewer.marks.ask(1)
    page.until(lambda: len(found) == 1, "the middle")
    assert found[0][0] == 1
    assert math.dist(found[0][1], MIDDLE) < 1.0
    _test.mouseMove(page.target(), QPoint(120, 160))
    page.until(lambda: bool(page.evaluate("viewer.mouseState.active")), "the mouse in the page")
    page.viewer.marks.ask(0)
    page.until(lambda: len(found) == 2, "the mouse")
    assert math.dist(found[1][1], (440.0, 540.0, 640.0)) < 15.0


def test_the_parts_replace_the_object_and_go_again(page: Page) -> None:
    page.viewer.show_pair(ROOT_A, None)
    labels = np.ones((20, 20, 20), np.uint8)
    labels[:, :, 10:] = 2
    corners = np.array([[600, 600, 600], [680, 600, 600], [600, 680, 640]], np.float32)
    surface = Surface(corners, np.array([[0, 1, 2]], np.uint32))
    picture = AfterPicture(labels, (54, 54, 54), (surface, surface))
    page.viewer.show_after(picture)
    page.until(lambda: _colored(page, (180, 200)) == "blue", "the first part")
    page.until(lambda: _colored(page, (220, 200)) == "orange", "the second part")
    # Outside of what was cut, not even the object's own colour is left.
    assert _colored(page, (60, 200)) == "grey"
    page.viewer.show_after(None)
    page.until(lambda: _colored(page, (60, 200)) == "blue", "the object again")
    assert page.evaluate(SHOWN) is False
    again = AfterPicture(3 - labels, (54, 54, 54), (surface, surface))
    page.viewer.show_after(again)
    page.until(lambda: _colored(page, (180, 200)) == "orange", "the other cut")


def test_a_tinted_object_keeps_its_slices(page: Page) -> None:
    page.viewer.show_pair(ROOT_A, None)
    page.until(lambda: _colored(page, (60, 200)) == "blue", "the object")
    corners = np.array([[600, 600, 600], [680, 600, 600], [600, 680, 640]], np.float32)
    surface = Surface(corners, np.array([[0, 1, 2]], np.uint32))
    nothing = np.zeros((1, 1, 1), np.uint8)
    page.viewer.show_after(AfterPicture(nothing, (0, 0, 0), (surface, surface)), beside=False)
    page.until(lambda: page.evaluate(SHOWN) is True, "the parts")
    page.until(lambda: page.evaluate(ALPHA) == 0, "the object's own surface out of sight")
    assert _colored(page, (60, 200)) == "blue"
    page.viewer.show_after(None)
    page.until(lambda: page.evaluate(ALPHA) == 1, "the object again")


def test_points_outlive_a_page_that_is_loaded_again(page: Page) -> None:
    page.viewer.marks.show([Mark(1, 0, MIDDLE)])
    page.load()
    page.until(lambda: page.evaluate(f"{MARKS}.length") == 1, "the point")


def _drag(page: Page, start: tuple[int, int], end: tuple[int, int]) -> None:
    target, hold = page.target(), Qt.KeyboardModifier.ControlModifier
    left = Qt.MouseButton.LeftButton
    _test.mouseMove(target, QPoint(*start))
    _test.qWait(100)
    _test.mousePress(target, left, hold, QPoint(*start))
    _test.qWait(50)
    for step in (0.3, 0.6, 1.0):
        x, y = (round(a + step * (b - a)) for a, b in zip(start, end, strict=True))
        _test.mouseMove(target, QPoint(x, y))
        _test.qWait(50)
    _test.mouseRelease(target, left, hold, QPoint(*end))


def test_the_after_view_of_a_merge_is_one_colour(page: Page) -> None:
    page.viewer.show_pair(ROOT_A, ROOT_B)
    page.until(lambda: _colored(page, (260, 200)) == "orange", "B in its colour")
    page.viewer.show_merged(merged=True)
    page.until(lambda: _colored(page, (260, 200)) == "blue", "B in A's colour")
    page.viewer.show_pair(ROOT_A, ROOT_B)
    page.viewer.show_merged(merged=False)
    page.until(lambda: _colored(page, (260, 200)) == "orange", "B in its colour again")
