"""The cut over the viewer: its states, its keys, and the way out."""

from __future__ import annotations

from dataclasses import replace

import pytest
from PyQt6.QtCore import Qt
from pytestqt.qtbot import QtBot

from app.services.model import Phase
from app.services.splitting_model import CutPoint, CutSide, CutView
from app.ui.split_card import volume_words
from app.ui.window import MainWindow
from tests.qt.ui.fakes import Clock, FakeWorkbench
from tests.qt.ui.pointer import click, send

POINTS = (
    CutPoint(4, CutSide.SOURCE, (0.0, 0.0, 0.0), 1),
    CutPoint(5, CutSide.SINK, (9.0, 0.0, 0.0), 2),
    CutPoint(6, CutSide.SINK, (9.0, 9.0, 0.0), 0, "Nothing lies there."),
)
READY = CutView("s", POINTS[:2], Phase.READY, "Enter makes this cut.", "", (2.5e9, 4e6))


def _show(window: MainWindow, bench: FakeWorkbench, qtbot: QtBot, view: CutView | None) -> None:
    bench.cutting.active = view is not None
    bench.change(cut=view)
    qtbot.waitUntil(lambda: window.split_card.isVisible() == (view is not None))


def test_a_ready_cut_shows_its_points_and_numbers(
    window: MainWindow, bench: FakeWorkbench, qtbot: QtBot
) -> None:
    _show(window, bench, qtbot, READY)
    card = window.split_card
    assert [sum(b.isVisible() for b in row.buttons) for row in card.rows.values()] == [1, 1]
    assert "A 2.50 µm³, B 0.0040 µm³" in card.numbers.text()
    assert card.make.isEnabled()
    click(card.rows[CutSide.SINK].buttons[0])
    assert bench.calls[-1] == "remove 5"
    click(card.make)
    assert bench.calls[-1] == "cut"
    _show(window, bench, qtbot, None)


def test_what_is_wrong_is_red_and_nothing_can_be_made(
    window: MainWindow, bench: FakeWorkbench, qtbot: QtBot
) -> None:
    view = CutView("s", POINTS, Phase.FAILED, "Nothing lies there.", "Move the points.")
    _show(window, bench, qtbot, view)
    card = window.split_card
    assert card.text.property("tone") == "error"
    assert card.remedy.text() == "Move the points."
    assert card.rows[CutSide.SINK].buttons[1].text() == "! ×"
    assert not card.make.isEnabled()
    assert not card.numbers.isVisible()


@pytest.mark.parametrize(
    ("key", "held", "call"),
    [
        (Qt.Key.Key_E, Qt.KeyboardModifier.NoModifier, "point source"),
        (Qt.Key.Key_E, Qt.KeyboardModifier.ShiftModifier, "point sink"),
        (Qt.Key.Key_P, Qt.KeyboardModifier.NoModifier, "preview"),
        (Qt.Key.Key_Backspace, Qt.KeyboardModifier.NoModifier, "remove None"),
        (Qt.Key.Key_Return, Qt.KeyboardModifier.NoModifier, "cut"),
        (Qt.Key.Key_Enter, Qt.KeyboardModifier.KeypadModifier, "cut"),
    ],
)
def test_keys_make_a_cut(
    window: MainWindow, bench: FakeWorkbench, key: Qt.Key, held: Qt.KeyboardModifier, call: str
) -> None:
    send(window.queue.table, key, held)
    assert bench.calls[-1] == call


def test_a_held_enter_makes_one_cut(window: MainWindow, bench: FakeWorkbench, clock: Clock) -> None:
    send(window.queue.table, Qt.Key.Key_Return)
    send(window.queue.table, Qt.Key.Key_Return)
    assert bench.calls.count("cut") == 1
    clock.now += 1.0
    send(window.queue.table, Qt.Key.Key_Return)
    assert bench.calls.count("cut") == 2


def test_escape_leaves_the_cut(window: MainWindow, bench: FakeWorkbench, qtbot: QtBot) -> None:
    _show(window, bench, qtbot, READY)
    send(window.queue.table, Qt.Key.Key_Escape)
    assert bench.calls[-1] == "leave the cut"
    send(window.queue.table, Qt.Key.Key_Escape)
    assert bench.calls.count("leave the cut") == 1


def test_the_sides_in_words(window: MainWindow, bench: FakeWorkbench, qtbot: QtBot) -> None:
    _show(window, bench, qtbot, replace(READY, whole=True))
    assert window.split_card.numbers.text() == "The cut leaves A 2.50 µm³, B 0.0040 µm³"
    _show(window, bench, qtbot, None)
    _show(window, bench, qtbot, replace(READY, whole=True, volumes_nm3=(2.5e9, 0.0)))
    assert "still holds together" in window.split_card.numbers.text()


def test_volumes_in_words() -> None:
    assert volume_words(3.3e6) == "0.0033 µm³"
    assert volume_words(1.234e9) == "1.23 µm³"
    assert volume_words(1.5e12) == "1,500 µm³"
