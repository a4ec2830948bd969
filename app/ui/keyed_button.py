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
        self._word = QLabel(word)
        self._cap = keycap(key)
        self._word.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        line = QHBoxLayout(self)
        line.setContentsMargins(GRID // 2, 0, GRID, 0)
        line.setSpacing(GRID - 2)
        line.addWidget(self._cap)
        line.addWidget(self._word)
        self.clicked.connect(lambda _checked: action())
        self.show_key(key)

    def show_word(self, word: str) -> None:
        """Say in other words what it does."""
        if word != self.word:
            self._word.setText(word)
            self.show_key(self._cap.text())

    def show_key(self, key: str) -> None:
        """Show another key; none at all if it has none."""
        self._cap.setText(key)
        self._cap.setVisible(bool(key))
        self.setAccessibleName(f"{self.word}, key {key}" if key else self.word)
        layout = self.layout()
        assert layout is not None
        self.setMinimumSize(layout.sizeHint().width(), 32)

    def press(self) -> None:
        """Do what a click does; nothing while it is hidden or disabled."""
        if self.isVisible():
            self.click()

    @property
    def key(self) -> str:
        """The key that does the same; empty without one."""
        return self._cap.text()

    @property
    def word(self) -> str:
        """What it does."""
        return self._word.text()
