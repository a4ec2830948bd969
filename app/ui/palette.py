"""Every command by its words: type a few letters, press Enter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PyQt6.QtCore import QEvent, QObject, Qt
from PyQt6.QtGui import QKeyEvent
from PyQt6.QtWidgets import (
    QHeaderView,
    QLineEdit,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from app.ui.overlay import Overlay
from app.ui.theme import GRID

__all__ = ["Entry", "Palette", "matching"]

_WIDTH = 64 * GRID
_ROWS = 12
_ROW_PX = 28
_MOVES = {
    Qt.Key.Key_Down: 1,
    Qt.Key.Key_Up: -1,
    Qt.Key.Key_PageDown: _ROWS,
    Qt.Key.Key_PageUp: -_ROWS,
}


@dataclass(frozen=True)
class Entry:
    """One thing that can be done.

    Parameters
    ----------
    words : str
        What it is called.
    key : str
        The key that does the same, or nothing.
    action : callable
        Does it.
    """

    words: str
    key: str
    action: Callable[[], object]


def matching(entries: Sequence[Entry], typed: str) -> list[Entry]:
    """Return the entries in which every typed word begins a word, else occurs, in this order."""
    parts = typed.lower().split()
    scored = []
    for place, entry in enumerate(entries):
        words = entry.words.lower()
        if all(part in words for part in parts):
            begun = all(any(w.startswith(part) for w in words.split()) for part in parts)
            scored.append((not begun, place, entry))
    return [entry for _, _, entry in sorted(scored, key=lambda each: each[:2])]


class Palette(Overlay):
    """A line to type in and the commands that fit."""

    def __init__(
        self,
        parent: QWidget,
        entries: Callable[[], Sequence[Entry]],
        closed: Callable[[], None],
    ) -> None:
        super().__init__(parent)
        self._entries = entries
        self._closed = closed
        self._found: list[Entry] = []
        self.line = QLineEdit()
        self.line.setPlaceholderText("What to do")
        self.line.setAccessibleName("Command")
        self.line.textChanged.connect(self._show)
        self.line.installEventFilter(self)
        self.list = _list()
        self.list.itemClicked.connect(lambda _item, _column: self._do())
        self.card.setFixedWidth(_WIDTH)
        column = QVBoxLayout(self.card)
        column.setContentsMargins(GRID, GRID, GRID, GRID)
        column.setSpacing(GRID)
        column.addWidget(self.line)
        column.addWidget(self.list)

    def open(self) -> None:
        """Cover the window, with everything on offer."""
        self.line.clear()
        self._show("")
        super().open()
        self.line.setFocus()

    def hide(self) -> None:
        """Close, and give the focus back."""
        was_open = self.isVisible()
        super().hide()
        if was_open:
            self._closed()

    def eventFilter(self, a0: QObject | None, a1: QEvent | None) -> bool:  # noqa: N802
        """Move in the list and choose, while typing."""
        if a0 is getattr(self, "line", None) and isinstance(a1, QKeyEvent):
            return a1.type() == QEvent.Type.KeyPress and self._pressed(a1)
        return super().eventFilter(a0, a1)

    def _pressed(self, event: QKeyEvent) -> bool:
        key = Qt.Key(event.key())
        if key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self._do()
            return True
        step = _MOVES.get(key)
        if step is not None and self._found:
            self._mark(max(0, min(len(self._found) - 1, self._row() + step)))
        return step is not None

    def _show(self, typed: str) -> None:
        self._found = matching(self._entries(), typed)
        self.list.clear()
        for entry in self._found:
            self.list.addTopLevelItem(QTreeWidgetItem([entry.words, entry.key]))
        if not self._found:
            self.list.addTopLevelItem(QTreeWidgetItem(["Nothing is called like this.", ""]))
        self._mark(0)

    def _row(self) -> int:
        return self.list.indexOfTopLevelItem(self.list.currentItem())

    def _mark(self, row: int) -> None:
        self.list.setCurrentItem(self.list.topLevelItem(row))

    def _do(self) -> None:
        row = self._row()
        if 0 <= row < len(self._found):
            entry = self._found[row]
            self.hide()
            entry.action()


def _list() -> QTreeWidget:
    made = QTreeWidget()
    made.setColumnCount(2)
    made.setHeaderHidden(True)
    made.setRootIsDecorated(False)
    made.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    made.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    made.setFixedHeight(_ROWS * _ROW_PX)
    if (header := made.header()) is not None:
        header.setStretchLastSection(False)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        header.setSectionResizeMode(1, QHeaderView.ResizeMode.ResizeToContents)
    return made
