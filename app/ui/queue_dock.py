"""The queue: a filter, the rows in order of work, and what to do when there are none."""

from __future__ import annotations

from collections.abc import Callable

from PyQt6.QtCore import QModelIndex, Qt, QTimer
from PyQt6.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QHeaderView,
    QLineEdit,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from app.services.model import Hidden, Phase, Snapshot
from app.ui.delegate import ROW_HEIGHT, RowDelegate
from app.ui.keyed_button import KeyedButton
from app.ui.ports import WorkbenchPort
from app.ui.queue_model import Column, QueueModel
from app.ui.theme import GRID
from app.ui.through_menus import FilterMenu
from app.ui.widgets import Message, button, label, shown, title

__all__ = ["FOLDED_WIDTH", "QueueDock"]

FOLDED_WIDTH = 88
FILTER_TIP = (
    "Words that all have to match: part of an id, kind:contact, task:merge_error, seg:8646, "
    "is:open, >0.8, box:10..12,3..4,0..2 in µm"
)
_OPEN_WIDTH = 368
_MOST = 16_777_215
_FILTER_MS = 120
_AHEAD = 5


def hidden_text(hidden: Hidden) -> str:
    """Return such as ``2,911 below 0.02 hidden``."""
    if hidden.showing_all:
        return f"hide those below {hidden.wanted_limit:g}"
    return f"{hidden.improbable:,} below {hidden.limit:g} hidden"


def count_text(place: int | None, rows: int) -> str:
    """Return how far the person is, such as ``12 of 214``."""
    if not rows:
        return ""
    return f"{rows:,}" if place is None else f"{place:,} of {rows:,}"


def hidden_tip(hidden: Hidden) -> str:
    """Return the same at more length."""
    tip = "Sites that the model thinks improbable; the limit is in the settings."
    if hidden.same:
        tip += f" {hidden.same:,} more ask the same question as a site that is shown."
    if hidden.joined:
        tip += f" {hidden.joined:,} ask nothing any more: their segments are one object."
    return tip


class QueueTable(QTableView):
    """A table that never takes keys: the window's keys move through it."""

    def __init__(self, model: QueueModel) -> None:
        super().__init__()
        self.setModel(model)
        self.setItemDelegate(RowDelegate(self))
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setShowGrid(False)
        self.setMouseTracking(True)
        self.setTabKeyNavigation(False)
        self._size_sections()

    def _size_sections(self) -> None:
        if (rows := self.verticalHeader()) is not None:
            rows.hide()
            rows.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
            rows.setDefaultSectionSize(ROW_HEIGHT)
        if (columns := self.horizontalHeader()) is not None:
            columns.setSectionsClickable(False)
            columns.setHighlightSections(False)
            columns.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
            columns.setMinimumSectionSize(32)
            columns.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
            columns.setSectionResizeMode(Column.CHANCE, QHeaderView.ResizeMode.Stretch)
        for column, width in ((Column.A, 80), (Column.B, 80), (Column.ANSWER, 64)):
            self.setColumnWidth(column, width)

    def fold(self, *, folded: bool) -> None:
        """Keep only the first column."""
        for column in (Column.A, Column.B, Column.ANSWER):
            self.setColumnHidden(column, folded)
        if (columns := self.horizontalHeader()) is not None:
            columns.setHidden(folded)


