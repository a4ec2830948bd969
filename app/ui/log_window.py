"""The last lines of the log, to read and to copy."""

from __future__ import annotations

from pathlib import Path

from PyQt6.QtCore import Qt
from PyQt6.QtGui import QFontDatabase, QGuiApplication
from PyQt6.QtWidgets import QDialog, QHBoxLayout, QPlainTextEdit, QVBoxLayout, QWidget

from app.ui.theme import GRID
from app.ui.widgets import button, label

__all__ = ["LogWindow"]


class LogWindow(QDialog):
    """Shows lines of a log; nothing of it leaves this machine.

    Parameters
    ----------
    heading : str
        What this is the log of.
    text : str
        Its lines.
    path : Path
        The file that holds all of them.
    """

    def __init__(self, heading: str, text: str, path: Path, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Log")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.resize(100 * GRID, 60 * GRID)
        self.text = QPlainTextEdit(text or "Nothing has been logged.")
        self.text.setReadOnly(True)
        self.text.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.text.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        self.text.moveCursor(self.text.textCursor().MoveOperation.End)
        where = label(str(path), "dim")
        where.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        line = QHBoxLayout()
        line.addWidget(where, 1)
        line.addWidget(button("Copy", self.copy))
        line.addWidget(button("Close", self.close))
        column = QVBoxLayout(self)
        column.setContentsMargins(2 * GRID, 2 * GRID, 2 * GRID, 2 * GRID)
        column.setSpacing(GRID)
        column.addWidget(label(heading, wrap=True))
        column.addWidget(self.text, 1)
        column.addLayout(line)

    def copy(self) -> None:
        """Put everything into the clipboard."""
        if (clipboard := QGuiApplication.clipboard()) is not None:
            clipboard.setText(self.text.toPlainText())
