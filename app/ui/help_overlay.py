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
    "unsure": "cannot be told from what is shown",
    "later": "come back to this point",
    "skip": "not a question that can be answered",
    "undo": "take the last answer back",
    "redo": "give it again",
    "next": "go on without answering",
    "previous": "go back without answering",
    "layout": "slices and 3-D, 3-D alone, four panels",
    "filter": "find sites; Esc leaves the line",
    "improbable": "sites that are hidden as improbable, too; again hides them",
    "help": "this card; Esc closes it",
    "palette": "every command by its words",
    "settings": "appearance, keys, what the queue hides",
}


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
    grid.addWidget(label("left hand", "faint"), 0, 0)
    grid.addWidget(label("right hand", "faint"), 0, 1)
    partners = [action for action in ACTIONS if action.name.startswith("partner")]
    for action in ACTIONS:
        if action not in partners:
            keys = keys_of(action.name, preferences)
            _add_line(grid, keys.left, keys.right, action.label, _MEANINGS.get(action.name, ""))
    first, last = (keys_of(each.name, preferences) for each in (partners[0], partners[-1]))
    choose = f"{first.left} – {last.left}"
    _add_line(grid, choose, "", "choose partner", "ask about another candidate")
    return made


def _add_line(grid: QGridLayout, left: str, right: str, words: str, meaning: str) -> None:
    row = grid.rowCount()
    for column, key in ((0, left), (1, right)):
        if key:
            grid.addWidget(keycap(key), row, column, alignment=Qt.AlignmentFlag.AlignLeft)
    grid.addWidget(label(words), row, 2)
    grid.addWidget(label(meaning, "dim"), row, 3)
