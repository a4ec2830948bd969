"""What stands in the way, as a sentence with its remedy, and a retry where one helps."""

from __future__ import annotations

from collections.abc import Callable

from PyQt6.QtWidgets import QFrame, QHBoxLayout, QVBoxLayout

from app.ui.keyed_button import KeyedButton
from app.ui.theme import GRID
from app.ui.widgets import label, set_tone, shown

__all__ = ["Banner"]


class Banner(QFrame):
    """A line across a dialog; hidden while there is nothing to say."""

    def __init__(self, word: str, key: str, action: Callable[[], object]) -> None:
        super().__init__()
        self.setObjectName("banner")
        self.text = label("", wrap=True)
        self.remedy = label("", "dim", wrap=True)
        self.retry = KeyedButton(word, key, action)
        words = QVBoxLayout()
        words.setSpacing(GRID // 2)
        words.addWidget(self.text)
        words.addWidget(self.remedy)
        line = QHBoxLayout(self)
        line.setContentsMargins(2 * GRID, GRID, GRID, GRID)
        line.setSpacing(GRID)
        line.addLayout(words, 1)
        line.addWidget(self.retry)
        self.hide()

    def say(self, text: str, remedy: str = "", *, error: bool = False, retry: bool = False) -> None:
        """Show a sentence; an empty one hides the banner."""
        set_tone(self.text, "error" if error else "")
        self.text.setText(text)
        self.remedy.setText(remedy)
        shown(self.remedy, when=bool(remedy))
        shown(self.retry, when=retry)
        shown(self, when=bool(text))
