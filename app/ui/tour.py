"""A tour of five steps at the first start: what is where, and which key answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PyQt6.QtCore import QEvent, QObject, QPoint, QRect
from PyQt6.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent, QRegion
from PyQt6.QtWidgets import QFrame, QHBoxLayout, QVBoxLayout, QWidget

from app.ui.theme import GRID, theme, ui_font
from app.ui.widgets import button, label

__all__ = ["Step", "Tour"]

_WIDTH = 44 * GRID
_DIM = QColor(0, 0, 0, 150)


@dataclass(frozen=True)
class Step:
    """One step: a part of the window, and what it is for.

    Parameters
    ----------
    part : QWidget
        What is shown bright; where it is hidden the words stand in the middle.
    heading, words : str
        What is said.
    """

    part: QWidget
    heading: str
    words: str


class Tour(QWidget):
    """Dims the window but for one part after the other.

    Parameters
    ----------
    parent : QWidget
        The window.
    steps : sequence of Step
        In their order.
    ended : callable
        Called once, when the last step was left or the tour was skipped.
    """

    def __init__(self, parent: QWidget, steps: Sequence[Step], ended: Callable[[], object]) -> None:
        super().__init__(parent)
        self._steps = tuple(steps)
        self._ended = ended
        self.place = 0
        self.heading = label("", wrap=True)
        self.heading.setFont(ui_font(bold=True))
        self.words = label("", "dim", wrap=True)
        self.count = label("", "faint")
        self.forward = button("Next", self.go_on, kind="primary")
        line = QHBoxLayout()
        line.addWidget(self.count, 1)
        line.addWidget(button("Skip the tour", self.end, kind="quiet"))
        line.addWidget(self.forward)
        self.card = QFrame(self)
        self.card.setObjectName("card")
        self.card.setFixedWidth(_WIDTH)
        column = QVBoxLayout(self.card)
        column.setContentsMargins(2 * GRID, 2 * GRID, 2 * GRID, GRID)
        column.setSpacing(GRID)
        for part in (self.heading, self.words):
            column.addWidget(part)
        column.addLayout(line)
        parent.installEventFilter(self)
        self.hide()

    def open(self) -> None:
        """Begin with the first step."""
        self.place = 0
        self.show()
        self.raise_()
        self._show()

    def go_on(self) -> None:
        """Show the next step; after the last one, end."""
        if self.place + 1 == len(self._steps):
            self.end()
            return
        self.place += 1
        self._show()

    def end(self) -> None:
        """Leave the tour, once."""
        if self.isVisible():
            self.hide()
            self._ended()

    def _show(self) -> None:
        step = self._steps[self.place]
        self.heading.setText(step.heading)
        self.words.setText(step.words)
        self.count.setText(f"{self.place + 1} of {len(self._steps)}")
        self.forward.setText("Begin" if self.place + 1 == len(self._steps) else "Next")
        self._arrange()

    def _bright(self) -> QRect:
        part = self._steps[self.place].part
        if not part.isVisible():
            return QRect()
        return QRect(self.mapFromGlobal(part.mapToGlobal(QPoint(0, 0))), part.size())

    def _arrange(self) -> None:
        """Put the card beside what it speaks of, and inside the window."""
        parent = self.parentWidget()
        if parent is None or not self.isVisible():
            return
        self.setGeometry(parent.rect())
        self.card.setFixedHeight(self.card.heightForWidth(_WIDTH))
        bright, gap = self._bright(), 2 * GRID
        card = self.card.size()
        if bright.isNull() or bright.width() > self.width() - card.width() - 2 * gap:
            left = (self.width() - card.width()) // 2
            top = bright.bottom() + gap if bright.bottom() < self.height() // 2 else bright.top()
            if bright.top() > self.height() // 2:
                top = bright.top() - card.height() - gap
        else:
            fits = bright.right() + gap + card.width() < self.width()
            left = bright.right() + gap if fits else bright.left() - card.width() - gap
            top = bright.top() + gap
        left = max(gap, min(left, self.width() - card.width() - gap))
        top = max(gap, min(top, self.height() - card.height() - gap))
        self.card.move(left, top)
        self.update()

    def paintEvent(self, a0: QPaintEvent | None) -> None:  # noqa: N802, ARG002
        """Dim all but the part."""
        painter = QPainter(self)
        bright = self._bright()
        painter.setClipRegion(QRegion(self.rect()).subtracted(QRegion(bright)))
        painter.fillRect(self.rect(), _DIM)
        painter.setClipping(False)
        painter.setPen(QColor(theme().dim))
        painter.drawRect(bright.adjusted(0, 0, -1, -1))
        painter.end()

    def mousePressEvent(self, a0: QMouseEvent | None) -> None:  # noqa: N802, ARG002
        """Go on with a click anywhere."""
        self.go_on()

    def eventFilter(self, a0: QObject | None, a1: QEvent | None) -> bool:  # noqa: N802
        """Follow the window's size."""
        if a0 is self.parentWidget() and a1 is not None and a1.type() == QEvent.Type.Resize:
            self._arrange()
        return False
