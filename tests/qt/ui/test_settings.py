"""What a person chooses holds at once and is kept."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from PyQt6.QtCore import Qt
from PyQt6.QtGui import QKeySequence
from PyQt6.QtWidgets import QApplication, QDialogButtonBox
from pytestqt.qtbot import QtBot

from app.services.preferences import PreferencesStore
from app.ui.settings_dialog import SettingsDialog
from app.ui.theme import DARK, LIGHT, apply_theme, theme
from app.ui.window import MainWindow
from proofreading.decisions import Answer
from tests.qt.ui.fakes import FakeWorkbench
from tests.qt.ui.pointer import send


@pytest.fixture(autouse=True)
def dark_again(qapp: QApplication) -> Iterator[None]:
    yield
    apply_theme(qapp, DARK)


def opened(window: MainWindow, qtbot: QtBot) -> SettingsDialog:
    window.commands.perform("settings")
    dialog = window.findChild(SettingsDialog)
    assert dialog is not None
    qtbot.waitUntil(dialog.isVisible)
    return dialog


def save(dialog: SettingsDialog) -> None:
    box = dialog.findChild(QDialogButtonBox)
    assert box is not None
    button = box.button(QDialogButtonBox.StandardButton.Save)
    assert button is not None
    button.click()


def press(window: MainWindow, key: Qt.Key) -> None:
    handle = window.windowHandle()
    assert handle is not None
    send(handle, key, Qt.KeyboardModifier.NoModifier)


def test_a_key_moved_is_the_only_one_that_answers(
    window: MainWindow, bench: FakeWorkbench, preferences: PreferencesStore, qtbot: QtBot
) -> None:
    dialog = opened(window, qtbot)
    dialog.keys["accept"][0].field.setKeySequence(QKeySequence("Q"))
    save(dialog)
    press(window, Qt.Key.Key_F)
    assert bench.answers == []
    press(window, Qt.Key.Key_Q)
    assert [answer for _, answer in bench.answers] == [Answer.ACCEPT]
    assert "Q" in window.bottom.keys["accept"].toolTip()
    assert preferences.read().keys["accept"].left == "Q"


def test_two_actions_cannot_have_one_key(
    window: MainWindow, preferences: PreferencesStore, qtbot: QtBot
) -> None:
    dialog = opened(window, qtbot)
    dialog.keys["accept"][0].field.setKeySequence(QKeySequence("D"))
    save(dialog)
    assert dialog.isVisible()
    assert "D is bound to both accept and reject" in dialog.problem.text()
    assert not preferences.path.exists()
    dialog.reject()


def test_light_holds_at_once_and_next_time(
    window: MainWindow, preferences: PreferencesStore, qtbot: QtBot
) -> None:
    dialog = opened(window, qtbot)
    dialog.appearance.setCurrentText("light")
    save(dialog)
    assert theme() is LIGHT
    assert preferences.read().appearance == "light"


def test_cancel_changes_nothing(
    window: MainWindow, preferences: PreferencesStore, qtbot: QtBot
) -> None:
    dialog = opened(window, qtbot)
    dialog.appearance.setCurrentText("light")
    dialog.reject()
    assert theme() is DARK
    assert not preferences.path.exists()


def test_a_bad_file_is_told_and_the_defaults_hold(
    qtbot: QtBot, window: MainWindow, preferences: PreferencesStore
) -> None:
    preferences.path.write_text("{")
    made = MainWindow(FakeWorkbench(), preferences=preferences)
    qtbot.addWidget(made)
    made.show()
    qtbot.waitUntil(lambda: any("cannot be read" in n.notice.text for n in made.toasts.toasts))
    assert made.preferences == window.preferences
    made.close()
    assert preferences.path.read_text() == "{"
