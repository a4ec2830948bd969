"""A person's words for the language model: what tissue this is, and what to weigh."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import (
    QCheckBox,
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QLineEdit,
    QVBoxLayout,
    QWidget,
)

from app.ui.theme import GRID
from app.ui.widgets import label, set_tone, shown
from connectome.errors import ProofdeskError

__all__ = ["WordsDialog"]

_WIDTH = 56 * GRID
_LONGEST = 300
_FIELDS = (
    ("region", "Brain region", "such as: hippocampus, CA1"),
    ("cell_type", "Cell type", "such as: pyramidal cell, apical dendrite"),
    ("heuristic", "Weigh in particular", "such as: spines are thin and end in a head"),
)


class WordsDialog(QDialog):
    """Shows the words that hold now, and hands changed ones over.

    Parameters
    ----------
    words : mapping of str to str
        By slot, as `inference.prompts.slots` names them.
    use : callable
        Takes the changed ones; its `ProofdeskError` is shown here.
    parent : QWidget
        The window.
    """

    def __init__(
        self, words: Mapping[str, str], use: Callable[[dict[str, str]], object], parent: QWidget
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Words for the language model")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setMinimumWidth(_WIDTH)
        self._use = use
        self.fields = {name: self._field(words.get(name, ""), hint) for name, _, hint in _FIELDS}
        self.conservative = QCheckBox("Say yes only where it is sure")
        self.conservative.setChecked(bool(words.get("conservative")))
        self.problem = label("", "error", wrap=True)
        shown(self.problem, when=False)
        form = QFormLayout()
        form.setSpacing(GRID)
        for name, title, _ in _FIELDS:
            form.addRow(title, self.fields[name])
        form.addRow("Be conservative", self.conservative)
        column = QVBoxLayout(self)
        column.setContentsMargins(3 * GRID, 2 * GRID, 3 * GRID, 2 * GRID)
        column.setSpacing(2 * GRID)
        about = "Added to the question, from the next answer on. Earlier answers stay, marked."
        column.addWidget(label(about, "dim", wrap=True))
        column.addLayout(form)
        column.addWidget(self.problem)
        column.addWidget(self._buttons())

    def chosen(self) -> dict[str, str]:
        """Return what is filled in."""
        words = {name: field.text().strip() for name, field in self.fields.items()}
        words["conservative"] = "yes" if self.conservative.isChecked() else ""
        return {name: text for name, text in words.items() if text}

    def _field(self, text: str, hint: str) -> QLineEdit:
        field = QLineEdit(text)
        field.setPlaceholderText(hint)
        field.setMaxLength(_LONGEST)
        return field

    def _buttons(self) -> QDialogButtonBox:
        kinds = QDialogButtonBox.StandardButton
        box = QDialogButtonBox(kinds.Save | kinds.Cancel)
        box.accepted.connect(self._save)
        box.rejected.connect(self.reject)
        return box

    def _save(self) -> None:
        try:
            self._use(self.chosen())
        except ProofdeskError as error:
            set_tone(self.problem, "error")
            self.problem.setText(f"{error.message} {error.hint}".strip())
            shown(self.problem, when=True)
            return
        self.accept()
