"""Why the judge says so: the overlay on the pictures, its test, and what is unusual."""

from __future__ import annotations

import numpy as np
from pytestqt.qtbot import QtBot

from app.services.why import Learnt, Strange, WhyView
from app.services.worker.messages import Explained
from app.ui.picture_grid import heats_of
from app.ui.why_panel import curve_words, looked_words, short_words, strange_words
from app.ui.window import MainWindow
from inference.judges.saliency import Deletion, SeenSaliency
from inference.judges.unusual import Blame
from tests.qt.ui.fakes import FakeWorkbench
from tests.qt.ui.pointer import click


def _saliency() -> SeenSaliency:
    supporting = np.full((3, 16, 16), -1.0, np.float32)
    supporting[0, 6:10, 6:10] = 2.0
    planes = ("xy", "xz", "yz")
    return SeenSaliency("resnet18", supporting, planes, 320.0, True, Deletion(5.0, 0.5))


def _view(*, overlay: bool = True, unfolded: bool = False) -> WhyView:
    blames = (Blame("the membrane between them", 0.45),)
    explained = Explained("1", 0, _saliency(), blames)
    return WhyView(unfolded, overlay, False, explained, Strange(1.31), Learnt((), 4228, 0.0076))


def test_the_overlay_lies_on_the_slices_that_the_judge_saw(
    window: MainWindow, bench: FakeWorkbench, qtbot: QtBot
) -> None:
    tiles = window.verdict.pictures.tiles
    qtbot.waitUntil(lambda: tiles[3].picture is not None)
    assert tiles[3].name == "xy"
    bench.change(why=_view())
    qtbot.waitUntil(lambda: tiles[3].heat is not None)
    assert tiles[0].heat is None, "views were not shown to it"
    shown = tiles[3].grab().toImage()
    middle = shown.pixelColor(shown.rect().center())
    assert middle.blue() > middle.green() + 80, "violet"
    corner = shown.pixelColor(shown.rect().topRight())
    assert abs(corner.blue() - corner.green()) < 8, "as grey as the tissue"
    click(tiles[3])
    assert window.enlarged.tile.heat is tiles[3].heat
    window.escape()
    bench.change(why=_view(overlay=False))
    qtbot.waitUntil(lambda: tiles[3].heat is None)


def test_only_what_supports_the_answer_is_coloured() -> None:
    heats = heats_of(_saliency())
    image = heats["xy"].pixmap.toImage()
    assert image.pixelColor(8, 8).alpha() > 150
    assert image.pixelColor(0, 0).alpha() == 0
    assert heats["xz"].pixmap.toImage().pixelColor(8, 8).alpha() == 0
    assert heats_of(None) == {}


def test_quiet_until_it_is_unfolded(window: MainWindow, bench: FakeWorkbench, qtbot: QtBot) -> None:
    panel = window.verdict.why
    bench.change(why=_view(overlay=False))
    qtbot.waitUntil(lambda: "1.3" in panel.badge.text())
    assert not panel.inside.isVisible()
    assert not panel.looked.isVisible()
    assert "membrane" in panel.badge.toolTip()
    bench.change(why=_view(overlay=False, unfolded=True))
    qtbot.waitUntil(panel.inside.isVisible)
    assert "4,228" in panel.words.text()
    panel.fold.click()
    panel.overlay.click()
    assert bench.calls[-2:] == ["why", "overlay"]


def test_a_key_asks_where_it_looked(window: MainWindow, bench: FakeWorkbench) -> None:
    window.commands.perform("why")
    assert bench.calls[-1] == "overlay"


def test_words() -> None:
    view = _view()
    assert strange_words(view).endswith("Mostly the membrane between them (45 %).")
    assert "moves its score back by 5.0" in looked_words(view)
    assert "0.8 % off" in curve_words(view)
    assert "100 more" in curve_words(view)
    assert looked_words(WhyView(overlay=True, waits=True)).endswith("…")
    assert looked_words(WhyView(explained=Explained("1", 0, message="No pictures."))) == (
        "No pictures."
    )
    assert strange_words(WhyView()) == ""
    assert short_words(view) == "unusual × 1.3 · occlusion: 5.0, at random 0.5"
    assert short_words(WhyView(overlay=True, waits=True)) == "looking…"
