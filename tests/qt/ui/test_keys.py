"""One press is one action, wherever the focus is."""

from __future__ import annotations

from dataclasses import replace

import pytest
from PyQt6.QtCore import QEvent, Qt
from PyQt6.QtGui import QKeyEvent
from PyQt6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from app.services.actions import ACTIONS
from app.services.preferences import Preferences, bound_keys
from app.ui.keys import CommitGate, key_name
from app.ui.window import MainWindow
from proofreading.decisions import Answer
from tests.qt.ui.fakes import Clock, FakeWorkbench
from tests.qt.ui.pointer import hover, send

PAGE = """data:text/html,<input id='field'><script>
window.pressed = []; addEventListener('keydown', e => window.pressed.push(e.key));
</script>"""


@pytest.fixture
def bench() -> FakeWorkbench:
    made = FakeWorkbench()
    made.viewer.url = PAGE.replace("\n", " ")
    return made


def press(window: MainWindow, key: Qt.Key, modifiers: Qt.KeyboardModifier | None = None) -> None:
    """Press a key as the window system does: at the window, not at a widget."""
    handle = window.windowHandle()
    assert handle is not None
    send(handle, key, modifiers or Qt.KeyboardModifier.NoModifier)


def focus(window: MainWindow, widget: QWidget, qtbot: QtBot) -> None:
    window.activateWindow()
    widget.setFocus()
    qtbot.waitUntil(lambda: QApplication.focusWidget() is not None)


def pressed_in_page(window: MainWindow, qtbot: QtBot) -> object:
    found: list[object] = []
    window.web.evaluate("window.pressed", found.append)
    qtbot.waitUntil(lambda: bool(found), timeout=10_000)
    return found[0]


def event(
    key: Qt.Key, modifiers: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier
) -> QKeyEvent:
    return QKeyEvent(QEvent.Type.KeyPress, key, modifiers)


@pytest.mark.parametrize(
    ("key", "modifiers", "name"),
    [
        (Qt.Key.Key_F, Qt.KeyboardModifier.NoModifier, "F"),
        (Qt.Key.Key_Z, Qt.KeyboardModifier.ShiftModifier, "Shift+Z"),
        (Qt.Key.Key_Space, Qt.KeyboardModifier.ShiftModifier, "Shift+Space"),
        (Qt.Key.Key_Question, Qt.KeyboardModifier.ShiftModifier, "?"),
        (Qt.Key.Key_Semicolon, Qt.KeyboardModifier.NoModifier, ";"),
        (Qt.Key.Key_1, Qt.KeyboardModifier.KeypadModifier, "1"),
        (Qt.Key.Key_K, Qt.KeyboardModifier.ControlModifier, "Ctrl+K"),
        (Qt.Key.Key_F, Qt.KeyboardModifier.AltModifier, None),
    ],
)
def test_key_names(key: Qt.Key, modifiers: Qt.KeyboardModifier, name: str | None) -> None:
    assert key_name(event(key, modifiers)) == name


def test_every_action_has_a_key_and_no_key_has_two() -> None:
    keys = [k for a in ACTIONS for k in (a.left, a.right) if k]
    assert len(keys) == len(set(keys)) == len(bound_keys(Preferences()))
    assert set(bound_keys(Preferences()).values()) == {a.name for a in ACTIONS}


def test_gate_refuses_repeats_and_double_presses() -> None:
    clock = Clock()
    gate = CommitGate(clock)
    assert gate.admits(auto_repeat=False)
    clock.now += 0.149
    assert not gate.admits(auto_repeat=False)
    clock.now += 0.002
    assert not gate.admits(auto_repeat=True)
    assert gate.admits(auto_repeat=False)


def test_one_press_is_one_decision_with_the_queue_focused(
    loaded: MainWindow, bench: FakeWorkbench, qtbot: QtBot
) -> None:
    focus(loaded, loaded.queue.table, qtbot)
    site = bench.queue.row(0).site_id
    press(loaded, Qt.Key.Key_F)
    assert bench.answers == [(site, Answer.ACCEPT)]


def test_a_key_means_the_site_on_the_screen_not_the_one_under_the_mouse(
    window: MainWindow, bench: FakeWorkbench
) -> None:
    shown = bench.queue.row(0).site_id
    table = window.queue.table
    other = table.visualRect(window.queue.model.index(6, 0)).center()
    hover(table.viewport(), other)
    press(window, Qt.Key.Key_F)
    assert bench.answers == [(shown, Answer.ACCEPT)]


def test_the_keys_are_live_for_the_next_site_of_the_same_body(
    window: MainWindow, bench: FakeWorkbench, clock: Clock
) -> None:
    first, second = (bench.queue.row(place).site_id for place in (0, 1))
    bench.sites[second] = replace(bench.sites[second], root=bench.sites[first].root)
    for answer in (Answer.ACCEPT, Answer.REJECT):
        assert window.bottom.keys[answer.value].isEnabled()
        press(window, Qt.Key.Key_F if answer is Answer.ACCEPT else Qt.Key.Key_D)
        clock.now += 1
    assert bench.answers == [(first, Answer.ACCEPT), (second, Answer.REJECT)]


