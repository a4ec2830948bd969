"""What a person prefers: appearance, keys, and what the queue keeps back."""

from __future__ import annotations

from collections.abc import Callable

from PyQt6.QtCore import Qt
from PyQt6.QtGui import QKeySequence
from PyQt6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QDoubleSpinBox,
    QFormLayout,
    QGridLayout,
    QHBoxLayout,
    QKeySequenceEdit,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from app.services.actions import ACTIONS
from app.services.preferences import KeyPair, Preferences, keys_of
from app.ui.keys import plain_key
from app.ui.theme import GRID
from app.ui.widgets import label, set_tone, shown, title
from connectome.errors import ProofdeskError

__all__ = ["SettingsDialog"]

_HEIGHT = 44 * GRID
_KEY_WIDTH = 14 * GRID


class _KeyField(QWidget):
    """One key: press it to change it, or clear it."""

    def __init__(self, key: str, name: str) -> None:
        super().__init__()
        self.field = QKeySequenceEdit(QKeySequence(key))
        # One key is an action here, not a sequence of up to four.
        self.field.setMaximumSequenceLength(1)
        self.field.setClearButtonEnabled(True)
        self.field.setFixedWidth(_KEY_WIDTH)
        self.field.setAccessibleName(name)
        line = QHBoxLayout(self)
        line.setContentsMargins(0, 0, 0, 0)
        line.addWidget(self.field)

    @property
    def key(self) -> str:
        """The key in Qt's notation, or nothing."""
        return plain_key(self.field.keySequence().toString())

    def choose(self, key: str) -> None:
        """Show a key."""
        self.field.setKeySequence(QKeySequence(key))


class SettingsDialog(QDialog):
    """Shows preferences and hands the changed ones over.

    Parameters
    ----------
    preferences : Preferences
        What holds now.
    accept : callable
        Takes the changed ones and keeps them; its `ProofdeskError` is shown here.
    parent : QWidget
        The window.
    """

    def __init__(
        self, preferences: Preferences, accept: Callable[[Preferences], object], parent: QWidget
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Settings")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._before = preferences
        self._keep = accept
        self.keys: dict[str, tuple[_KeyField, _KeyField]] = {}
        self.problem = label("", "error", wrap=True)
        column = QVBoxLayout(self)
        column.setContentsMargins(3 * GRID, 2 * GRID, 3 * GRID, 2 * GRID)
        column.setSpacing(2 * GRID)
        column.addLayout(self._general())
        column.addWidget(title("Keys"))
        column.addWidget(self._key_table())
        column.addWidget(self.problem)
        column.addWidget(self._buttons())
        shown(self.problem, when=False)

    def _general(self) -> QFormLayout:
        self.appearance = QComboBox()
        self.appearance.addItems(["dark", "light"])
        self.appearance.setCurrentText(self._before.appearance)
        self.hide_below = QDoubleSpinBox()
        self.hide_below.setRange(0, 1)
        self.hide_below.setDecimals(3)
        self.hide_below.setSingleStep(0.01)
        self.hide_below.setValue(self._before.hide_below)
        self.breaks = QCheckBox("once, near 300 decisions")
        self.breaks.setChecked(self._before.suggest_breaks)
        self.second_look = QCheckBox("once for a site, where a sure judge contradicts")
        self.second_look.setChecked(self._before.second_look)
        form = QFormLayout()
        form.setSpacing(GRID)
        form.addRow("Appearance", self.appearance)
        form.addRow("Do not show sites less probable than", self.hide_below)
        form.addRow("Suggest a break", self.breaks)
        form.addRow("Ask for an answer twice", self.second_look)
        return form

    def _key_table(self) -> QScrollArea:
        inside = QWidget()
        grid = QGridLayout(inside)
        grid.setSpacing(GRID)
        for column, words in enumerate(("", "left hand", "right hand")):
            grid.addWidget(label(words, "faint"), 0, column)
        for row, action in enumerate(ACTIONS, 1):
            pair = keys_of(action.name, self._before)
            fields = (
                _KeyField(pair.left, f"{action.label}, left hand"),
                _KeyField(pair.right, f"{action.label}, right hand"),
            )
            self.keys[action.name] = fields
            grid.addWidget(label(action.label), row, 0)
            grid.addWidget(fields[0], row, 1)
            grid.addWidget(fields[1], row, 2)
        grid.setColumnStretch(0, 1)
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setWidget(inside)
        area.setMinimumHeight(_HEIGHT)
        return area

    def _buttons(self) -> QDialogButtonBox:
        kinds = QDialogButtonBox.StandardButton
        box = QDialogButtonBox(kinds.Save | kinds.Cancel)
        defaults = QPushButton("Default keys")
        defaults.clicked.connect(lambda _checked: self._default_keys())
        box.addButton(defaults, QDialogButtonBox.ButtonRole.ResetRole)
        box.accepted.connect(self._save)
        box.rejected.connect(self.reject)
        return box

    def _default_keys(self) -> None:
        for action in ACTIONS:
            left, right = self.keys[action.name]
            left.choose(action.left)
            right.choose(action.right)

    def chosen(self) -> Preferences:
        """Return what the dialog shows.

        Raises
        ------
        InputError
            If two actions have one key.
        """
        keys = {
            action.name: KeyPair(left=left.key, right=right.key)
            for action in ACTIONS
            for left, right in (self.keys[action.name],)
            if (left.key, right.key) != (action.left, action.right)
        }
        return self._before.changed(
            keys=keys,
            appearance=self.appearance.currentText(),
            hide_below=round(self.hide_below.value(), 3),
            suggest_breaks=self.breaks.isChecked(),
            second_look=self.second_look.isChecked(),
        )

    def _save(self) -> None:
        try:
            self._keep(self.chosen())
        except ProofdeskError as error:
            set_tone(self.problem, "error")
            self.problem.setText(f"{error.message} {error.hint}")
            shown(self.problem, when=True)
            return
        self.accept()
