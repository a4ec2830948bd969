"""Export: first the list of what would be sent, then, on request, each edit's outcome."""

from __future__ import annotations

from typing import Any

from PyQt6.QtCore import QAbstractTableModel, QModelIndex, QObject, Qt
from PyQt6.QtGui import QColor
from PyQt6.QtWidgets import (
    QAbstractItemView,
    QDialog,
    QHBoxLayout,
    QHeaderView,
    QProgressBar,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from app.services.model import Job, Phase, PlannedEdit, Snapshot
from app.ui.ports import WorkbenchPort
from app.ui.theme import GRID, question_font, theme
from app.ui.widgets import Message, button, label, shown

__all__ = ["EXPORT_JOB", "EditTable", "ExportDialog"]

EXPORT_JOB = "export"
_NO_PARENT = QModelIndex()


class EditTable(QAbstractTableModel):
    """The edits, each with what is known of it."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.edits: list[PlannedEdit] = []

    def take(self, edits: list[PlannedEdit]) -> None:
        """Show these edits."""
        self.beginResetModel()
        self.edits = edits
        self.endResetModel()

    def rowCount(self, parent: QModelIndex = _NO_PARENT) -> int:  # noqa: N802
        """Return the number of edits."""
        return 0 if parent.isValid() else len(self.edits)

    def columnCount(self, parent: QModelIndex = _NO_PARENT) -> int:  # noqa: N802
        """Return the number of columns."""
        return 0 if parent.isValid() else 2

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return an edit's words and its outcome."""
        edit = self.edits[index.row()]
        text = edit.text if index.column() == 0 else edit.outcome
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole):
            return text
        if role == Qt.ItemDataRole.ForegroundRole and index.column() == 1:
            return QColor(theme().text if edit.ok else theme().error)
        return None

    def headerData(  # noqa: N802
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        """Return a column's heading."""
        if orientation == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole:
            return ("edit", "outcome")[section]
        return None


class ExportDialog(QDialog):
    """Lists, then applies. Closing it does not stop an export that runs."""

    def __init__(self, workbench: WorkbenchPort, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Export")
        self.setMinimumSize(90 * GRID, 60 * GRID)
        self._workbench = workbench
        self._asked = 0
        self._running = False
        self._listing = False
        self.edits = EditTable(self)
        self._build()
        self.finished.connect(self._forget)
        self._list()

    def _build(self) -> None:
        heading = label("Edits to send")
        heading.setFont(question_font())
        self.summary = label("", "dim", wrap=True)
        self.message = Message()
        self.table = QTableView()
        self.table.setModel(self.edits)
        self.table.setShowGrid(False)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.table.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        if (rows := self.table.verticalHeader()) is not None:
            rows.hide()
        if (columns := self.table.horizontalHeader()) is not None:
            columns.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
            columns.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
            columns.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        self.table.setColumnWidth(1, 30 * GRID)
        self.progress = QProgressBar()
        self.progress.setTextVisible(False)
        column = QVBoxLayout(self)
        column.setContentsMargins(3 * GRID, 2 * GRID, 3 * GRID, 2 * GRID)
        column.setSpacing(GRID)
        column.addWidget(heading)
        column.addWidget(self.summary)
        column.addWidget(self.table, 1)
        column.addWidget(self.message, 1)
        column.addWidget(self.progress)
        column.addLayout(self._buttons())

    def _buttons(self) -> QHBoxLayout:
        self.apply = button("Apply", self._apply, kind="primary")
        self.stop = button("Stop", lambda: self._workbench.cancel(EXPORT_JOB))
        line = QHBoxLayout()
        line.addStretch(1)
        for part in (self.stop, button("Close", self.close), self.apply):
            line.addWidget(part)
        return line

    def _list(self) -> None:
        self._asked += 1
        self._listing = True
        generation = self._asked
        self._workbench.plan_export(lambda edits: self._listed(generation, edits))
        self._redraw()

    def _listed(self, generation: int, edits: list[PlannedEdit]) -> None:
        if generation != self._asked:
            return  # A newer list was asked for.
        self._listing = False
        self.edits.take(edits)
        self._redraw()

    def _forget(self) -> None:
        self._asked += 1  # What still arrives finds nobody.

    def _apply(self) -> None:
        self._running = True
        self._workbench.start_export()
        self.show_snapshot(self._workbench.snapshot())

    def show_snapshot(self, snapshot: Snapshot) -> None:
        """Follow a running export; when it has ended, ask for every edit's outcome."""
        job = next((job for job in snapshot.jobs if job.name == EXPORT_JOB), None)
        runs = job is not None and job.phase in (Phase.LOADING, Phase.PARTIAL)
        if self._running and not runs:
            self._running = False
            self._list()
        elif runs:
            self._running = True
        self._redraw(job)

    def _redraw(self, job: Job | None = None) -> None:
        count = len(self.edits.edits)
        shown(self.table, when=count > 0)
        shown(self.message, when=count == 0)
        if self._listing:
            self.message.say("Listing the edits…", "Nothing is sent yet.")
        else:
            self.message.say("There is nothing to send.", "Accept a site first: key F.")
        waiting = self._workbench.snapshot().outbox.waiting
        self.apply.setText(f"Apply {waiting}" if waiting else "Apply")
        self.apply.setEnabled(bool(count and waiting) and not self._running and not self._listing)
        shown(self.stop, when=self._running)
        shown(self.progress, when=self._running)
        fraction = None if job is None else job.fraction
        self.progress.setRange(0, 0 if fraction is None else 1000)
        self.progress.setValue(round((fraction or 0) * 1000))
        self.summary.setText(self._summary(job))

    def _summary(self, job: Job | None) -> str:
        if self._running:
            return (job.text if job and job.text else "") or "Sending, one edit at a time…"
        if job is not None and job.phase is Phase.FAILED:
            return job.text or "The export stopped."
        if not self.edits.edits:
            return ""
        wrong = sum(not edit.ok for edit in self.edits.edits)
        total = f"{len(self.edits.edits):,} edits"
        return (
            f"{total}; {wrong} cannot simply be sent"
            if wrong
            else f"{total}. Each is sent exactly once."
        )
