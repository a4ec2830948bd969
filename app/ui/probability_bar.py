"""A probability as a bar and a number: never as colour alone."""

from __future__ import annotations

from PyQt6.QtCore import QRectF, QSize, Qt
from PyQt6.QtGui import QColor, QPainter, QPaintEvent
from PyQt6.QtWidgets import QWidget

from app.ui.theme import GRID, scale_color, theme, ui_font

__all__ = ["ProbabilityBar"]

_NUMBER_WIDTH = 40
_BAR_HEIGHT = 10


class ProbabilityBar(QWidget):
    """A word, a bar from 0 to 1 with a mark at one half, and the number."""

    def __init__(self, word: str = "merge") -> None:
        super().__init__()
        self._word = word
        self._value: float | None = None
        self.setMinimumHeight(3 * GRID)

    @property
    def value(self) -> float | None:
        """The probability shown; None while there is none."""
        return self._value

    def show_value(self, value: float | None, word: str) -> None:
        """Show a probability of what the word says."""
        if (value, word) != (self._value, self._word):
            self._value, self._word = value, word
            number = "unknown" if value is None else f"{value:.2f}"
            self.setAccessibleName(f"{word} {number}")
            self.update()

    def sizeHint(self) -> QSize:  # noqa: N802
        """Return a comfortable size."""
        return QSize(30 * GRID, 3 * GRID)

    def paintEvent(self, a0: QPaintEvent | None) -> None:  # noqa: N802, ARG002
        """Paint the word, the bar and the number."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(ui_font())
        word_width = painter.fontMetrics().horizontalAdvance(self._word) + GRID
        height = self.height()
        painter.setPen(QColor(theme().dim))
        painter.drawText(
            QRectF(0, 0, word_width, height), Qt.AlignmentFlag.AlignVCenter, self._word
        )
        track = QRectF(
            word_width,
            (height - _BAR_HEIGHT) / 2,
            self.width() - word_width - _NUMBER_WIDTH,
            _BAR_HEIGHT,
        )
        self._paint_bar(painter, track)
        painter.setFont(ui_font(bold=True))
        painter.setPen(QColor(theme().text))
        number = "–" if self._value is None else f"{self._value:.2f}"
        align = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight
        painter.drawText(QRectF(0, 0, self.width(), height), align, number)
        painter.end()

    def _paint_bar(self, painter: QPainter, track: QRectF) -> None:
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(theme().ground))
        painter.drawRoundedRect(track, 3, 3)
        if self._value is not None:
            filled = QRectF(track)
            filled.setWidth(max(3.0, track.width() * self._value))
            painter.setBrush(scale_color(self._value))
            painter.drawRoundedRect(filled, 3, 3)
        painter.setBrush(QColor(theme().faint))
        painter.drawRect(QRectF(track.center().x() - 0.5, track.y() - 3, 1, track.height() + 6))
