"""Every command by its words."""

from __future__ import annotations

from PyQt6.QtCore import QEvent, Qt
from PyQt6.QtGui import QKeyEvent
from PyQt6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from app.services.actions import ACTIONS
from app.ui.palette import Entry, matching
from app.ui.window import MainWindow
from proofreading.decisions import Answer
from tests.qt.ui.fakes import FakeWorkbench
from tests.qt.ui.pointer import send


def entry(words: str) -> Entry:
    return Entry(words, "", lambda: None)


def test_words_that_begin_come_first() -> None:
    entries = [entry("Judge sites"), entry("later"), entry("Judge failed sites again")]
    assert [e.words for e in matching(entries, "si ju")] == [
        "Judge sites",
        "Judge failed sites again",
    ]
    assert [e.words for e in matching(entries, "ate")] == ["later"]
    assert matching(entries, "nothing") == []
    assert len(matching(entries, "  ")) == 3


def type_words(line: QWidget, words: str) -> None:
    for letter in words:
        press(line, Qt.Key(ord(letter.upper())), letter)


def press(widget: QWidget, key: Qt.Key, text: str = "") -> None:
    for kind in (QEvent.Type.KeyPress, QEvent.Type.KeyRelease):
        event = QKeyEvent(kind, key, Qt.KeyboardModifier.NoModifier, text)
        QApplication.sendEvent(widget, event)


def opened(window: MainWindow, qtbot: QtBot) -> MainWindow:
    handle = window.windowHandle()
    assert handle is not None
    send(handle, Qt.Key.Key_K, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(window.palette_card.isVisible)
    return window


def test_every_action_and_menu_entry_is_there(window: MainWindow, qtbot: QtBot) -> None:
    opened(window, qtbot)
    words = [e.words for e in window.commands.entries()]
    for action in ACTIONS:
        assert action.name == "palette" or action.label in words
    for entry_ in window.more.actions():
        assert entry_.isSeparator() or entry_.text() in words


def test_typing_and_enter_do_it_and_close(
    window: MainWindow, bench: FakeWorkbench, qtbot: QtBot
) -> None:
    opened(window, qtbot)
    type_words(window.palette_card.line, "unsure")
    # Letters are typed now, not pressed: nothing may have been answered.
    assert bench.answers == []
    press(window.palette_card.line, Qt.Key.Key_Return)
    assert not window.palette_card.isVisible()
    assert [answer for _, answer in bench.answers] == [Answer.UNSURE]


def test_arrows_move_and_escape_closes(
    window: MainWindow, bench: FakeWorkbench, qtbot: QtBot
) -> None:
    opened(window, qtbot)
    card = window.palette_card
    press(card.line, Qt.Key.Key_Down)
    assert card.list.indexOfTopLevelItem(card.list.currentItem()) == 1
    press(card.line, Qt.Key.Key_Up)
    press(card.line, Qt.Key.Key_Up)
    assert card.list.indexOfTopLevelItem(card.list.currentItem()) == 0
    type_words(card.line, "zzz")
    press(card.line, Qt.Key.Key_Return)
    assert card.isVisible()
    handle = window.windowHandle()
    assert handle is not None
    send(handle, Qt.Key.Key_Escape)
    assert not card.isVisible()
    assert bench.answers == []
