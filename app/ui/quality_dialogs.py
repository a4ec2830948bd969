"""The risk dial and the dashboard, beside the window and only while somebody looks.

Both read thousands of answers, so they are asked when they open and at rest, never per key.
"""

from __future__ import annotations

import threading
from pathlib import Path

from PyQt6.QtCore import Qt, QTimer
from PyQt6.QtWidgets import QDialog, QFileDialog, QVBoxLayout, QWidget

from app.ui.dashboard import DashboardPanel
from app.ui.ports import Post, QualityPort
from app.ui.risk_dial import RiskDial
from app.ui.theme import GRID
from app.ui.widgets import label, set_tone
from connectome.errors import ProofdeskError

__all__ = ["DashboardDialog", "RiskDialog"]

_REFRESH_MS = 5_000


class _Beside(QDialog):
    """A window of its own that looks again every few seconds while it is seen."""

    def __init__(self, title: str, content: QWidget, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle(title)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.column = QVBoxLayout(self)
        self.column.setContentsMargins(2 * GRID, 2 * GRID, 2 * GRID, 2 * GRID)
        self.column.addWidget(content)
        self._again = QTimer(self)
        self._again.setInterval(_REFRESH_MS)
        self._again.timeout.connect(self.look)
        self._again.start()

    def look(self) -> None:
        """Show how things are now."""


class RiskDialog(_Beside):
    """Which error the person accepts, and how much work that leaves."""

    def __init__(self, quality: QualityPort, parent: QWidget) -> None:
        self.dial = RiskDial(quality.lanes, quality.accept_error)
        super().__init__("Risk dial", self.dial, parent)
        self._quality = quality
        self.resize(52 * GRID, 56 * GRID)
        self.look()

    def look(self) -> None:
        """Show the lanes of now."""
        self.dial.show_rate(self._quality.lanes().counts.error_rate)
        self._fit()

    def _fit(self) -> None:
        """Grow until every line is whole: a window does not follow labels that wrap."""
        self.column.activate()
        needed = self.column.totalHeightForWidth(self.width())
        if needed > self.height():
            self.resize(self.width(), needed)


class DashboardDialog(_Beside):
    """How the session goes.

    Parameters
    ----------
    names : tuple of str
        Of the session and its datastack, for the report.
    post : callable
        Brings a callable to this thread, from any.
    """

    def __init__(
        self,
        quality: QualityPort,
        names: tuple[str, str],
        post: Post,
        parent: QWidget,
    ) -> None:
        self.panel = DashboardPanel(self._ask_where)
        super().__init__("How it goes", self.panel, parent)
        self._quality = quality
        self._names = names
        self._post = post
        self._open = True
        self.finished.connect(self._left)
        self.saved = label("", "dim")
        self.column.addWidget(self.saved)
        self.resize(120 * GRID, 90 * GRID)
        self.look()

    def look(self) -> None:
        """Show the figures of now."""
        self.panel.show_view(self._quality.figures())

    def _ask_where(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self, "Save the report in a folder")
        if chosen:
            self.save(Path(chosen))

    def save(self, folder: Path) -> None:
        """Write the report of now into a folder, on a thread: drawing it takes seconds."""
        write = self._quality.report(*self._names)
        self.panel.save_button.setEnabled(False)
        self._say("Saving the report…", "dim")

        def work() -> None:
            try:
                files = write(folder)
            except ProofdeskError as error:
                text, tone = f"{error.message} {error.hint}".strip(), "error"
            else:
                names = ", ".join(file.name for file in files)
                text, tone = f"Saved {names} in {folder}.", "dim"
            self._post(lambda: self._say(text, tone))

        threading.Thread(target=work, daemon=True, name="report").start()

    def _say(self, text: str, tone: str) -> None:
        if self._open:
            set_tone(self.saved, tone)
            self.saved.setText(text)
            self.panel.save_button.setEnabled(text.startswith("Saved") or tone == "error")

    def _left(self) -> None:
        self._open = False
