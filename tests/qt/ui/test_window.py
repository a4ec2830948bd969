"""The window as a whole: bars, notices, export, layout, and its end."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from PyQt6.QtCore import QThread
from PyQt6.QtWidgets import QApplication, QFileDialog
from pytestqt.qtbot import QtBot

from app.services.model import (
    Job,
    JudgeStatus,
    Level,
    Notice,
    Outbox,
    Phase,
    Progress,
)
from app.services.preferences import PreferencesStore
from app.ui.dispatch import Coalescer, Dispatcher
from app.ui.keys import CommitGate
from app.ui.layout import LayoutStore
from app.ui.top_bar import outbox_text, progress_text
from app.ui.window import MainWindow
from connectome.errors import StorageError
from tests.qt.ui.fakes import Clock, FakeWorkbench
from tests.qt.ui.pointer import click


def test_the_top_line_in_words() -> None:
    assert progress_text(Progress(312, 1482, 41.2, 4.13)) == (
        "312 of 1,482 decided   ·   41 an hour   ·   median 4.1 s"
    )
    assert progress_text(Progress(0, 0, None, None)) == "0 of 0 decided"
    assert outbox_text(Outbox(3, 0, 0, 0, 0, 0)) == "outbox 3"
    assert outbox_text(Outbox(0, 2, 1, 1, 1, 0)) == (
        "outbox 0 · 2 applied · 1 in conflict · 1 failed · 1 unknown"
    )


def test_the_judge_s_state_has_words(
    window: MainWindow, bench: FakeWorkbench, qtbot: QtBot
) -> None:
    assert window.top.judge.text() == "resnet18 · CPU"
    bench.change(judge=JudgeStatus(Phase.FAILED, "", "", "There is no model."))
    qtbot.waitUntil(lambda: window.top.judge.text() == "judge · failed")
    assert window.top.dot.toolTip() == "There is no model."


def test_key_caps_can_be_clicked(window: MainWindow, bench: FakeWorkbench) -> None:
    click(window.bottom.keys["reject"])
    assert bench.calls == ["reject"]
    assert not window.bottom.keys["undo"].hasFocus()


def test_the_last_answer_is_shown_with_undo(
    window: MainWindow, bench: FakeWorkbench, qtbot: QtBot
) -> None:
    assert not window.bottom.keys["undo"].isEnabled()
    window.commands.perform("accept")
    qtbot.waitUntil(window.bottom.keys["undo"].isEnabled)
    assert window.bottom.last.text().startswith("accept")
    click(window.bottom.keys["undo"])
    assert bench.answers == []
    qtbot.waitUntil(lambda: window.bottom.last.text() == "")


def test_a_skip_can_carry_a_reason(window: MainWindow, bench: FakeWorkbench) -> None:
    window.commands.skip("bad image")
    assert bench.calls == ["skip bad image"]


def test_a_job_shows_progress_and_can_be_cancelled(
    window: MainWindow, bench: FakeWorkbench, qtbot: QtBot
) -> None:
    assert window.bottom.job.words.text() == "detecting 63 %"
    click(window.bottom.job.stop)
    assert bench.calls == ["cancel detect"]
    bench.change(jobs=(Job("judge", "judging", Phase.LOADING, None),))
    qtbot.waitUntil(lambda: window.bottom.job.words.text() == "judging")
    assert window.bottom.job.bar.maximum() == 0
    bench.change(jobs=(Job("judge", "judging", Phase.READY, 1.0),))
    qtbot.waitUntil(lambda: not window.bottom.job.isVisible())


def test_a_failed_job_stays_with_its_reason(
    window: MainWindow, bench: FakeWorkbench, qtbot: QtBot
) -> None:
    bench.change(jobs=(Job("judge", "judging", Phase.FAILED, None, "No model."),))
    qtbot.waitUntil(lambda: window.bottom.job.words.text() == "judging failed")
    assert "No model." in window.bottom.job.words.toolTip()
    assert not window.bottom.job.stop.isVisible()


def test_notices_stay_until_dismissed(
    window: MainWindow, bench: FakeWorkbench, qtbot: QtBot
) -> None:
    notice = Notice(Level.ERROR, "The server refused.", "Look at the site again.")
    bench.change(notices=(notice,))
    qtbot.waitUntil(lambda: len(window.toasts.toasts) == 1)
    toast = window.toasts.toasts[0]
    assert not toast.timer.isActive()
    assert window.web.rect().contains(window.toasts.geometry())
    window.toasts.toasts[0].timer.timeout.emit()
    assert bench.calls == ["dismiss"]
    qtbot.waitUntil(lambda: not window.toasts.isVisible())


def test_information_goes_by_itself(window: MainWindow, bench: FakeWorkbench, qtbot: QtBot) -> None:
    bench.change(notices=(Notice(Level.INFO, "Saved."),))
    qtbot.waitUntil(lambda: len(window.toasts.toasts) == 1)
    assert window.toasts.toasts[0].timer.isActive()


def test_what_goes_wrong_is_told_with_its_remedy(
    window: MainWindow, bench: FakeWorkbench, qtbot: QtBot
) -> None:
    bench.error = StorageError("The disk is full.", "Free some space.")
    window.commands.perform("accept")
    qtbot.waitUntil(lambda: len(window.toasts.toasts) == 1)
    notice = window.toasts.toasts[0].notice
    assert (notice.text, notice.remedy) == ("The disk is full.", "Free some space.")
    bench.error = None
    window.dismiss(notice)
    qtbot.waitUntil(lambda: window.toasts.toasts == [])
    assert "dismiss" not in bench.calls


def test_tables_are_saved_where_the_person_says(
    window: MainWindow, bench: FakeWorkbench, qtbot: QtBot, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(tmp_path))
    window.commands.save_tables()
    qtbot.waitUntil(lambda: len(window.toasts.toasts) == 1)
    assert "decisions.csv" in window.toasts.toasts[0].notice.text


def test_a_click_in_the_viewer_comes_from_its_own_thread(
    window: MainWindow, bench: FakeWorkbench, qtbot: QtBot
) -> None:
    target = bench.queue.row(5).site_id
    worker = threading.Thread(target=bench.viewer.click, args=(target,))
    worker.start()
    worker.join(5)
    assert bench.calls == []
    qtbot.waitUntil(lambda: bench.calls == [f"select {target}"])


def test_many_changes_become_few_redraws(qtbot: QtBot) -> None:
    drawn: list[int] = []
    state = [0]
    coalescer = Coalescer(lambda: drawn.append(state[0]), 50)
    for number in range(1000):
        state[0] = number
        coalescer.request()
    qtbot.waitUntil(lambda: drawn[-1] == 999)
    assert len(drawn) == 2


def test_posts_keep_their_order_and_stop_with_the_window(qtbot: QtBot) -> None:
    dispatcher = Dispatcher()
    done: list[object] = []
    home = QThread.currentThread()

    def post_many() -> None:
        for number in range(50):
            dispatcher.post(lambda n=number: done.append((n, QThread.currentThread() is home)))  # type: ignore[misc]

    worker = threading.Thread(target=post_many)
    worker.start()
    worker.join(5)
    qtbot.waitUntil(lambda: len(done) == 50)
    assert done == [(n, True) for n in range(50)]
    dispatcher.post(lambda: done.append("late"))
    dispatcher.close()
    QApplication.sendPostedEvents(dispatcher)
    assert len(done) == 50


def test_the_layout_is_remembered_for_this_size_of_screen(
    qtbot: QtBot, layouts: LayoutStore, preferences: PreferencesStore, tmp_path: Path
) -> None:
    first = MainWindow(FakeWorkbench(), layouts=layouts, preferences=preferences)
    qtbot.addWidget(first)
    first.resize(1500, 700)
    first.show()
    first.verdict_dock.hide()
    first.close()
    assert "docks" in (tmp_path / "window.ini").read_text()
    second = MainWindow(
        FakeWorkbench(), layouts=LayoutStore(tmp_path / "window.ini"), preferences=preferences
    )
    qtbot.addWidget(second)
    second.show()
    assert second.verdict_dock.isHidden()
    second.reset_layout()
    assert not second.verdict_dock.isHidden()
    second.close()


def test_closing_lets_go_of_everything_once(
    qtbot: QtBot, bench: FakeWorkbench, layouts: LayoutStore, preferences: PreferencesStore
) -> None:
    made = MainWindow(bench, layouts=layouts, gate=CommitGate(Clock()), preferences=preferences)
    qtbot.addWidget(made)
    made.show()
    made.close()
    made.close()
    assert bench.calls == ["close"]
    bench.viewer.click(bench.queue.row(3).site_id)
    bench.viewer.run_script("1")
    bench.tell()
    assert bench.calls == ["close"]
