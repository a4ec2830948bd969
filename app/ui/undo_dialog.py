"""Before an applied edit is undone on which others depend: what they are."""

from __future__ import annotations

from PyQt6.QtWidgets import QDialog, QHBoxLayout, QVBoxLayout, QWidget

from app.services.model import UndoQuestion
from app.ui.keyed_button import KeyedButton
from app.ui.ports import WorkbenchPort
from app.ui.shortcuts import on_key
from app.ui.theme import GRID, question_font
from app.ui.widgets import label

__all__ = ["UndoDialog"]


class UndoDialog(QDialog):
    """Asks once. Closing it leaves the edit as it is."""

    def __init__(self, question: UndoQuestion, workbench: WorkbenchPort, parent: QWidget) -> None:
        super().__init__(parent)
        self.question = question
        self._workbench = workbench
        self.setWindowTitle("Undo")
        self.setMinimumWidth(64 * GRID)
        heading = label("Undo this edit?" if question.on_server else "Take the answer back?")
        heading.setFont(question_font())
        word = "Undo anyway" if question.on_server else "Take back the answer only"
        self.undo = KeyedButton(word, "U", lambda: self.done(QDialog.DialogCode.Accepted))
        self.keep = KeyedButton("Leave it", "Esc", self.reject)
        on_key(self, "U", self.undo.click)
        column = QVBoxLayout(self)
        column.setContentsMargins(3 * GRID, 2 * GRID, 3 * GRID, 2 * GRID)
        column.setSpacing(GRID)
        column.addWidget(heading)
        column.addWidget(label(question.text, wrap=True))
        for line in question.lines:
            column.addWidget(label(line, "dim", wrap=True))
        column.addSpacing(GRID)
        buttons = QHBoxLayout()
        buttons.addStretch(1)
        buttons.addWidget(self.keep)
        buttons.addWidget(self.undo)
        column.addLayout(buttons)
        self.finished.connect(self._answer)

    def _answer(self, result: int) -> None:
        self._workbench.answer_undo(confirmed=result == QDialog.DialogCode.Accepted)
