"""One point in every picture, and between the pictures and Neuroglancer."""

from __future__ import annotations

import math

import numpy as np
import pytest
from PyQt6.QtCore import QPoint, Qt
from PyQt6.QtTest import QTest
from pytestqt.qtbot import QtBot

from app.ui.crosshair import place_in, point_at
from app.ui.picture_grid import PictureTile
from app.ui.window import MainWindow
from connectome.space import PointNm
from rendering.picture import Picture
from rendering.record import PictureRecord
from rendering.spec import EMSpec
from tests.qt.ui.fakes import FakeWorkbench
from tests.qt.ui.pointer import hover

CENTER: PointNm = (1000.0, 2000.0, 3000.0)
X, Y, Z = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)
TILTED = ((0.6, 0.8, 0.0), Z, (0.8, -0.6, 0.0))
SIZE, NM = 100, 10.0


def picture(axes: tuple[PointNm, PointNm, PointNm]) -> Picture:
    pixels = np.full((SIZE, SIZE, 3), 90, np.uint8)
    return Picture(pixels, "slice", NM, record=PictureRecord(EMSpec(), CENTER, axes))


@pytest.mark.parametrize("axes", [(X, Y, Z), (X, Z, Y), TILTED])
def test_what_is_pointed_at_lies_where_it_was_pointed(
    axes: tuple[PointNm, PointNm, PointNm],
) -> None:
    shown = picture(axes)
    point = point_at(shown, 0.5, -0.25)
    assert point is not None
    assert math.dist(point, CENTER) == pytest.approx(500 * math.hypot(0.5, 0.25))
    mark = place_in(shown, point)
    assert mark is not None
    assert (mark.right, mark.down) == pytest.approx((0.5, -0.25))
    assert mark.in_plane


def test_a_point_beside_the_plane_is_told_from_one_in_it_and_one_outside_is_nowhere() -> None:
    shown = picture((X, Y, Z))
    before = place_in(shown, (1100.0, 2000.0, 3040.0))
    assert before is not None
    assert before.right == pytest.approx(0.2)
    assert not before.in_plane
    assert place_in(shown, (1600.0, 2000.0, 3000.0)) is None
    assert place_in(Picture(shown.rgb, "of nobody knows where", NM), CENTER) is None


@pytest.fixture
def tiles(window: MainWindow, bench: FakeWorkbench) -> list[PictureTile]:
    """Return the tiles of a window that shows three planes through one point."""
    planes = {"xy": (X, Y, Z), "xz": (X, Z, Y), "yz": (Y, Z, X)}
    slices = {name: picture(axes) for name, axes in planes.items()}
    window.verdict.pictures.show_pictures({"front": picture((X, Y, Z))}, slices)
    return window.verdict.pictures.tiles


def test_the_mouse_in_a_slice_marks_the_point_in_the_other_pictures(
    tiles: list[PictureTile], qtbot: QtBot
) -> None:
    front, xy, xz, yz = tiles[0], *tiles[3:]
    quarter = QPoint(xy.width() * 3 // 4, xy.height() // 2)
    hover(xy, quarter)
    qtbot.waitUntil(lambda: xz.mark is not None)
    assert xy.mark is None
    assert xz.mark is not None
    assert xz.mark.right == pytest.approx(0.5, abs=0.02)
    assert xz.mark.in_plane
    assert front.mark is not None
    assert yz.mark is None  # there it is the middle, which nothing covers
    xy.leaveEvent(None)
    assert [tile.mark for tile in tiles] == [None] * 6


def test_neuroglancer_s_place_is_marked_and_a_right_click_moves_it(
    tiles: list[PictureTile], window: MainWindow, bench: FakeWorkbench, qtbot: QtBot
) -> None:
    xy, xz = tiles[3:5]
    bench.viewer.move((1000.0, 2200.0, 3040.0))
    qtbot.waitUntil(lambda: xy.mark is not None)
    assert xy.mark is not None
    assert xy.mark.down == pytest.approx(0.4)
    assert not xy.mark.in_plane
    place = QPoint(xz.width() // 4, xz.height() // 2)
    QTest.mouseClick(  # type: ignore[call-overload]
        xz, Qt.MouseButton.RightButton, Qt.KeyboardModifier.NoModifier, place
    )
    (sent,) = bench.viewer.looked_at
    assert sent == pytest.approx((750.0, 2000.0, 3000.0), abs=15)
    assert not window.enlarged.isVisible()