def test_one_press_is_one_decision_with_the_page_focused(
    loaded: MainWindow, bench: FakeWorkbench, qtbot: QtBot
) -> None:
    focus(loaded, loaded.web.view, qtbot)
    assert QApplication.focusWidget() is loaded.web.view.focusProxy()
    press(loaded, Qt.Key.Key_D)
    press(loaded, Qt.Key.Key_M)  # Bound to nothing: Chromium gets it.
    assert [answer for _site, answer in bench.answers] == [Answer.REJECT]
    qtbot.waitUntil(lambda: pressed_in_page(loaded, qtbot) == ["m"], timeout=10_000)


def test_typing_in_a_field_of_the_page_decides_nothing(
    loaded: MainWindow, bench: FakeWorkbench, qtbot: QtBot
) -> None:
    focus(loaded, loaded.web.view, qtbot)
    loaded.web.run_script("document.getElementById('field').focus()")
    qtbot.waitUntil(loaded.web.is_typing, timeout=10_000)
    press(loaded, Qt.Key.Key_F)
    qtbot.waitUntil(lambda: pressed_in_page(loaded, qtbot) == ["f"], timeout=10_000)
    assert bench.answers == []
    loaded.web.run_script("document.activeElement.blur()")
    qtbot.waitUntil(lambda: not loaded.web.is_typing(), timeout=10_000)
    press(loaded, Qt.Key.Key_F)
    assert len(bench.answers) == 1


def test_typing_in_the_filter_decides_nothing_and_escape_leaves_it(
    window: MainWindow, bench: FakeWorkbench, qtbot: QtBot
) -> None:
    press(window, Qt.Key.Key_Slash)
    qtbot.waitUntil(window.queue.filter.hasFocus)
    press(window, Qt.Key.Key_F)
    assert window.queue.filter.text() == "f"
    assert bench.answers == []
    press(window, Qt.Key.Key_Escape)
    assert not window.queue.filter.hasFocus()
    press(window, Qt.Key.Key_F)
    assert len(bench.answers) == 1


def test_both_hands_and_the_other_actions(
    window: MainWindow, bench: FakeWorkbench, clock: Clock
) -> None:
    for key in (Qt.Key.Key_J, Qt.Key.Key_K, Qt.Key.Key_L, Qt.Key.Key_Semicolon, Qt.Key.Key_H):
        press(window, key)
        clock.now += 1
    assert [answer for _site, answer in bench.answers] == list(Answer)
    bench.calls.clear()
    shift = Qt.KeyboardModifier.ShiftModifier
    press(window, Qt.Key.Key_Z)
    press(window, Qt.Key.Key_Z, shift)
    press(window, Qt.Key.Key_Space)
    press(window, Qt.Key.Key_Space, shift)
    press(window, Qt.Key.Key_1)
    assert bench.calls == ["undo", "redo", "next", "previous", "partner 0"]


def test_a_second_press_within_150_ms_is_no_second_answer(
    window: MainWindow, bench: FakeWorkbench, clock: Clock
) -> None:
    press(window, Qt.Key.Key_F)
    clock.now += 0.1
    press(window, Qt.Key.Key_F)
    assert len(bench.answers) == 1
    clock.now += 0.2
    press(window, Qt.Key.Key_F)
    assert len(bench.answers) == 2


def test_auto_repeat_answers_nothing(window: MainWindow, bench: FakeWorkbench) -> None:
    repeat = QKeyEvent(
        QEvent.Type.KeyPress, Qt.Key.Key_F, Qt.KeyboardModifier.NoModifier, "f", True
    )
    QApplication.sendEvent(window.queue.table, repeat)
    assert bench.answers == []
    assert repeat.isAccepted()


def test_keys_of_a_dialog_stay_there(window: MainWindow, bench: FakeWorkbench) -> None:
    window.open_export()
    dialog = window.export_dialog
    assert dialog is not None
    send(dialog, Qt.Key.Key_F)
    send(dialog.table, Qt.Key.Key_D)
    assert bench.answers == []
    # The window beside it stays usable, so that a site can be looked at.
    send(window.queue.table, Qt.Key.Key_F)
    assert len(bench.answers) == 1
    dialog.close()


def test_help_opens_over_everything_and_holds_answers_back(
    window: MainWindow, bench: FakeWorkbench
) -> None:
    press(window, Qt.Key.Key_Question, Qt.KeyboardModifier.ShiftModifier)
    assert window.help.isVisible()
    press(window, Qt.Key.Key_F)
    assert bench.answers == []
    press(window, Qt.Key.Key_Escape)
    assert not window.help.isVisible()


def test_a_partner_that_does_not_exist_is_not_chosen(
    window: MainWindow, bench: FakeWorkbench
) -> None:
    lonely = next(s for s in bench.sites.values() if len(s.partners) == 1)
    bench.select(lonely.id)
    bench.calls.clear()
    press(window, Qt.Key.Key_3)
    assert bench.calls == []


def test_layouts_go_round(window: MainWindow, bench: FakeWorkbench) -> None:
    for _ in range(4):
        press(window, Qt.Key.Key_X)
    assert bench.viewer.said == ["3d", "4panel", "xy-3d", "3d"]
