"""Every key on one card, opened with ``?``."""

from __future__ import annotations

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QGridLayout, QLabel, QVBoxLayout, QWidget

from app.services.actions import ACTIONS, Action
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
    "help": "this card; Esc closes it",
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
        grid = QGridLayout()
        grid.setHorizontalSpacing(2 * GRID)
        grid.setVerticalSpacing(GRID)
        grid.addWidget(label("left hand", "faint"), 0, 0)
        grid.addWidget(label("right hand", "faint"), 0, 1)
        partners = [action for action in ACTIONS if action.name.startswith("partner")]
        for action in ACTIONS:
            if action not in partners:
                _add_row(grid, action)
        _add_line(grid, "1 – 4", "", "choose partner", "ask about another candidate")
        column = QVBoxLayout(self.card)
        column.setContentsMargins(3 * GRID, 2 * GRID, 3 * GRID, 3 * GRID)
        column.setSpacing(2 * GRID)
        column.addWidget(heading)
        column.addLayout(grid)
        column.addWidget(
            label("Keys work wherever the focus is, except while text is typed.", "dim")
        )


def _add_row(grid: QGridLayout, action: Action) -> None:
    meaning = _MEANINGS.get(action.name, "")
    _add_line(grid, action.left, action.right, action.label, meaning)


def _add_line(grid: QGridLayout, left: str, right: str, words: str, meaning: str) -> None:
    row = grid.rowCount()
    for column, key in ((0, left), (1, right)):
        if key:
            grid.addWidget(keycap(key), row, column, alignment=Qt.AlignmentFlag.AlignLeft)
    grid.addWidget(label(words), row, 2)
    grid.addWidget(label(meaning, "dim"), row, 3)
