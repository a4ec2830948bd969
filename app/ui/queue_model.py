"""The queue as Qt sees it: a thin reader over the workbench's rows that copies none."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

from PyQt6.QtCore import QAbstractTableModel, QModelIndex, QObject, Qt

from app.services.model import QueueRow
from app.ui.ports import QueuePort
from app.ui.widgets import tail_id

__all__ = ["ROW_ROLE", "Column", "QueueModel"]

ROW_ROLE = Qt.ItemDataRole.UserRole
"""The `QueueRow` itself, for the delegate."""


class Column(IntEnum):
    """The columns of the queue."""

    CHANCE = 0
    A = 1
    B = 2
    ANSWER = 3


_HEADINGS = {Column.CHANCE: "chance", Column.A: "A", Column.B: "B", Column.ANSWER: "answer"}
_NO_PARENT = QModelIndex()
_KEPT = 256


class QueueModel(QAbstractTableModel):
    """Rows by number, read when they are painted.

    The workbench may change the queue at any time between two redraws; the number of
    rows that views know changes only in `refresh`.
    """

    def __init__(self, queue: QueuePort, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._queue = queue
        self._painted: dict[int, QueueRow] = {}
        self._forgot = False
        self._count = len(queue)

    def rowCount(self, parent: QModelIndex = _NO_PARENT) -> int:  # noqa: N802
        """Return how many rows views know of."""
        return 0 if parent.isValid() else self._count

    def columnCount(self, parent: QModelIndex = _NO_PARENT) -> int:  # noqa: N802
        """Return the number of columns."""
        return 0 if parent.isValid() else len(Column)

    def row_at(self, index: int) -> QueueRow | None:
        """Return a row, or None if the queue has just become shorter."""
        if not 0 <= index < len(self._queue):
            return None
        # Painting a row asks for it once for each column and role.
        row = self._painted.get(index)
        if row is None:
            if len(self._painted) >= _KEPT:
                self._painted.clear()
                self._forgot = True
            row = self._painted[index] = self._queue.row(index)
        return row

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return a cell's text, its row, or a description for screen readers."""
        row = self.row_at(index.row()) if index.isValid() else None
        if row is None:
            return None
        if role == ROW_ROLE:
            return row
        if role == Qt.ItemDataRole.DisplayRole:
            return _text(row, Column(index.column()))
        if role in (Qt.ItemDataRole.ToolTipRole, Qt.ItemDataRole.AccessibleTextRole):
            return _describe(row)
        return None

    def headerData(  # noqa: N802
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        """Return a column's heading."""
        if orientation == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole:
            return _HEADINGS[Column(section)]
        return None

    def refresh(self) -> None:
        """Take over the queue as it is now; costs nothing but for the rows that were painted."""
        painted, self._painted = self._painted, {}
        count = len(self._queue)
        if count > self._count:
            self.beginInsertRows(_NO_PARENT, self._count, count - 1)
            self._count = count
            self.endInsertRows()
        elif count < self._count:
            self.beginRemoveRows(_NO_PARENT, count, self._count - 1)
            self._count = count
            self.endRemoveRows()
        self._tell_changed(painted, count)

    def _tell_changed(self, painted: dict[int, QueueRow], count: int) -> None:
        """Let views paint what is other than they painted it: to paint all takes 20 ms."""
        forgot, self._forgot = self._forgot, False
        changed = [place for place, row in painted.items() if self.row_at(place) != row]
        changed = [0, count - 1] if forgot else [place for place in changed if place < count]
        if changed and count:
            last = self.index(max(changed), len(Column) - 1)
            self.dataChanged.emit(self.index(min(changed), 0), last)


def _text(row: QueueRow, column: Column) -> str:
    if column is Column.A:
        return tail_id(row.root)
    if column is Column.B:
        return tail_id(row.partner_root)
    if column is Column.ANSWER:
        return "retry" if row.failed and row.answer is None else (row.answer or "")
    if row.failed:
        return "failed"
    return "–" if row.probability is None else f"{row.probability:.2f}"


def _describe(row: QueueRow) -> str:
    parts = [f"{row.kind.value}, A {row.root}"]
    if row.partner_root is not None:
        parts.append(f"B {row.partner_root}")
    if row.failed:
        parts.append("the verdict failed")
    elif row.probability is not None:
        parts.append(f"probability {row.probability:.2f}")
    if row.at_volume_face:
        parts.append("at the face of the volume")
    if row.answer is not None:
        parts.append(f"answered {row.answer}")
    return " · ".join(parts)
