"""A card over the whole window that a click or Esc takes away."""

from __future__ import annotations

from PyQt6.QtCore import QEvent, QObject, Qt
from PyQt6.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent
from PyQt6.QtWidgets import QFrame, QVBoxLayout, QWidget

from app.ui.theme import GRID

__all__ = ["Overlay"]


class Overlay(QWidget):
    """Dims its parent and shows a card in the middle; hidden until `open`."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.card = QFrame()
        self.card.setObjectName("card")
        column = QVBoxLayout(self)
        column.setContentsMargins(3 * GRID, 3 * GRID, 3 * GRID, 3 * GRID)
        column.addWidget(self.card, alignment=Qt.AlignmentFlag.AlignCenter)
        parent.installEventFilter(self)
        self.hide()

    def open(self) -> None:
        """Cover the parent."""
        self._cover()
        self.show()
        self.raise_()

    def toggle(self) -> None:
        """Open, or close if open."""
        if self.isVisible():
            self.hide()
        else:
            self.open()

    def eventFilter(self, a0: QObject | None, a1: QEvent | None) -> bool:  # noqa: N802
        """Follow the parent's size."""
        if a0 is self.parentWidget() and a1 is not None and a1.type() == QEvent.Type.Resize:
            self._cover()
        return False

    def mousePressEvent(self, a0: QMouseEvent | None) -> None:  # noqa: N802, ARG002
        """Close on a click anywhere."""
        self.hide()

    def paintEvent(self, a0: QPaintEvent | None) -> None:  # noqa: N802, ARG002
        """Dim what is behind."""
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(0, 0, 0, 150))
        painter.end()

    def _cover(self) -> None:
        parent = self.parentWidget()
        if parent is not None:
            self.setGeometry(parent.rect())
