"""The tour of the first start."""

from __future__ import annotations

import pytest
from PyQt6.QtCore import Qt
from pytestqt.qtbot import QtBot

from app.services.preferences import PreferencesStore
from app.ui.window import MainWindow
from tests.qt.ui.fakes import FakeWorkbench
from tests.qt.ui.pointer import send


@pytest.fixture
def touring(window: MainWindow, qtbot: QtBot) -> MainWindow:
    window.begin()
    qtbot.waitUntil(window.tour.isVisible)
    return window


def press(window: MainWindow, key: Qt.Key) -> None:
    handle = window.windowHandle()
    assert handle is not None
    send(handle, key, Qt.KeyboardModifier.NoModifier)


def test_five_steps_and_it_is_never_shown_again(
    touring: MainWindow, preferences: PreferencesStore
) -> None:
    seen: list[str] = []
    while touring.tour.isVisible() and len(seen) < 10:
        seen.append(touring.tour.heading.text())
        assert touring.rect().contains(touring.tour.card.geometry())
        touring.tour.go_on()
    assert len(set(seen)) == 5
    assert preferences.read().tour_done
    touring.begin()
    assert not touring.tour.isVisible()


def test_no_answer_is_given_behind_it(touring: MainWindow, bench: FakeWorkbench) -> None:
    press(touring, Qt.Key.Key_F)
    assert bench.answers == []
    assert touring.tour.place == 1


def test_escape_leaves_it(touring: MainWindow, preferences: PreferencesStore) -> None:
    press(touring, Qt.Key.Key_Escape)
    assert not touring.tour.isVisible()
    assert preferences.read().tour_done


def test_the_card_stays_inside_a_small_window(touring: MainWindow, qtbot: QtBot) -> None:
    touring.resize(960, 600)
    qtbot.waitUntil(lambda: touring.tour.size() == touring.size())
    for _ in range(4):
        assert touring.rect().contains(touring.tour.card.geometry())
        touring.tour.go_on()
