"""Every key on one card, opened with ``?``."""

from __future__ import annotations

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QGridLayout, QLabel, QVBoxLayout, QWidget

from app.services.actions import ACTIONS
from app.services.preferences import Preferences, keys_of
from app.ui.overlay import Overlay
from app.ui.theme import GRID, question_font
from app.ui.widgets import label

__all__ = ["HelpOverlay", "keycap"]

_MEANINGS = {
    "accept": "yes: it becomes an edit in the outbox",
    "reject": "no: nothing is changed",
    "unsure": "it cannot be told from this",
    "later": "come back to this point",
    "skip": "not to be answered here",
    "undo": "take the last answer back",
    "redo": "give it again",
    "next": "go on without answering",
    "previous": "go back without answering",
    "point": "where the mouse is",
    "other_point": "the other side of the cut",
    "unpoint": "the newest one",
    "preview": "both sides in colours",
    "cut": "as it was previewed",
    "after": "of a merge, or of a previewed cut",
    "map": "all sites; a click goes there",
    "tint": "where every site is answered",
    "layout": "slices and 3-D, 3-D alone, four panels",
    "filter": "find sites; Esc leaves the line",
    "improbable": "what is hidden; again hides it",
    "help": "this card; Esc closes it",
    "palette": "every command by its words",
    "settings": "appearance, keys, what the queue hides",
}


_Line = tuple[str, str, str, str]
_COLUMNS = 5
"""Of one half of the card: two keys, words, meaning, and a gap."""


def keycap(text: str) -> QLabel:
    """Return a key as it looks on a keyboard."""
    made = QLabel(text)
    made.setAlignment(Qt.AlignmentFlag.AlignCenter)
    made.setMinimumWidth(22)
    made.setFixedHeight(22)
    made.setObjectName("keycap")
    made.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
    return made


class HelpOverlay(Overlay):
    """The keys of both hands and what they do."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        heading = label("Keys")
        heading.setFont(question_font())
        self._keys = QWidget()
        self._column = QVBoxLayout(self.card)
        self._column.setContentsMargins(3 * GRID, 2 * GRID, 3 * GRID, 3 * GRID)
        self._column.setSpacing(2 * GRID)
        self._column.addWidget(heading)
        self._column.addWidget(self._keys)
        self._column.addWidget(
            label("Keys work wherever the focus is, except while text is typed.", "dim")
        )
        self.show_keys(Preferences())

    def show_keys(self, preferences: Preferences) -> None:
        """Show the keys that are bound."""
        made = _table(preferences)
        self._column.replaceWidget(self._keys, made)
        self._keys.hide()
        self._keys.deleteLater()
        self._keys = made


def _table(preferences: Preferences) -> QWidget:
    made = QWidget()
    grid = QGridLayout(made)
    grid.setContentsMargins(0, 0, 0, 0)
    grid.setHorizontalSpacing(2 * GRID)
    grid.setVerticalSpacing(GRID)
    lines = _lines(preferences)
    half = (len(lines) + 1) // 2
    for number, line in enumerate(lines):
        side, row = divmod(number, half)
        if row == 0:
            for column, hand in enumerate(("left hand", "right hand")):
                grid.addWidget(label(hand, "faint"), 0, side * _COLUMNS + column)
        _add_line(grid, row + 1, side * _COLUMNS, line)
    grid.setColumnMinimumWidth(_COLUMNS - 1, 3 * GRID)
    return made


def _lines(preferences: Preferences) -> list[_Line]:
    """Return left and right key, words and meaning of every action; partners in one line."""
    partners = [action for action in ACTIONS if action.name.startswith("partner")]
    first, last = (keys_of(each.name, preferences) for each in (partners[0], partners[-1]))
    choose = f"{first.left} – {last.left}"
    found: list[_Line] = [(choose, "", "choose partner", "ask about another candidate")]
    for action in ACTIONS:
        if action not in partners:
            keys = keys_of(action.name, preferences)
            meaning = _MEANINGS.get(action.name, "")
            found.insert(len(found) - 1, (keys.left, keys.right, action.label, meaning))
    return found


def _add_line(grid: QGridLayout, row: int, first: int, line: _Line) -> None:
    left, right, words, meaning = line
    for column, key in ((first, left), (first + 1, right)):
        if key:
            grid.addWidget(keycap(key), row, column, alignment=Qt.AlignmentFlag.AlignLeft)
    grid.addWidget(label(words), row, first + 2)
    grid.addWidget(label(meaning, "dim"), row, first + 3)
