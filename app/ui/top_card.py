"""A card at the top of what it lies over, as wide as there is room."""

from __future__ import annotations

from PyQt6.QtCore import QEvent, QObject
from PyQt6.QtWidgets import QFrame, QLayout, QVBoxLayout, QWidget

from app.ui.theme import GRID

__all__ = ["TopCard"]


class TopCard(QFrame):
    """Hidden until it is opened; follows its parent's size.

    Parameters
    ----------
    parent : QWidget
        What it lies over.
    width : int
        In pixels, where there is room for it.
    """

    def __init__(self, parent: QWidget, width: int) -> None:
        super().__init__(parent)
        self.setObjectName("card")
        self._width = width
        parent.installEventFilter(self)
        self.hide()

    def column(self, head: QLayout) -> QVBoxLayout:
        """Lay out from top to bottom, the head first; return the column for the rest."""
        column = QVBoxLayout(self)
        column.setContentsMargins(2 * GRID, GRID, GRID, GRID)
        column.setSpacing(GRID // 2)
        column.addLayout(head)
        return column

    def open(self) -> None:
        """Show it, or place it anew after what it says has changed."""
        self.show()
        self._place()
        self.raise_()

    def eventFilter(self, a0: QObject | None, a1: QEvent | None) -> bool:  # noqa: N802
        """Follow the parent's size."""
        if a0 is self.parentWidget() and a1 is not None and a1.type() == QEvent.Type.Resize:
            self._place()
        return False

    def _place(self) -> None:
        parent, layout = self.parentWidget(), self.layout()
        # A hidden card is placed when it opens; its layout is not told of anything before.
        if parent is None or layout is None or self.isHidden():
            return
        width = min(self._width, parent.width() - 4 * GRID)
        self.setFixedWidth(width)
        # Lines that were just filled in count only after the layout has seen them.
        layout.activate()
        self.setFixedHeight(layout.heightForWidth(width))
        self.move((parent.width() - width) // 2, 2 * GRID)
