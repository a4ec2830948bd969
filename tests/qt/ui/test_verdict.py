"""The question, its evidence, and every state of both."""

from __future__ import annotations

import numpy as np
import pytest
from PyQt6.QtGui import QColor
from pytestqt.qtbot import QtBot

from app.services.model import PartnerChoice, Phase
from app.ui.partners import nearness
from app.ui.picture_grid import PictureGrid, to_pixmap
from app.ui.probability_bar import ProbabilityBar
from app.ui.theme import COLOR_B, scale_color
from app.ui.window import MainWindow
from ngplugin.style import COLOR_UNJUDGED
from rendering.picture import Picture, PictureState, failed_picture
from rendering.pictures import SitePictures
from tests.qt.ui.fakes import FakeWorkbench, make_pictures
from tests.qt.ui.pointer import click


def settle(window: MainWindow, bench: FakeWorkbench, qtbot: QtBot, **changes: object) -> None:
    bench.site_changes.update(changes)
    window.verdict.show_snapshot(bench.snapshot())


def test_the_question_and_the_pair(window: MainWindow, bench: FakeWorkbench, qtbot: QtBot) -> None:
    verdict = window.verdict
    current = bench.snapshot().current
    assert current is not None
    assert verdict.question.text() == current.question
    assert verdict.root_a.toolTip() == str(current.site.root)
    assert current.partner is not None
    assert verdict.root_b.toolTip() == str(current.partner.root)
    assert current.verdict is not None
    assert verdict.bar.value == current.verdict.probability
    assert "resnet18" in verdict.provenance.text()
    assert "CPU" in verdict.provenance.text()


def test_a_site_without_partner_has_no_b(
    window: MainWindow, bench: FakeWorkbench, qtbot: QtBot
) -> None:
    junction = next(site for site in bench.sites.values() if not site.partners)
    bench.select(junction.id)
    qtbot.waitUntil(lambda: window.verdict.question.text() == "Are two neurons fused here?")
    assert not window.verdict.root_b.isVisible()
    assert not window.verdict.partners_title.isVisible()
    assert not any(row.isVisible() for row in window.verdict.partners.rows)


def test_the_chosen_partner_carries_b_s_colour(
    window: MainWindow, bench: FakeWorkbench, qtbot: QtBot
) -> None:
    site = next(s for s in bench.sites.values() if len(s.partners) == 4)
    bench.select(site.id)
    click(window.verdict.partners.rows[2])
    assert bench.calls[-1] == "partner 2"
    rows = window.verdict.partners.rows
    qtbot.waitUntil(lambda: [r.is_chosen for r in rows] == [False, False, True, False])
    assert [COLOR_B in row.styleSheet() for row in rows] == [False, False, True, False]


def test_nearness_in_words() -> None:
    touching = PartnerChoice(0, 1, 0.0, 42_000.0, 1.0, None)
    apart = PartnerChoice(0, 1, 1234.4, 0.0, 1.0, None)
    assert nearness(touching) == "touches 0.042 µm²"
    assert nearness(apart) == "1,234 nm away"


def test_a_failed_verdict_is_a_sentence_with_a_retry(
    window: MainWindow, bench: FakeWorkbench, qtbot: QtBot
) -> None:
    reason = "The slices lie outside the volume."
    settle(window, bench, qtbot, verdict=None, verdict_phase=Phase.FAILED, verdict_text=reason)
    assert window.verdict.provenance.text() == reason
    assert window.verdict.bar.value is None
    click(window.verdict.retry)
    assert bench.calls == ["retry"]
    settle(window, bench, qtbot, verdict_phase=Phase.LOADING, verdict_text="")
    assert window.verdict.provenance.text() == "Judging…"
    assert not window.verdict.retry.isVisible()


