"""A button that shows the key which does the same."""

from __future__ import annotations

from collections.abc import Callable

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QHBoxLayout, QLabel, QPushButton

from app.ui.help_overlay import keycap
from app.ui.theme import GRID

__all__ = ["KeyedButton"]


class KeyedButton(QPushButton):
    """A key cap with its word; it never takes the focus away."""

    def __init__(self, word: str, key: str, action: Callable[[], object]) -> None:
        super().__init__()
        self.setProperty("quiet", "true")
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setAutoDefault(False)
        self.setAccessibleName(f"{word}, key {key}")
        self._word = QLabel(word)
        self._word.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        line = QHBoxLayout(self)
        line.setContentsMargins(GRID // 2, 0, GRID, 0)
        line.setSpacing(GRID - 2)
        line.addWidget(keycap(key))
        line.addWidget(self._word)
        self.setMinimumSize(line.sizeHint().width(), 32)
        self.clicked.connect(lambda _checked: action())

    def press(self) -> None:
        """Do what a click does; nothing while it is hidden or disabled."""
        if self.isVisible():
            self.click()

    @property
    def word(self) -> str:
        """What it does."""
        return self._word.text()