class QueueDock(QWidget):
    """Filter, table, and the queue's states."""

    def __init__(self, workbench: WorkbenchPort, toggle_fold: Callable[[], None]) -> None:
        super().__init__()
        self.setObjectName("queueDock")
        self._workbench = workbench
        self._following: str | None = None
        self.folded = False
        self.model = QueueModel(workbench.queue, self)
        self.table = QueueTable(self.model)
        self.table.clicked.connect(self._clicked)
        self.message = Message()
        self.filter = QLineEdit()
        self.filter.setPlaceholderText("filter: id, kind, answer, >0.8   /")
        self.filter.setToolTip(FILTER_TIP)
        self.filters = FilterMenu(
            self,
            text=self.filter.text,
            put=self.filter.setText,
            pair=self._pair,
            box=workbench.view_box,
        )
        self.filter.setClearButtonEnabled(True)
        # Never focused by itself: a key meant as an answer must not be typed here.
        self.filter.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self._typing = QTimer(self)
        self._typing.setSingleShot(True)
        self._typing.setInterval(_FILTER_MS)
        self._typing.timeout.connect(self._apply_filter)
        self.filter.textChanged.connect(lambda _text: self._typing.start())
        self._build(toggle_fold)
        self.set_folded(folded=False)

    def _build(self, toggle_fold: Callable[[], None]) -> None:
        self.title = title("QUEUE")
        self.count = label("", "dim")
        self.fold_button = button("‹", toggle_fold, kind="quiet")
        self.fold_button.setToolTip("Fold the queue to a strip, or open it")
        self.fold_button.setFixedWidth(4 * GRID)
        self.failed = label("", "error")
        self.retry = button("Retry", self._workbench.retry_failed)
        self.head = QWidget()
        head = QHBoxLayout(self.head)
        head.setContentsMargins(GRID + GRID // 2, GRID // 2, GRID, 0)
        self.learned = label("", "dim")
        self.learned.setToolTip("Your answers have changed the order; the models' own stay.")
        for part in (self.title, self.count, self.learned):
            head.addWidget(part)
        head.addStretch(1)
        head.addWidget(self.fold_button)
        self.hidden = KeyedButton("", "I", self._workbench.toggle_improbable)
        foot = QHBoxLayout()
        foot.addWidget(self.failed, 1)
        foot.addWidget(self.retry)
        column = QVBoxLayout(self)
        column.setContentsMargins(GRID, GRID // 2, GRID, GRID)
        column.setSpacing(GRID)
        self.filter_button = button("▾", lambda: None, kind="quiet")
        self.filter_button.setToolTip("What to filter by")
        self.filter_button.setAccessibleName("what to filter by")
        self.filter_button.setProperty("menu", "true")
        self.filter_button.setMenu(self.filters)
        self.filter_line = QWidget()
        line = QHBoxLayout(self.filter_line)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(0)
        line.addWidget(self.filter, 1)
        line.addWidget(self.filter_button)
        column.addWidget(self.filter_line)
        column.addWidget(self.table, 1)
        column.addWidget(self.message, 1)
        column.addLayout(foot)
        column.addWidget(self.hidden, 0, Qt.AlignmentFlag.AlignLeft)

    def set_folded(self, *, folded: bool) -> None:
        """Fold to a strip with markers and numbers, or open again."""
        self.folded = folded
        self.table.fold(folded=folded)
        for part in (self.title, self.filter_line, self.count, self.learned):
            part.setVisible(not folded)
        self.fold_button.setText("›" if folded else "‹")
        self.setMinimumWidth(FOLDED_WIDTH if folded else _OPEN_WIDTH)
        self.setMaximumWidth(FOLDED_WIDTH if folded else _MOST)
        self.refresh()

    @property
    def has_rows(self) -> bool:
        """Whether any site is listed."""
        return self.model.rowCount() > 0

    def focus_filter(self) -> None:
        """Put the cursor into the filter."""
        self.filter.setFocus()
        self.filter.selectAll()

    def refresh(self) -> None:
        """Show the queue as it is now."""
        snapshot = self._workbench.snapshot()
        self.model.refresh()
        rows = self.model.rowCount()
        shown(self.table, when=rows > 0)
        shown(self.message, when=rows == 0)
        if rows == 0:
            self._say_why_empty(snapshot)
        self.count.setText(count_text(snapshot.through.place, rows))
        self.learned.setText(snapshot.learned)
        self._show_failed(snapshot)
        self._show_hidden(snapshot.hidden)
        self._follow(snapshot)

    def _show_failed(self, snapshot: Snapshot) -> None:
        failed = snapshot.queue_phase in (Phase.FAILED, Phase.OFFLINE, Phase.PARTIAL)
        text = snapshot.queue_text if failed and self.model.rowCount() else ""
        self.failed.setText(text)
        shown(self.failed, when=bool(text) and not self.folded)
        shown(self.retry, when=bool(text) and snapshot.queue_phase is Phase.FAILED)

    def _show_hidden(self, hidden: Hidden) -> None:
        """Say how many are out of sight, and how to see them."""
        self.hidden.show_word(hidden_text(hidden))
        self.hidden.setToolTip(hidden_tip(hidden))
        shown(self.hidden, when=bool(hidden.improbable or hidden.showing_all) and not self.folded)

    def _say_why_empty(self, snapshot: Snapshot) -> None:
        lane = snapshot.through.lane_words
        if snapshot.through.lane is not None and not self.filter.text():
            self.message.say(
                f"Nothing is open in the lane {lane}.", "Choose another one in the top bar."
            )
        elif self.filter.text():
            clear = ("Clear the filter", self.filter.clear)
            self.message.say("No site matches the filter.", action=clear)
        elif snapshot.hidden.improbable and snapshot.queue_phase is Phase.READY:
            show = ("Show them", self._workbench.toggle_improbable)
            self.message.say("Only improbable sites are left.", action=show)
        elif snapshot.queue_phase is Phase.LOADING:
            self.message.say(snapshot.queue_text or "Looking for sites…", "They appear as found.")
        elif snapshot.queue_phase in (Phase.FAILED, Phase.OFFLINE):
            again = ("Try again", self._workbench.start_detection)
            self.message.say(snapshot.queue_text or "No sites.", error=True, action=again)
        else:
            find = ("Find sites", self._workbench.start_detection)
            self.message.say(snapshot.queue_text or "No sites yet.", action=find)

    def _follow(self, snapshot: Snapshot) -> None:
        site_id = snapshot.current.site.id if snapshot.current else None
        place = self._workbench.queue.index_of(site_id) if site_id else None
        if place is None or place >= self.model.rowCount():
            self.table.clearSelection()
        elif self.table.currentIndex().row() != place or site_id != self._following:
            # What comes next is in sight, too.
            ahead = min(place + _AHEAD, self.model.rowCount() - 1)
            self.table.scrollTo(self.model.index(ahead, 0))
            self.table.setCurrentIndex(self.model.index(place, 0))
        elif not self.table.selectedIndexes():
            self.table.selectRow(place)
        self._following = site_id

    def _clicked(self, index: QModelIndex) -> None:
        row = self.model.row_at(index.row())
        if row is None:
            return
        if index.column() == Column.ANSWER and row.failed and row.answer is None:
            self._workbench.retry_failed()
        else:
            self._workbench.select(row.site_id)

    def _pair(self) -> tuple[int, ...]:
        """Return the roots on the screen."""
        current = self._workbench.snapshot().current
        if current is None:
            return ()
        partner = current.partner
        return (current.site.root,) if partner is None else (current.site.root, partner.root)

    def _apply_filter(self) -> None:
        self._workbench.queue.set_filter(self.filter.text())
        self.refresh()
