"""The edits of an export, by what becomes of them."""

from __future__ import annotations

from collections.abc import Iterable

from PyQt6.QtCore import QModelIndex, QSize, Qt, pyqtSignal
from PyQt6.QtGui import QColor, QStandardItem, QStandardItemModel
from PyQt6.QtWidgets import QAbstractItemView, QHeaderView, QTreeView

from app.services.model import Fate, PlannedEdit
from app.ui.export_words import Section, sections, short_text
from app.ui.theme import GRID, theme, ui_font

__all__ = ["ExportTable"]

_ROW = QSize(0, 28)
_EDIT = Qt.ItemDataRole.UserRole
_FATE = Qt.ItemDataRole.UserRole + 1


class ExportTable(QTreeView):
    """Headings that fold, and under each its edits; several can be chosen at once."""

    chosen = pyqtSignal()
    """Other edits are chosen now."""

    def __init__(self) -> None:
        super().__init__()
        self._rows = QStandardItemModel(0, 2, self)
        self._shut: set[Fate] = {Fate.NEEDLESS}
        self.setModel(self._rows)
        self.setHeaderHidden(True)
        self.setUniformRowHeights(True)
        self.setAllColumnsShowFocus(True)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setIndentation(2 * GRID)
        if (columns := self.header()) is not None:
            columns.setStretchLastSection(True)
            columns.setSectionResizeMode(0, QHeaderView.ResizeMode.Interactive)
            columns.resizeSection(0, 42 * GRID)
        self.collapsed.connect(lambda index: self._shut.add(index.data(_FATE)))
        self.expanded.connect(lambda index: self._shut.discard(index.data(_FATE)))
        self.activated.connect(self._toggle)
        if (selection := self.selectionModel()) is not None:
            selection.selectionChanged.connect(lambda _now, _before: self.chosen.emit())

    def take(self, edits: Iterable[PlannedEdit]) -> None:
        """Show these edits; what was chosen and what was folded stays so."""
        before = {edit.edit_id for edit in self.edits()}
        self._rows.removeRows(0, self._rows.rowCount())
        for section in sections(edits):
            self._add(section)
        self._choose(before)
        self.chosen.emit()

    def edits(self) -> list[PlannedEdit]:
        """Return the edits that are chosen, from the top."""
        selection = self.selectionModel()
        rows = [] if selection is None else selection.selectedRows()
        found = [self._edit(row) for row in sorted(rows, key=lambda r: (r.parent().row(), r.row()))]
        return [edit for edit in found if edit is not None]

    def choose(self, edit_id: str) -> None:
        """Choose one edit, if it is listed."""
        self.clearSelection()
        self._choose({edit_id})

    def lines(self) -> list[tuple[str, list[str]]]:
        """Return headings and the words of their edits, as they stand on the screen."""
        found = []
        for row in range(self._rows.rowCount()):
            heading = self._rows.index(row, 0)
            found.append((str(heading.data()), [str(e.data()) for e in self._below(heading)]))
        return found

    def _add(self, section: Section) -> None:
        heading = QStandardItem(section.title)
        heading.setData(section.fate, _FATE)
        heading.setFont(ui_font(bold=True))
        heading.setSizeHint(_ROW)
        heading.setForeground(QColor(theme().faint if section.quiet else theme().dim))
        self._rows.appendRow(heading)
        for edit in section.edits:
            heading.appendRow(_cells(edit))
        self.setFirstColumnSpanned(heading.row(), QModelIndex(), True)
        self.setExpanded(heading.index(), section.fate not in self._shut)

    def _toggle(self, index: QModelIndex) -> None:
        """Fold a heading, or open it."""
        if not index.parent().isValid():
            self.setExpanded(index, not self.isExpanded(index))

    def _choose(self, edit_ids: set[str]) -> None:
        """Choose these edits, or else the first one, so that keys have something to act on."""
        every = [row for heading in self._headings() for row in self._below(heading)]
        wanted = [row for row in every if row.data(_EDIT).edit_id in edit_ids]
        open_ = [row for row in every if self.isExpanded(row.parent())]
        for row in wanted or open_[:1]:
            self.setCurrentIndex(row)
        if len(wanted) > 1 and (selection := self.selectionModel()) is not None:
            flag = selection.SelectionFlag
            for row in wanted:
                selection.select(row, flag.Select | flag.Rows)

    def _headings(self) -> list[QModelIndex]:
        return [self._rows.index(row, 0) for row in range(self._rows.rowCount())]

    def _below(self, heading: QModelIndex) -> list[QModelIndex]:
        return [self._rows.index(k, 0, heading) for k in range(self._rows.rowCount(heading))]

    def _edit(self, row: QModelIndex) -> PlannedEdit | None:
        edit = row.data(_EDIT)
        return edit if isinstance(edit, PlannedEdit) else None


def _cells(edit: PlannedEdit) -> list[QStandardItem]:
    first, second = QStandardItem(short_text(edit)), QStandardItem(edit.outcome)
    first.setData(edit, _EDIT)
    first.setSizeHint(_ROW)
    first.setToolTip(edit.text)
    second.setToolTip(edit.outcome)
    # Only what went wrong is red; what waits for a second look is no failure.
    second.setForeground(QColor(theme().error if edit.fate is Fate.FAILED else theme().dim))
    return [first, second]