def test_pictures_come_and_fail(window: MainWindow, bench: FakeWorkbench, qtbot: QtBot) -> None:
    grid = window.verdict.pictures
    settle(window, bench, qtbot, pictures=None, pictures_phase=Phase.LOADING)
    assert grid.sentence == "Drawing…"
    assert not grid.tiles[0].isVisible()
    settle(window, bench, qtbot, pictures_phase=Phase.FAILED, pictures_text="No Vulkan driver.")
    assert grid.sentence == "No Vulkan driver."
    broken = failed_picture("top", 8.0, PictureState.MISSING_MESH, "B has no mesh.")
    whole = make_pictures(3)
    partial = SitePictures({**whole.views, "top": broken}, whole.slices)
    settle(window, bench, qtbot, pictures=partial, pictures_phase=Phase.PARTIAL, pictures_text="")
    assert grid.sentence == ""
    assert grid.tiles[2].accessibleName() == "top B has no mesh."
    assert grid.tiles[1].accessibleName() == "side"
    assert grid.tiles[1].toolTip() == "side"


def test_pixels_arrive_unchanged(qtbot: QtBot) -> None:
    rgb = np.zeros((5, 3, 3), np.uint8)
    rgb[1, 2] = (10, 200, 30)
    pixmap = to_pixmap(Picture(rgb, "xy", 8.0))
    assert pixmap is not None
    assert (pixmap.width(), pixmap.height()) == (3, 5)
    assert pixmap.toImage().pixelColor(2, 1) == QColor(10, 200, 30)
    assert pixmap.toImage().pixelColor(1, 2) == QColor(0, 0, 0)


@pytest.mark.parametrize(
    ("width", "height", "columns"), [(480, 320, 3), (480, 700, 2), (300, 2000, 2)]
)
def test_pictures_are_as_large_as_the_room_allows(
    qtbot: QtBot, width: int, height: int, columns: int
) -> None:
    grid = PictureGrid()
    qtbot.addWidget(grid)
    grid.resize(width, height)
    grid.show()
    tops = {tile.geometry().top() for tile in grid.tiles}
    assert len({tile.geometry().left() for tile in grid.tiles}) == columns
    assert len(tops) == 6 // columns
    assert all(grid.rect().contains(tile.geometry()) for tile in grid.tiles)
    sides = {(tile.width(), tile.height()) for tile in grid.tiles}
    assert len(sides) == 1
    assert sides.pop()[0] >= 145


def test_a_click_enlarges_and_a_click_puts_away(
    window: MainWindow, bench: FakeWorkbench, qtbot: QtBot
) -> None:
    tile = window.verdict.pictures.tiles[4]
    click(tile)
    assert window.enlarged.isVisible()
    assert window.enlarged.tile.picture is tile.picture
    click(window.enlarged)
    assert not window.enlarged.isVisible()


def test_an_answer_puts_the_enlarged_picture_away(
    window: MainWindow, bench: FakeWorkbench, qtbot: QtBot
) -> None:
    click(window.verdict.pictures.tiles[0])
    window.commands.perform("accept")
    assert not window.enlarged.isVisible()


def test_no_site_says_what_to_do(window: MainWindow, bench: FakeWorkbench, qtbot: QtBot) -> None:
    bench.current = None
    bench.tell()
    qtbot.waitUntil(window.verdict.message.isVisible)
    assert not window.verdict.content.isVisible()
    assert window.verdict.message.text == "No site is open."


def test_the_bar_is_as_long_as_the_probability(qtbot: QtBot) -> None:
    bar = ProbabilityBar()
    qtbot.addWidget(bar)
    bar.resize(400, 24)
    bar.show_value(0.75, "merge")
    assert bar.accessibleName() == "merge 0.75"
    image = bar.grab().toImage()
    fill = scale_color(0.75)
    filled = [x for x in range(400) if image.pixelColor(x, 12) == fill]
    bar.show_value(0.25, "merge")
    image = bar.grab().toImage()
    less = [x for x in range(400) if image.pixelColor(x, 12) == scale_color(0.25)]
    assert len(filled) == pytest.approx(3 * len(less), rel=0.1)
    assert scale_color(None) == QColor(COLOR_UNJUDGED)
