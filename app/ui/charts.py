"""Small charts, painted in the colours of the window: no plotting library is loaded for them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from PyQt6.QtCore import QPointF, QRectF, QSize, Qt
from PyQt6.QtGui import QColor, QPainter, QPaintEvent, QPen, QPolygonF
from PyQt6.QtWidgets import QWidget

from app.ui.theme import GRID, theme, ui_font

__all__ = ["Bar", "Bars", "Curve", "Dot", "Dots", "Range", "Ranges"]

_LINE = 3 * GRID
_LABEL_WIDTH = 21 * GRID
_NUMBER_WIDTH = 8 * GRID
_CENTER = Qt.AlignmentFlag.AlignVCenter
_RIGHT = Qt.AlignmentFlag.AlignRight | _CENTER


@dataclass(frozen=True)
class Bar:
    """A count with its name."""

    name: str
    count: int


@dataclass(frozen=True)
class Range:
    """A share with its interval and the number of answers behind it; None while unknown."""

    name: str
    value: float | None
    low: float
    high: float
    count: int


@dataclass(frozen=True)
class Dot:
    """A point of the calibration: expected, observed, and the interval of the latter."""

    x: float
    y: float
    low: float
    high: float


@contextmanager
def _painting(chart: QWidget) -> Iterator[QPainter]:
    """Paint on a chart, smoothly and in the program's font; to be used while Qt paints it."""
    painter = QPainter(chart)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setFont(ui_font())
    try:
        yield painter
    finally:
        painter.end()


class Bars(QWidget):
    """Counts as bars, one a line, each with its name and number."""

    def __init__(self) -> None:
        super().__init__()
        self._bars: tuple[Bar, ...] = ()

    def show_bars(self, bars: Sequence[Bar]) -> None:
        """Show counts."""
        if tuple(bars) != self._bars:
            self._bars = tuple(bars)
            self.setMinimumHeight(_LINE * len(bars))
            self.setAccessibleDescription(", ".join(f"{b.name} {b.count}" for b in bars))
            self.update()

    def paintEvent(self, a0: QPaintEvent | None) -> None:  # noqa: N802, ARG002
        """Paint the bars."""
        with _painting(self) as painter:
            self._draw(painter)

    def _draw(self, painter: QPainter) -> None:
        most = max((bar.count for bar in self._bars), default=0) or 1
        room = self.width() - _LABEL_WIDTH - _NUMBER_WIDTH
        for line, bar in enumerate(self._bars):
            y = line * _LINE
            _write(painter, QRectF(0, y, _LABEL_WIDTH - GRID, _LINE), bar.name, theme().dim)
            length = room * bar.count / most
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(theme().bar))
            if bar.count:
                painter.drawRoundedRect(QRectF(_LABEL_WIDTH, y + 7, max(2.0, length), 10), 2, 2)
            number = QRectF(_LABEL_WIDTH + length + GRID, y, _NUMBER_WIDTH, _LINE)
            _write(painter, number, f"{bar.count:,}", theme().text)


class Ranges(QWidget):
    """Shares on one scale from 0 to 1, each with its interval, its number and its n."""

    def __init__(self) -> None:
        super().__init__()
        self._ranges: tuple[Range, ...] = ()

    def show_ranges(self, ranges: Sequence[Range]) -> None:
        """Show shares."""
        if tuple(ranges) != self._ranges:
            self._ranges = tuple(ranges)
            self.setMinimumHeight(_LINE * len(ranges))
            told = (f"{r.name} {_number(r)} of {r.count}" for r in ranges)
            self.setAccessibleDescription(", ".join(told))
            self.update()

    def paintEvent(self, a0: QPaintEvent | None) -> None:  # noqa: N802, ARG002
        """Paint the shares."""
        with _painting(self) as painter:
            self._draw(painter)

    def _draw(self, painter: QPainter) -> None:
        left, room = _LABEL_WIDTH, self.width() - _LABEL_WIDTH - 2 * _NUMBER_WIDTH
        for line, one in enumerate(self._ranges):
            y = line * _LINE + _LINE / 2
            box = QRectF(0, line * _LINE, _LABEL_WIDTH - GRID, _LINE)
            _write(painter, box, one.name, theme().dim)
            painter.setPen(QPen(QColor(theme().line), 2))
            painter.drawLine(QPointF(left, y), QPointF(left + room, y))
            if one.value is not None:
                painter.setPen(QPen(QColor(theme().bar), 3))
                painter.drawLine(
                    QPointF(left + room * one.low, y), QPointF(left + room * one.high, y)
                )
                painter.setPen(Qt.PenStyle.NoPen)
                painter.setBrush(QColor(theme().text))
                painter.drawEllipse(QPointF(left + room * one.value, y), 4.5, 4.5)
            box.moveLeft(left + room + GRID)
            box.setWidth(_NUMBER_WIDTH - GRID)
            _write(painter, box, _number(one), theme().text)
            box.moveLeft(left + room + _NUMBER_WIDTH)
            box.setWidth(_NUMBER_WIDTH)
            _write(painter, box, f"n {one.count:,}", theme().faint)


