"""Notices in the corner: a sentence, a remedy, and a way to put them away."""

from __future__ import annotations

from collections.abc import Callable

from PyQt6.QtCore import QEvent, QObject, Qt, QTimer
from PyQt6.QtWidgets import QFrame, QHBoxLayout, QVBoxLayout, QWidget

from app.services.model import Level, Notice
from app.ui.theme import GRID, ui_font
from app.ui.widgets import button, label

__all__ = ["Toast", "Toasts"]

_SECONDS = 6
_WIDTH = 42 * GRID
_MOST = 3


class Toast(QFrame):
    """One notice. Information goes by itself; warnings and errors wait for the person."""

    def __init__(self, notice: Notice, dismiss: Callable[[Notice], None]) -> None:
        super().__init__()
        self.notice = notice
        self.setObjectName("toast")
        self.setProperty("level", notice.level.value)
        self.setFixedWidth(_WIDTH)
        text = label(notice.text, "error" if notice.level is Level.ERROR else "", wrap=True)
        text.setFont(ui_font(bold=True))
        words = QVBoxLayout()
        words.setSpacing(GRID // 2)
        words.addWidget(text)
        if notice.remedy:
            words.addWidget(label(notice.remedy, "dim", wrap=True))
        close = button("dismiss", lambda: dismiss(notice), kind="quiet")
        line = QHBoxLayout(self)
        line.setContentsMargins(2 * GRID, GRID, GRID // 2, GRID)
        line.addLayout(words, 1)
        line.addWidget(close, alignment=Qt.AlignmentFlag.AlignTop)
        self.timer = QTimer(self)
        self.timer.setSingleShot(True)
        self.timer.timeout.connect(lambda: dismiss(notice))
        if notice.level is Level.INFO:
            self.timer.start(_SECONDS * 1000)


class Toasts(QWidget):
    """The newest notices, above the lower right corner of what they cover."""

    def __init__(self, parent: QWidget, dismiss: Callable[[Notice], None]) -> None:
        super().__init__(parent)
        self._dismiss = dismiss
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(GRID)
        self.toasts: list[Toast] = []
        parent.installEventFilter(self)
        self.hide()

    def show_notices(self, notices: tuple[Notice, ...]) -> None:
        """Show these notices and no others, the newest at the bottom."""
        wanted = notices[-_MOST:]
        # By identity: an equal notice that came anew is another one to put away.
        old = [t for t in self.toasts if not any(t.notice is n for n in wanted)]
        for toast in old:
            self.toasts.remove(toast)
            self._column.removeWidget(toast)
            toast.hide()
            toast.deleteLater()
        for notice in wanted:
            if not any(toast.notice is notice for toast in self.toasts):
                toast = Toast(notice, self._dismiss)
                self.toasts.append(toast)
                self._column.addWidget(toast)
        self.setVisible(bool(self.toasts))
        self._place()

    def eventFilter(self, a0: QObject | None, a1: QEvent | None) -> bool:  # noqa: N802
        """Follow the parent's size."""
        if a0 is self.parentWidget() and a1 is not None and a1.type() == QEvent.Type.Resize:
            self._place()
        return False

    def _place(self) -> None:
        parent = self.parentWidget()
        if parent is None or not self.toasts:
            return
        height = sum(t.heightForWidth(_WIDTH) for t in self.toasts) + GRID * (len(self.toasts) - 1)
        self.setGeometry(
            parent.width() - _WIDTH - 2 * GRID, parent.height() - height - 2 * GRID, _WIDTH, height
        )
        self.raise_()
