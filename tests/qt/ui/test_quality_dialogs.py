"""The risk dial and the dashboard open from the window and follow a real session."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PyQt6.QtWidgets import QLabel
from pytestqt.qtbot import QtBot

from app.services.quality import Quality
from app.ui.quality_dialogs import DashboardDialog, RiskDialog
from app.ui.window import MainWindow
from tests.qt.ui.fakes import FakeWorkbench
from tests.unit.proofreading.played import played


@pytest.fixture
def measured(bench: FakeWorkbench, tmp_path: Path) -> Iterator[Quality]:
    with played(tmp_path / "a.proofdesk") as session:
        quality = Quality(session)
        while quality.follow():
            pass
        bench.measured = quality
        yield quality
        quality.close()


def test_the_dial_opens_at_the_session_s_error_and_sets_it(
    window: MainWindow, measured: Quality, qtbot: QtBot
) -> None:
    window.commands.guard(window.open_risk_dial)
    dialog = window.findChild(RiskDialog)
    assert dialog is not None
    before = dialog.dial.error_rate
    dialog.dial.slider.setValue(dialog.dial.slider.value() + 3)
    assert dialog.dial.error_rate > before
    chosen = dialog.dial.error_rate
    qtbot.waitUntil(lambda: measured.lanes() == measured.lanes(chosen))
    dialog.look()
    assert dialog.dial.error_rate == chosen
    dialog.close()


def test_every_line_of_the_dial_is_whole(
    window: MainWindow, measured: Quality, qtbot: QtBot
) -> None:
    window.commands.guard(window.open_risk_dial)
    dialog = window.findChild(RiskDialog)
    assert dialog is not None
    qtbot.waitExposed(dialog)
    lines = [each for each in dialog.findChildren(QLabel) if each.isVisible() and each.wordWrap()]
    assert len(lines) > 3
    for line in lines:
        assert line.height() >= line.heightForWidth(line.width()), line.text()
    dialog.close()


def test_the_dashboard_opens_and_saves_its_report(
    window: MainWindow, measured: Quality, tmp_path: Path, qtbot: QtBot
) -> None:
    assert measured.figures().made.answers
    window.commands.guard(window.open_dashboard)
    dialog = window.findChild(DashboardDialog)
    assert dialog is not None
    assert dialog.panel.tiles["answered"].text == "420"
    dialog.save(tmp_path / "report")
    assert dialog.saved.text() == "Saving the report…"
    assert not dialog.panel.save_button.isEnabled()
    qtbot.waitUntil(lambda: "Saved" in dialog.saved.text(), timeout=20_000)
    assert {path.suffix for path in (tmp_path / "report").iterdir()} == {".html", ".png"}
    assert dialog.panel.save_button.isEnabled()
    (tmp_path / "no folder").touch()
    dialog.save(tmp_path / "no folder" / "report")
    qtbot.waitUntil(lambda: dialog.saved.property("tone") == "error", timeout=20_000)
    dialog.close()


def test_breaks_are_suggested_as_chosen(window: MainWindow, bench: FakeWorkbench) -> None:
    assert bench.suggests_breaks
    window._keep(window.preferences.changed(suggest_breaks=False))
    assert not bench.suggests_breaks
