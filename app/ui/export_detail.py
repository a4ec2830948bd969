"""The chosen edits in full, and what the person can decide about them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from PyQt6.QtCore import pyqtSignal
from PyQt6.QtWidgets import QFrame, QHBoxLayout, QVBoxLayout

from app.services.model import PlannedEdit, SecondLook
from app.ui.export_words import common_actions, confirm_text
from app.ui.keyed_button import KeyedButton
from app.ui.shortcuts import on_key
from app.ui.theme import GRID, ui_font
from app.ui.widgets import label, shown

__all__ = ["EditDetail"]

_KEYS = {
    SecondLook.APPROVE: ("Approve again", "A"),
    SecondLook.OVERRIDE: ("Override", "O"),
    SecondLook.RETRY: ("Try again", "T"),
    SecondLook.DROP: ("Drop", "D"),
}


class EditDetail(QFrame):
    """Words and actions for what is chosen; an override asks once."""

    look = pyqtSignal(object)
    """Go to the site of this edit."""
    decided = pyqtSignal(object, object)
    """A `SecondLook`, and the edits it is about."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("detail")
        self._edits: list[PlannedEdit] = []
        self._person = ""
        self._enabled = True
        self.asking = False
        self.text = label("", wrap=True)
        self.text.setFont(ui_font(bold=True))
        self.outcome = label("", "dim", wrap=True)
        self.changes = label("", "dim", wrap=True)
        self.question = label("", wrap=True)
        self.buttons = {
            action: self._button(word, key, partial(self.decide, action))
            for action, (word, key) in _KEYS.items()
        }
        self.look_button = self._button("Look", "L", self._look)
        self.yes = self._button("Override", "Y", self._confirmed)
        self.no = self._button("Leave it held", "N", self.stop_asking)
        self._build()

    def _build(self) -> None:
        line = QHBoxLayout()
        line.setSpacing(GRID // 2)
        for part in (self.look_button, *self.buttons.values(), self.yes, self.no):
            line.addWidget(part)
        line.addStretch(1)
        column = QVBoxLayout(self)
        column.setContentsMargins(2 * GRID, GRID, 2 * GRID, GRID)
        column.setSpacing(GRID // 2)
        for words in (self.text, self.outcome, self.changes, self.question):
            column.addWidget(words)
        column.addStretch(1)
        column.addLayout(line)
        self.setMinimumHeight(15 * GRID)

    def _button(self, word: str, key: str, action: Callable[[], object]) -> KeyedButton:
        made = KeyedButton(word, key, action)
        on_key(self, key, made.press)
        return made

    def show_edits(self, edits: Sequence[PlannedEdit], person: str, *, enabled: bool) -> None:
        """Show what is chosen; with nothing chosen, or several, only what they share."""
        if [edit.edit_id for edit in edits] != [edit.edit_id for edit in self._edits]:
            self.asking = False
        self._edits, self._person, self._enabled = list(edits), person, enabled
        self._redraw()

    def decide(self, action: SecondLook) -> None:
        """Take a decision about what is chosen; ask first where a warning is set aside."""
        if action is SecondLook.OVERRIDE and not self.asking:
            self.asking = True
            self._redraw()
            return
        self.asking = False
        self.decided.emit(action, list(self._edits))

    def stop_asking(self) -> None:
        """Leave the warning where it is."""
        self.asking = False
        self._redraw()

    def _confirmed(self) -> None:
        self.decide(SecondLook.OVERRIDE)

    def _look(self) -> None:
        if len(self._edits) == 1:
            self.look.emit(self._edits[0])

    def _redraw(self) -> None:
        one = self._edits[0] if len(self._edits) == 1 else None
        many = f"{len(self._edits)} edits" if self._edits else ""
        self.text.setText(one.text if one else many)
        self.outcome.setText(one.outcome if one else "")
        self.changes.setText(one.changes if one else "")
        shown(self.changes, when=bool(one and one.changes))
        self.question.setText(confirm_text(self._edits, self._person) if self.asking else "")
        shown(self.question, when=self.asking)
        possible = common_actions(self._edits)
        for action, made in self.buttons.items():
            shown(made, when=action in possible and not self.asking)
            made.setEnabled(self._enabled)
        shown(self.look_button, when=one is not None and not self.asking)
        for made in (self.yes, self.no):
            shown(made, when=self.asking)
            made.setEnabled(self._enabled)
