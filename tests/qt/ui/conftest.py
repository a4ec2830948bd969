"""Fixtures: a window over a fake workbench, and no widget left behind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PyQt6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.services.preferences import PreferencesStore
from app.ui.keys import CommitGate
from app.ui.layout import LayoutStore
from app.ui.theme import apply_theme
from app.ui.window import MainWindow
from tests.qt.ui.fakes import Clock, FakeWorkbench


@pytest.fixture
def bench() -> FakeWorkbench:
    return FakeWorkbench()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def layouts(tmp_path: Path) -> LayoutStore:
    return LayoutStore(tmp_path / "window.ini")


@pytest.fixture
def preferences(tmp_path: Path) -> PreferencesStore:
    return PreferencesStore(tmp_path / "settings.json")


@pytest.fixture
def window(
    qtbot: QtBot,
    qapp: QApplication,
    bench: FakeWorkbench,
    clock: Clock,
    layouts: LayoutStore,
    preferences: PreferencesStore,
) -> Iterator[MainWindow]:
    """A shown window whose page is not loaded."""
    apply_theme(qapp)
    made = MainWindow(bench, layouts=layouts, gate=CommitGate(clock), preferences=preferences)
    qtbot.addWidget(made)
    made.resize(1600, 1000)
    made.show()
    qtbot.waitExposed(made)
    yield made
    made.close()


@pytest.fixture
def loaded(window: MainWindow, qtbot: QtBot) -> MainWindow:
    """The window with its page loaded."""
    with qtbot.waitSignal(window.web.loaded, timeout=30_000):
        window.load()
    return window
