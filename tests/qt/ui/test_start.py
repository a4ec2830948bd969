"""What there is to begin with."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from PyQt6.QtCore import Qt
from pytestqt.qtbot import QtBot

from app.services.starting import Recent
from app.ui.start_dialog import StartDialog
from proofreading.session import Session


@pytest.fixture
def recent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Recent]:
    monkeypatch.setenv("PROOFDESK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HOME", str(tmp_path))
    path = tmp_path / "monday.proofdesk"
    Session.open(path, datastack_name="tubes", datastack_address=str(tmp_path / "tubes")).close()
    return [
        Recent(path, "tubes", datetime(2026, 5, 4, 9, tzinfo=UTC)),
        Recent(tmp_path / "gone.proofdesk", "", None, "There is no session any more."),
    ]


@pytest.fixture
def dialog(qtbot: QtBot, recent: list[Recent]) -> StartDialog:
    made = StartDialog(recent)
    qtbot.addWidget(made)
    made.show()
    qtbot.waitExposed(made)
    return made


def test_the_newest_session_is_one_press_away(
    dialog: StartDialog, recent: list[Recent], qtbot: QtBot
) -> None:
    dialog.list.itemActivated.emit(dialog.list.currentItem(), 0)
    qtbot.waitUntil(lambda: dialog.opened is not None)
    assert dialog.opened is not None
    assert dialog.opened.session == recent[0].session
    assert not dialog.isVisible()


def test_a_session_that_is_gone_cannot_be_chosen(dialog: StartDialog) -> None:
    item = dialog.list.topLevelItem(1)
    assert item is not None
    assert not item.flags() & Qt.ItemFlag.ItemIsEnabled
    assert "no session" in item.toolTip(0)


def test_what_does_not_answer_is_said_and_can_be_tried_again(
    dialog: StartDialog, qtbot: QtBot
) -> None:
    dialog.datastack.setText("nobody")
    dialog.server.setText("http://127.0.0.1:9")
    dialog.token.setText("f" * 32)
    dialog.open_cave()
    assert not dialog.datastack.isEnabled()
    qtbot.waitUntil(dialog.datastack.isEnabled, timeout=20_000)
    assert "127.0.0.1:9" in dialog.status.text()
    assert dialog.opened is None
    dialog.datastack.setText("")
    dialog.open_cave(only_test=True)
    qtbot.waitUntil(lambda: "No datastack is named" in dialog.status.text())


def test_a_folder_that_is_no_datastack_is_said(
    dialog: StartDialog, tmp_path: Path, qtbot: QtBot
) -> None:
    dialog.open_folder(tmp_path)
    qtbot.waitUntil(lambda: str(tmp_path) in dialog.status.text())
    assert dialog.opened is None


def test_the_token_is_not_readable(dialog: StartDialog) -> None:
    assert dialog.token.echoMode() is dialog.token.EchoMode.Password
