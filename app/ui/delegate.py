"""How a row of the queue is painted: shape by kind, fill by probability, bar and number."""

from __future__ import annotations

from PyQt6.QtCore import QModelIndex, QPointF, QRectF, Qt
from PyQt6.QtGui import QColor, QPainter, QPen, QPolygonF
from PyQt6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem

from app.services.model import QueueRow
from app.ui.queue_model import ROW_ROLE, Column
from app.ui.theme import COLOR_A, COLOR_B, GRID, scale_color, theme, ui_font
from proofreading.sites import SiteKind

__all__ = ["ROW_HEIGHT", "RowDelegate"]

ROW_HEIGHT = 28
_FADED = 0.42
_NUMBER_WIDTH = 40


class RowDelegate(QStyledItemDelegate):
    """Paints one cell of the queue."""

    def paint(
        self, painter: QPainter | None, option: QStyleOptionViewItem, index: QModelIndex
    ) -> None:
        """Paint the ground, then what the column shows."""
        row = index.data(ROW_ROLE)
        if painter is None or not isinstance(row, QueueRow):
            return
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        rect = QRectF(option.rect)
        self._ground(painter, rect, option, index)
        if row.answer is not None:
            painter.setOpacity(_FADED)
        painter.setFont(ui_font())
        if index.column() == Column.CHANCE:
            _paint_chance(painter, rect, row)
        else:
            _paint_text(painter, rect, row, Column(index.column()), index.data())
        painter.restore()

    def _ground(
        self,
        painter: QPainter,
        rect: QRectF,
        option: QStyleOptionViewItem,
        index: QModelIndex,
    ) -> None:
        if option.state & QStyle.StateFlag.State_Selected:
            painter.fillRect(rect, QColor(theme().selected))
            if index.column() == Column.CHANCE:
                painter.fillRect(QRectF(rect.x(), rect.y(), 3, rect.height()), QColor(theme().text))
        elif option.state & QStyle.StateFlag.State_MouseOver:
            painter.fillRect(rect, QColor(theme().raised))


def _paint_chance(painter: QPainter, rect: QRectF, row: QueueRow) -> None:
    color = QColor(theme().error) if row.failed else scale_color(row.probability)
    center = QPointF(rect.x() + 2 * GRID, rect.center().y())
    hollow = row.probability is None or row.failed
    _paint_marker(painter, center, row.kind, color, hollow=hollow)
    number = QRectF(rect.x() + 3.5 * GRID, rect.y(), _NUMBER_WIDTH, rect.height())
    painter.setPen(QColor(theme().error if row.failed else theme().text))
    text = "–" if row.probability is None else f"{row.probability:.2f}"
    vertical = Qt.AlignmentFlag.AlignVCenter
    painter.drawText(number, vertical, "failed" if row.failed else text)
    left = number.right()
    width = rect.right() - left - GRID
    if row.probability is not None and not row.failed and width >= 2 * GRID:
        track = QRectF(left, rect.center().y() - 2, width, 4)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(theme().line))
        painter.drawRoundedRect(track, 2, 2)
        track.setWidth(max(4.0, width * row.probability))
        painter.setBrush(color)
        painter.drawRoundedRect(track, 2, 2)


def _paint_marker(
    painter: QPainter, center: QPointF, kind: SiteKind, color: QColor, *, hollow: bool
) -> None:
    painter.setPen(QPen(color, 1.5))
    painter.setBrush(Qt.BrushStyle.NoBrush if hollow else color)
    r = 4.5
    if kind is SiteKind.ENDPOINT:
        painter.drawEllipse(center, r, r)
    elif kind is SiteKind.CONTACT:
        painter.drawRect(QRectF(center.x() - 4, center.y() - 4, 8, 8))
    else:
        turn = 1.0 if kind is SiteKind.JUNCTION else 0.0
        painter.drawPolygon(_polygon(center, r + 0.5, diamond=bool(turn)))


def _polygon(center: QPointF, r: float, *, diamond: bool) -> QPolygonF:
    corners = [(0.0, -r), (r, 0.0), (0.0, r), (-r, 0.0)] if diamond else [(0, -r), (r, r), (-r, r)]
    return QPolygonF([QPointF(center.x() + x, center.y() + y) for x, y in corners])


def _paint_text(
    painter: QPainter, rect: QRectF, row: QueueRow, column: Column, text: object
) -> None:
    inner = rect.adjusted(GRID, 0, -GRID / 2, 0)
    if column in (Column.A, Column.B):
        if column is Column.A or row.partner_root is not None:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(COLOR_A if column is Column.A else COLOR_B))
            painter.drawRoundedRect(QRectF(inner.x(), inner.center().y() - 6, 3, 12), 1.5, 1.5)
        inner.adjust(GRID, 0, 0, 0)
    failed = column is Column.ANSWER and row.failed and row.answer is None
    painter.setPen(QColor(theme().error if failed else theme().text))
    metrics = painter.fontMetrics()
    shown = metrics.elidedText(str(text), Qt.TextElideMode.ElideRight, int(inner.width()))
    painter.drawText(inner, Qt.AlignmentFlag.AlignVCenter, shown)
