"""One quiet line: where you are, how far, how fast, what waits, what judges."""

from __future__ import annotations

from collections.abc import Callable

from PyQt6.QtCore import QRectF, QSize, Qt
from PyQt6.QtGui import QColor, QPainter, QPaintEvent
from PyQt6.QtWidgets import QFrame, QHBoxLayout, QWidget

from app.services.language import LanguageStatus
from app.services.model import JudgeStatus, Outbox, Phase, Progress, Snapshot
from app.ui.theme import GRID, theme, ui_font
from app.ui.through_menus import ThroughMenus
from app.ui.widgets import label, shown

__all__ = ["StateDot", "TopBar", "outbox_text", "progress_text"]

_NAMES = {
    Phase.EMPTY: "no model",
    Phase.LOADING: "loading",
    Phase.PARTIAL: "partly ready",
    Phase.READY: "ready",
    Phase.FAILED: "failed",
    Phase.OFFLINE: "offline",
}
_LANGUAGE = {**_NAMES, Phase.EMPTY: "not started", Phase.PARTIAL: "starting again"}


def progress_text(progress: Progress) -> str:
    """Return such as ``312 of 1,482 decided · 41 an hour · median 4.1 s``."""
    parts = [f"{progress.decided:,} of {progress.total:,} decided"]
    if progress.per_hour is not None:
        parts.append(f"{progress.per_hour:,.0f} an hour")
    if progress.median_seconds is not None:
        parts.append(f"median {progress.median_seconds:.1f} s")
    return "   ·   ".join(parts)


def outbox_text(outbox: Outbox) -> str:
    """Return how many edits wait, and what went wrong if anything did."""
    parts = [f"outbox {outbox.waiting}"]
    if outbox.committed:
        parts.append(f"{outbox.committed} applied")
    for count, word in (
        (outbox.conflict, "in conflict"),
        (outbox.failed, "failed"),
        (outbox.unknown, "unknown"),
    ):
        if count:
            parts.append(f"{count} {word}")
    return " · ".join(parts)


class StateDot(QWidget):
    """A state as a shape: full, half, hollow, crossed."""

    def __init__(self) -> None:
        super().__init__()
        self._phase = Phase.EMPTY
        self.setFixedSize(QSize(12, 12))

    def show_phase(self, phase: Phase) -> None:
        """Show a state."""
        if phase is not self._phase:
            self._phase = phase
            self.setAccessibleName(_NAMES[phase])
            self.update()

    def paintEvent(self, a0: QPaintEvent | None) -> None:  # noqa: N802, ARG002
        """Paint the dot."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        failed = self._phase is Phase.FAILED
        color = QColor(theme().error if failed else theme().text)
        painter.setPen(color)
        box = QRectF(1.5, 1.5, 9, 9)
        painter.setBrush(color if self._phase is Phase.READY else Qt.BrushStyle.NoBrush)
        painter.drawEllipse(box)
        if self._phase in (Phase.LOADING, Phase.PARTIAL):
            painter.setBrush(color)
            painter.drawPie(box, 90 * 16, -180 * 16)
        elif failed:
            painter.drawLine(3, 3, 9, 9)
            painter.drawLine(3, 9, 9, 3)
        painter.end()


class TopBar(QFrame):
    """Session, progress, outbox and judge in one line, and what is looked through.

    Parameters
    ----------
    through : callable
        Makes the menus of lanes and orders, given their parent.
    """

    def __init__(self, through: Callable[[QWidget], ThroughMenus]) -> None:
        super().__init__()
        self.setObjectName("topBar")
        self.setFixedHeight(5 * GRID)
        self.place = label()
        self.place.setFont(ui_font(bold=True))
        self.session = label("", "dim")
        self.progress = label()
        self.outbox = label()
        self.judge = label("", "dim")
        self.dot = StateDot()
        self.language = label("", "dim")
        self.language_dot = StateDot()
        self.through = through(self)
        line = QHBoxLayout(self)
        line.setContentsMargins(2 * GRID, 0, 2 * GRID, 0)
        line.setSpacing(2 * GRID)
        line.addWidget(self.place)
        line.addWidget(self.session)
        line.addStretch(1)
        line.addWidget(self.progress)
        line.addStretch(1)
        line.addWidget(self.outbox)
        line.addSpacing(GRID)
        line.addWidget(self.judge)
        line.addWidget(self.dot)
        line.addWidget(self.language)
        line.addWidget(self.language_dot)
        line.addWidget(self.through.lane_button)
        line.addWidget(self.through.order_button)

    def show_snapshot(self, snapshot: Snapshot) -> None:
        """Show where things stand."""
        self.place.setText(snapshot.datastack_name)
        self.session.setText(snapshot.session_name)
        self.progress.setText(progress_text(snapshot.progress))
        self.outbox.setText(outbox_text(snapshot.outbox))
        self._show_judge(snapshot.judge)
        self.through.show_through(snapshot.through)
        self._show_language(snapshot.language)

    def _show_judge(self, judge: JudgeStatus) -> None:
        words = [word for word in (judge.model or "judge", judge.provider) if word]
        if judge.phase is not Phase.READY:
            words.append(_NAMES[judge.phase])
        self.judge.setText(" · ".join(words))
        self.judge.setToolTip(judge.text)
        self.dot.show_phase(judge.phase)
        self.dot.setToolTip(judge.text or _NAMES[judge.phase])

    def _show_language(self, status: LanguageStatus | None) -> None:
        for part in (self.language, self.language_dot):
            shown(part, when=status is not None)
        if status is None:
            return
        words = [word for word in (status.model or "language model", status.provider) if word]
        if status.phase is not Phase.READY:
            words.append(_LANGUAGE[status.phase])
        elif status.site_id:
            words.append("thinking")
        self.language.setText(" · ".join(words))
        self.language.setToolTip(status.text)
        self.language_dot.show_phase(status.phase)
        self.language_dot.setToolTip(status.text or _NAMES[status.phase])
