"""The export dialog: its five states, second looks, overrides, and the way to a site and back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.services.model import (
    EditList,
    Fate,
    Job,
    Outbox,
    Phase,
    PlannedEdit,
    SecondLook,
    UndoQuestion,
)
from app.ui.export_dialog import ExportDialog
from app.ui.export_words import actions_of, common_actions, send_text, short_text, summary
from app.ui.window import MainWindow
from tests.qt.ui.fakes import FakeWorkbench
from tests.qt.ui.pointer import click, send

ROOT = 864691135000000000
CHANGED = "Changed by 2 operations of users 12 and 41, the last on 1 March 2026, 12:04."


def an_edit(number: int, fate: Fate, outcome: str = "", **more: object) -> PlannedEdit:
    roots = (ROOT + number, ROOT + 100 + number)
    text = f"merge {roots[0]} and {roots[1]}"
    made = PlannedEdit(f"e{number}", f"{number:016x}", text, outcome, fate, roots=roots)
    return replace(made, **more)  # type: ignore[arg-type]


READY = an_edit(1, Fate.READY)
LOOK = an_edit(2, Fate.LOOK, "An object is not what was seen.", reason="changed", changes=CHANGED)
WARNED = an_edit(
    3, Fate.WARNED, "The merge joins 2 cell bodies.", reason="warned", warnings=("somata",)
)
REFUSED = an_edit(4, Fate.FAILED, "The server refused the edit.", reason="refused")
DONE = [an_edit(n, Fate.NEEDLESS, "Already one object.", reason="joined") for n in range(10, 22)]
EDITS = (READY, LOOK, WARNED, REFUSED, *DONE)


@pytest.fixture
def dialog(window: MainWindow, bench: FakeWorkbench, qtbot: QtBot) -> ExportDialog:
    """The dialog with one edit of each kind."""
    bench.planned = EditList(Phase.READY, EDITS, person="ann")
    window.open_export()
    dialog = window.export_dialog
    assert dialog is not None
    qtbot.waitUntil(dialog.isActiveWindow)  # keys go to the active window only
    bench.calls.clear()
    return dialog


def test_the_words() -> None:
    assert summary(EDITS) == (
        "1 want a second look   ·   1 held by a warning   ·   1 refused   ·   1 ready to send"
        "   ·   12 already one object"
    )
    assert short_text(READY) == "merge 8646…0001 and 8646…0101"
    assert send_text(EditList(Phase.READY, (READY, LOOK)), 2) == "Send 1"
    assert send_text(EditList(Phase.READY, (an_edit(1, Fate.UNKNOWN),)), 0) == "Look up"
    assert send_text(EditList(Phase.READY, (LOOK,)), 1) == "Settle"
    assert send_text(EditList(Phase.EMPTY), 0) == "Send"


def test_what_can_be_decided() -> None:
    assert actions_of(LOOK) == (SecondLook.APPROVE, SecondLook.DROP)
    assert actions_of(replace(LOOK, hopeless=True)) == (SecondLook.DROP,)
    assert actions_of(WARNED) == (SecondLook.OVERRIDE, SecondLook.DROP)
    assert actions_of(REFUSED) == (SecondLook.RETRY, SecondLook.DROP)
    assert actions_of(replace(REFUSED, hopeless=True)) == (SecondLook.DROP,)
    assert actions_of(READY) == ()
    assert common_actions([LOOK, WARNED]) == (SecondLook.DROP,)
    assert common_actions([LOOK, READY]) == common_actions([]) == ()


def test_what_needs_the_person_comes_first_and_the_rest_is_folded(dialog: ExportDialog) -> None:
    headings = [heading for heading, _ in dialog.table.lines()]
    assert headings == [
        "1 want a second look",
        "1 held by a warning",
        "1 refused",
        "1 ready to send",
        "12 already one object",
    ]
    model = dialog.table.model()
    assert model is not None
    open_ = [dialog.table.isExpanded(model.index(row, 0)) for row in range(5)]
    assert open_ == [True, True, True, True, False]
    # Enter on a heading opens it, and never sends.
    dialog.table.setCurrentIndex(model.index(4, 0))
    send(dialog.table, Qt.Key.Key_Return)
    assert dialog.table.isExpanded(model.index(4, 0))
    dialog.refresh()
    assert dialog.table.isExpanded(model.index(4, 0))


def test_a_second_look_says_what_changed_by_whom_and_when(dialog: ExportDialog) -> None:
    assert dialog.table.edits() == [LOOK]
    assert dialog.detail.text.text() == LOOK.text
    assert dialog.detail.changes.text() == CHANGED
    shown = [made.word for made in dialog.detail.buttons.values() if made.isVisible()]
    assert shown == ["Approve again", "Drop"]


@pytest.mark.parametrize(
    ("edit", "key", "said"),
    [(LOOK, Qt.Key.Key_A, "approve e2"), (LOOK, Qt.Key.Key_D, "drop e2"),
     (REFUSED, Qt.Key.Key_T, "retry e4"), (READY, Qt.Key.Key_A, "")],
)  # fmt: skip
def test_keys_decide(
    dialog: ExportDialog, bench: FakeWorkbench, edit: PlannedEdit, key: Qt.Key, said: str
) -> None:
    dialog.table.choose(edit.edit_id)
    send(dialog.table, key)
    assert bench.calls == ([said, "plan"] if said else [])


def test_an_override_asks_once_and_names_who_is_recorded(
    dialog: ExportDialog, bench: FakeWorkbench
) -> None:
    dialog.table.choose("e3")
    click(dialog.detail.buttons[SecondLook.OVERRIDE])
    assert bench.calls == []
    assert "recorded that ann did" in dialog.detail.question.text()
    click(dialog.detail.no)
    assert not dialog.detail.question.isVisible()
    assert bench.calls == []
    send(dialog.table, Qt.Key.Key_O)
    send(dialog.table, Qt.Key.Key_Y)
    assert bench.calls == ["override e3", "plan"]


def test_another_choice_forgets_the_question(dialog: ExportDialog, bench: FakeWorkbench) -> None:
    dialog.table.choose("e3")
    send(dialog.table, Qt.Key.Key_O)
    dialog.table.choose("e2")
    assert not dialog.detail.asking
    send(dialog.table, Qt.Key.Key_Y)
    assert bench.calls == []


def test_several_edits_at_once(dialog: ExportDialog, bench: FakeWorkbench) -> None:
    more = [replace(WARNED, edit_id=f"w{n}") for n in range(3)]
    bench.planned = EditList(Phase.READY, (*more, READY), person="ann")
    dialog.refresh()
    dialog.table.selectAll()
    assert dialog.detail.text.text() == "4 edits"
    assert not any(made.isVisible() for made in dialog.detail.buttons.values())
    dialog.table.choose("w0")
    send(dialog.table, Qt.Key.Key_Down, Qt.KeyboardModifier.ShiftModifier)
    assert dialog.detail.text.text() == "2 edits"
    send(dialog.table, Qt.Key.Key_O)
    assert "warnings of 2 edits" in dialog.detail.question.text()
    send(dialog.table, Qt.Key.Key_Y)
    assert "override w0 w1" in bench.calls
    # What was chosen stays chosen.
    assert [edit.edit_id for edit in dialog.table.edits()] == ["w0", "w1"]


def test_what_did_not_work_is_told(dialog: ExportDialog, bench: FakeWorkbench) -> None:
    bench.trouble = "It has changed once more: look at it again."
    send(dialog.table, Qt.Key.Key_A)
    assert dialog.banner.text.text() == bench.trouble
    bench.trouble = ""
    send(dialog.table, Qt.Key.Key_D)
    assert not dialog.banner.isVisible()


def test_sending_follows_the_run_and_ends_with_the_outcomes(
    dialog: ExportDialog, bench: FakeWorkbench, qtbot: QtBot
) -> None:
    assert dialog.apply.text() == "Send 1"
    click(dialog.apply)
    assert bench.calls == ["export"]
    bench.change(jobs=(Job("export", "exporting 1 of 2", Phase.LOADING, 0.5),))
    qtbot.waitUntil(lambda: dialog.summary.text() == "exporting 1 of 2")
    assert (dialog.progress.value(), dialog.progress.maximum()) == (500, 1000)
    assert not dialog.apply.isEnabled()
    assert not dialog.detail.buttons[SecondLook.DROP].isEnabled()
    click(dialog.stop)
    assert bench.calls[-1] == "cancel export"
    assert dialog.summary.text().startswith("Stopping")
    done = replace(READY, fate=Fate.APPLIED, outcome="committed (operation 77)")
    bench.planned = EditList(Phase.READY, (done, LOOK), person="ann")
    bench.change(jobs=(Job("export", "exporting", Phase.READY, 1.0, "1 of 1 edits applied."),))
    qtbot.waitUntil(lambda: dialog.banner.text.text() == "1 of 1 edits applied.")
    assert ("1 applied", [short_text(READY)]) in dialog.table.lines()
    assert not dialog.stop.isVisible()


def test_a_run_that_failed_says_why(
    dialog: ExportDialog, bench: FakeWorkbench, qtbot: QtBot
) -> None:
    click(dialog.apply)
    bench.change(jobs=(Job("export", "exporting", Phase.FAILED, None, "The disk is full."),))
    qtbot.waitUntil(lambda: dialog.banner.text.text() == "The disk is full.")
    assert dialog.banner.text.property("tone") == "error"


def test_ctrl_enter_sends(dialog: ExportDialog, bench: FakeWorkbench) -> None:
    send(dialog.table, Qt.Key.Key_Return)
    assert bench.calls == []
    send(dialog.table, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    assert bench.calls == ["export"]


def test_without_a_connection_the_edits_wait(dialog: ExportDialog, bench: FakeWorkbench) -> None:
    waiting = tuple(an_edit(n, Fate.WAITING) for n in range(7))
    text = "No connection: 7 edits wait and go out later."
    bench.planned = EditList(Phase.OFFLINE, waiting, text, "Check the network.")
    dialog.refresh()
    assert dialog.banner.text.text() == text
    assert dialog.banner.text.property("tone") != "error"
    assert not dialog.apply.isEnabled()
    assert dialog.table.isVisible()
    bench.planned = EditList(Phase.READY, (READY,))
    send(dialog.table, Qt.Key.Key_R)
    assert not dialog.banner.isVisible()
    assert dialog.apply.isEnabled()


def test_an_account_that_may_not_edit_is_told_first(
    dialog: ExportDialog, bench: FakeWorkbench
) -> None:
    bench.planned = EditList(
        Phase.READY, EDITS, "Your account may see but not edit.", "Ask for it.", may_send=False
    )
    dialog.refresh()
    assert dialog.banner.text.text() == "Your account may see but not edit."
    assert not dialog.banner.retry.isVisible()
    assert not dialog.apply.isEnabled()


def test_a_list_that_cannot_be_made_can_be_asked_for_again(
    dialog: ExportDialog, bench: FakeWorkbench
) -> None:
    bench.planned = EditList(Phase.FAILED, (), "The server is in trouble.", "Try again later.")
    dialog.refresh()
    assert dialog.message.text == "The edits cannot be listed now."
    assert dialog.banner.text.property("tone") == "error"
    bench.calls.clear()
    click(dialog.banner.retry)
    assert bench.calls == ["plan"]


def test_an_export_of_nothing_says_so(window: MainWindow, bench: FakeWorkbench) -> None:
    window.open_export()
    dialog = window.export_dialog
    assert dialog is not None
    assert dialog.message.text == "There is nothing to send."
    assert not dialog.apply.isEnabled()
    dialog.close()


def test_a_list_comes_in_two_parts_and_never_too_late(
    window: MainWindow, bench: FakeWorkbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Callable[[EditList], None]] = []
    monkeypatch.setattr(bench, "plan_export", asked.append)
    window.open_export()
    dialog = window.export_dialog
    assert dialog is not None
    assert dialog.message.text == "Looking at the edits…"
    asked[0](EditList(Phase.PARTIAL, (replace(READY, fate=Fate.WAITING),)))
    assert dialog.table.isVisible()
    assert dialog.summary.text().endswith("looking at them as they are now…")
    assert not dialog.apply.isEnabled()
    asked[0](EditList(Phase.READY, EDITS))
    assert dialog.apply.isEnabled()
    # What was looked at stays on the screen until it was looked at again.
    dialog.refresh()
    asked[1](EditList(Phase.PARTIAL, (replace(READY, fate=Fate.WAITING),)))
    assert dialog.list.edits == EDITS
    dialog.close()
    asked[1](EditList(Phase.READY, ()))
    assert dialog.list.edits == EDITS


def test_only_what_waits_can_be_sent(dialog: ExportDialog, bench: FakeWorkbench) -> None:
    bench.planned = EditList(Phase.READY, tuple(DONE))
    bench.change(outbox=Outbox(12, 0, 0, 0, 0, 0))
    dialog.refresh()
    assert (dialog.apply.text(), dialog.apply.isEnabled()) == ("Settle", True)
    bench.change(outbox=Outbox(0, 0, 0, 0, 0, 0))
    dialog.refresh()
    assert (dialog.apply.text(), dialog.apply.isEnabled()) == ("Send", False)


def test_a_look_at_the_site_and_back(
    window: MainWindow, dialog: ExportDialog, bench: FakeWorkbench
) -> None:
    send(dialog.table, Qt.Key.Key_L)
    assert not dialog.isVisible()
    assert bench.calls == [f"select {LOOK.site_id}"]
    assert window.look_bar.text.text() == short_text(LOOK)
    assert CHANGED in window.look_bar.reason.text()
    assert not window.look_bar.buttons[SecondLook.OVERRIDE].isVisible()
    send(window, Qt.Key.Key_Escape)
    assert not window.look_bar.isVisible()
    assert dialog.isVisible()
    assert bench.calls[-1] == "plan"


def test_a_decision_at_the_site(
    window: MainWindow, dialog: ExportDialog, bench: FakeWorkbench
) -> None:
    send(dialog.table, Qt.Key.Key_L)
    click(window.look_bar.buttons[SecondLook.APPROVE])
    assert bench.calls[-2:] == ["approve e2", "plan"]
    assert dialog.isVisible()
    dialog.table.choose("e3")
    send(dialog.table, Qt.Key.Key_L)
    bench.calls.clear()
    click(window.look_bar.buttons[SecondLook.OVERRIDE])
    # The list asks, as it does for its own button.
    assert dialog.detail.asking
    assert bench.calls == []


def test_the_button_of_the_window_comes_back_to_the_list(
    window: MainWindow, dialog: ExportDialog
) -> None:
    send(dialog.table, Qt.Key.Key_L)
    window.open_export()
    assert window.export_dialog is dialog
    assert dialog.isVisible()
    assert not window.look_bar.isVisible()
    dialog.close()
    window.open_export()
    assert window.export_dialog is not dialog


QUESTION = UndoQuestion("e1", "One later operation builds on this edit.", ("Operation 5, by ann",))


@pytest.mark.parametrize(
    ("key", "said"), [(Qt.Key.Key_U, "undo confirmed"), (Qt.Key.Key_Escape, "undo left")]
)
def test_an_undo_that_others_build_on_asks_once(
    window: MainWindow, bench: FakeWorkbench, qtbot: QtBot, key: Qt.Key, said: str
) -> None:
    bench.change(undo_question=QUESTION)
    qtbot.waitUntil(lambda: window.undo_dialog is not None)
    asked = window.undo_dialog
    assert asked is not None
    assert asked.undo.word == "Undo anyway"
    assert QApplication.activeModalWidget() is None
    qtbot.waitUntil(asked.isActiveWindow)
    send(asked, key)
    assert bench.calls == [said]
    qtbot.waitUntil(lambda: window.undo_dialog is None)


def test_where_nothing_is_left_to_undo_only_the_answer_is_offered(
    window: MainWindow, bench: FakeWorkbench, qtbot: QtBot
) -> None:
    bench.change(undo_question=replace(QUESTION, on_server=False))
    qtbot.waitUntil(lambda: window.undo_dialog is not None)
    assert window.undo_dialog is not None
    assert window.undo_dialog.undo.word == "Take back the answer only"
    click(window.undo_dialog.keep)
    assert bench.calls == ["undo left"]
