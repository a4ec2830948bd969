"""What is needed less often: jobs, tables, docks, help."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PyQt6.QtWidgets import QMenu

if TYPE_CHECKING:
    from app.ui.window import MainWindow

__all__ = ["MoreMenu"]


class MoreMenu(QMenu):
    """The menu behind ``More``."""

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        commands, bench = window.commands, window.workbench
        for words, action in (
            ("Find sites", bench.start_detection),
            ("Judge sites", bench.start_judging),
            ("Judge failed sites again", bench.retry_failed),
        ):
            self._add(words, lambda a=action: commands.guard(a))
        self.addSeparator()
        self._add("Risk dial…", lambda: commands.guard(window.open_risk_dial))
        self._add("How it goes…", lambda: commands.guard(window.open_dashboard))
        self.addSeparator()
        self._add("Save tables…", commands.save_tables)
        self.addSeparator()
        for dock in (window.queue_dock, window.verdict_dock):
            self.addAction(dock.toggleViewAction())
        self._add("Reset the layout", window.reset_layout)
        self.addSeparator()
        self._add("All commands…", lambda: commands.perform("palette"))
        self._add("Settings…", lambda: commands.perform("settings"))
        self._add("Log…", lambda: commands.guard(window.open_log))
        self._add("Log of the crash…", lambda: commands.guard(window.open_crash_log))
        self._add("The tour", window.show_tour)
        self._add("Keys…", lambda: commands.perform("help"))

    def _add(self, words: str, action: object) -> None:
        entry = self.addAction(words)
        if entry is not None and callable(action):
            entry.triggered.connect(lambda _checked: action())
