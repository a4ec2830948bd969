"""A second look: what is being looked at, over the viewer, and the way back to the list."""

from __future__ import annotations

from functools import partial

from PyQt6.QtCore import QEvent, QObject, pyqtSignal
from PyQt6.QtWidgets import QFrame, QHBoxLayout, QVBoxLayout, QWidget

from app.services.model import PlannedEdit, SecondLook
from app.ui.export_words import actions_of, short_text
from app.ui.theme import GRID, ui_font
from app.ui.widgets import button, label, shown

__all__ = ["LookBar"]

_WIDTH = 84 * GRID
_WORDS = {
    SecondLook.APPROVE: "Approve again",
    SecondLook.OVERRIDE: "Override…",
    SecondLook.RETRY: "Try again",
    SecondLook.DROP: "Drop",
}


class LookBar(QFrame):
    """Lies at the top of its parent while a site of the export's list is on the screen."""

    back = pyqtSignal(object, object)
    """Back to the list: the edit, and the `SecondLook` that was chosen or None."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("card")
        self.edit: PlannedEdit | None = None
        self.text = label("", wrap=True)
        self.text.setFont(ui_font(bold=True))
        self.reason = label("", "dim", wrap=True)
        self.buttons = {
            action: button(word, partial(self._leave, action)) for action, word in _WORDS.items()
        }
        words = QVBoxLayout()
        words.setSpacing(GRID // 2)
        words.addWidget(self.text)
        words.addWidget(self.reason)
        line = QHBoxLayout(self)
        line.setContentsMargins(2 * GRID, GRID, GRID, GRID)
        line.setSpacing(GRID)
        line.addLayout(words, 1)
        for part in self.buttons.values():
            line.addWidget(part)
        line.addWidget(button("Back to the list", lambda: self._leave(None), kind="quiet"))
        parent.installEventFilter(self)
        self.hide()

    def show_edit(self, edit: PlannedEdit) -> None:
        """Say what is being looked at, and offer what can be decided."""
        self.edit = edit
        self.text.setText(short_text(edit))
        self.reason.setText(" ".join(part for part in (edit.outcome, edit.changes) if part))
        possible = actions_of(edit)
        for action, made in self.buttons.items():
            shown(made, when=action in possible)
        self.show()
        self._place()
        self.raise_()

    def go_back(self) -> None:
        """Back to the list without a decision."""
        self._leave(None)

    def eventFilter(self, a0: QObject | None, a1: QEvent | None) -> bool:  # noqa: N802
        """Follow the parent's size."""
        if a0 is self.parentWidget() and a1 is not None and a1.type() == QEvent.Type.Resize:
            self._place()
        return False

    def _leave(self, action: SecondLook | None) -> None:
        self.hide()
        self.back.emit(self.edit, action)

    def _place(self) -> None:
        parent = self.parentWidget()
        if parent is not None and self.isVisible():
            width = min(_WIDTH, parent.width() - 4 * GRID)
            self.setFixedWidth(width)
            self.adjustSize()
            self.move((parent.width() - width) // 2, 2 * GRID)