class Dots(QWidget):
    """Calibration: what was expected against what was answered, with intervals."""

    def __init__(self) -> None:
        super().__init__()
        self._dots: tuple[Dot, ...] = ()
        self._line: tuple[tuple[float, float], ...] = ()
        self.setMinimumHeight(22 * GRID)

    def sizeHint(self) -> QSize:  # noqa: N802
        """Return a square."""
        return QSize(24 * GRID, 24 * GRID)

    def show_dots(self, dots: Sequence[Dot]) -> None:
        """Show a calibration."""
        if tuple(dots) != self._dots:
            self._dots = tuple(dots)
            self.update()

    def show_line(self, line: Sequence[tuple[float, float]]) -> None:
        """Show a curve behind the dots, by its corners."""
        if tuple(line) != self._line:
            self._line = tuple(line)
            self.update()

    def paintEvent(self, a0: QPaintEvent | None) -> None:  # noqa: N802, ARG002
        """Paint axes, the diagonal, the curve and the points."""
        with _painting(self) as painter:
            self._draw(painter)

    def _draw(self, painter: QPainter) -> None:
        side = min(self.width() - 5 * GRID, self.height() - 3 * GRID)
        box = QRectF(4 * GRID, GRID, side, side)
        painter.setPen(QPen(QColor(theme().line), 1))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRect(box)
        painter.setPen(QPen(QColor(theme().faint), 1, Qt.PenStyle.DashLine))
        painter.drawLine(box.bottomLeft(), box.topRight())
        for share in (0.0, 0.5, 1.0):
            y = box.bottom() - share * side
            _write(painter, QRectF(0, y - 8, 3.5 * GRID, 16), f"{share:g}", theme().faint, _RIGHT)
            x = box.left() + share * side
            under = QRectF(x - 16, box.bottom() + 2, 32, 16)
            _write(painter, under, f"{share:g}", theme().faint, Qt.AlignmentFlag.AlignCenter)
        painter.setPen(QPen(QColor(theme().dim), 1.5))
        corners = [QPointF(box.left() + x * side, box.bottom() - y * side) for x, y in self._line]
        painter.drawPolyline(QPolygonF(corners))
        for dot in self._dots:
            x = box.left() + dot.x * side
            painter.setPen(QPen(QColor(theme().dim), 2))
            top, bottom = (box.bottom() - share * side for share in (dot.high, dot.low))
            painter.drawLine(QPointF(x, top), QPointF(x, bottom))
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(theme().text))
            painter.drawEllipse(QPointF(x, box.bottom() - dot.y * side), 4, 4)


class Curve(QWidget):
    """Seconds of answers in order, on a logarithmic scale, as a line."""

    def __init__(self) -> None:
        super().__init__()
        self._values: tuple[float, ...] = ()
        self.setMinimumHeight(16 * GRID)

    def show_values(self, values: Sequence[float]) -> None:
        """Show values, each above zero."""
        if tuple(values) != self._values:
            self._values = tuple(values)
            self.update()

    def paintEvent(self, a0: QPaintEvent | None) -> None:  # noqa: N802, ARG002
        """Paint the scale and the line."""
        with _painting(self) as painter:
            self._draw(painter)

    def _draw(self, painter: QPainter) -> None:
        box = QRectF(4 * GRID, GRID, self.width() - 5 * GRID, self.height() - 2 * GRID)
        low, high = math.log(1.0), math.log(60.0)
        for seconds in (1, 2, 5, 10, 20, 50):
            y = box.bottom() - (math.log(seconds) - low) / (high - low) * box.height()
            painter.setPen(QPen(QColor(theme().line), 1))
            painter.drawLine(QPointF(box.left(), y), QPointF(box.right(), y))
            text = QRectF(0, y - 8, 3.5 * GRID, 16)
            _write(painter, text, f"{seconds} s", theme().faint, _RIGHT)
        # A line needs no more points than there are pixels.
        step = max(1, len(self._values) // max(1, int(box.width())))
        shown = self._values[::step]
        if len(shown) > 1:
            line = QPolygonF()
            for place, value in enumerate(shown):
                height = (math.log(min(60.0, max(1.0, value))) - low) / (high - low)
                x = box.left() + box.width() * place / (len(shown) - 1)
                line.append(QPointF(x, box.bottom() - height * box.height()))
            painter.setPen(QPen(QColor(theme().text), 2))
            painter.drawPolyline(line)


def _number(one: Range) -> str:
    return "–" if one.value is None else f"{one.value * 100:.0f} %"


def _write(
    painter: QPainter, box: QRectF, text: str, color: str, align: Qt.AlignmentFlag = _CENTER
) -> None:
    painter.setPen(QColor(color))
    painter.drawText(box, align, text)
