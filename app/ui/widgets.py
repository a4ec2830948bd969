"""The small parts that every panel is made of."""

from __future__ import annotations

from collections.abc import Callable

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QFrame, QLabel, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from app.ui.theme import GRID, ui_font

__all__ = [
    "Message",
    "button",
    "chip",
    "label",
    "rule",
    "set_tone",
    "short_id",
    "shown",
    "tail_id",
    "title",
]


def label(text: str = "", tone: str = "", *, wrap: bool = False) -> QLabel:
    """Return a line of text; `tone` is ``dim``, ``faint``, ``error`` or nothing."""
    made = QLabel(text)
    made.setTextFormat(Qt.TextFormat.PlainText)
    made.setWordWrap(wrap)
    if tone:
        made.setProperty("tone", tone)
    return made


def set_tone(made: QLabel, tone: str) -> None:
    """Change the tone of a line of text."""
    if made.property("tone") != tone:
        made.setProperty("tone", tone)
        # The style sheet looks at properties only when told to.
        if (style := made.style()) is not None:
            style.polish(made)


def title(text: str) -> QLabel:
    """Return the quiet heading of a panel."""
    made = label(text, "faint")
    made.setFont(ui_font(bold=True))
    return made


def chip(letter: str) -> QLabel:
    """Return the letter A or B on its colour."""
    made = QLabel(letter)
    made.setProperty("chip", letter)
    made.setAlignment(Qt.AlignmentFlag.AlignCenter)
    made.setFixedSize(20, 18)
    return made


def button(text: str, action: Callable[[], object], *, kind: str = "") -> QPushButton:
    """Return a button that never takes the focus away; `kind` is ``quiet`` or ``primary``."""
    made = QPushButton(text)
    made.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    made.clicked.connect(lambda _checked: action())
    if kind:
        made.setProperty(kind, "true")
    return made


def rule() -> QFrame:
    """Return a hairline."""
    made = QFrame()
    made.setObjectName("rule")
    made.setFixedHeight(1)
    return made


def short_id(value: int | None) -> str:
    """Return an id as its first and last four digits: ids of one data set start alike."""
    if value is None:
        return "–"
    text = str(value)
    return text if len(text) <= 9 else f"{text[:4]}…{text[-4:]}"


def tail_id(value: int | None) -> str:
    """Return an id's last five digits, for narrow columns."""
    if value is None:
        return "–"
    text = str(value)
    return text if len(text) <= 6 else f"…{text[-5:]}"


def shown(widget: QWidget, *, when: bool) -> None:
    """Show or hide, without work where nothing changes."""
    if widget.isHidden() == when:
        widget.setVisible(when)


class Message(QWidget):
    """A sentence in the place of content, with the one thing to do next."""

    def __init__(self) -> None:
        super().__init__()
        self._text = label(wrap=True)
        self._hint = label("", "dim", wrap=True)
        for part in (self._text, self._hint):
            part.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._action: Callable[[], object] = lambda: None
        self.button = button("", self._act)
        self.button.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        column = QVBoxLayout(self)
        column.setContentsMargins(3 * GRID, 2 * GRID, 3 * GRID, 2 * GRID)
        column.setSpacing(GRID)
        column.addStretch(1)
        column.addWidget(self._text)
        column.addWidget(self._hint)
        column.addWidget(self.button, alignment=Qt.AlignmentFlag.AlignHCenter)
        column.addStretch(1)

    def say(
        self,
        text: str,
        hint: str = "",
        *,
        error: bool = False,
        action: tuple[str, Callable[[], object]] | None = None,
    ) -> None:
        """Show a sentence, a remedy and a button."""
        set_tone(self._text, "error" if error else "")
        self._text.setText(text)
        self._hint.setText(hint)
        shown(self._hint, when=bool(hint))
        shown(self.button, when=action is not None)
        if action is not None:
            self.button.setText(action[0])
            self._action = action[1]

    def _act(self) -> None:
        self._action()

    @property
    def text(self) -> str:
        """The sentence on the screen."""
        return self._text.text()
