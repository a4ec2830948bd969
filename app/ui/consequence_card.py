"""What a merge would do, over the viewer while the two are shown as one."""

from __future__ import annotations

from PyQt6.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QWidget

from app.services.consequence import Consequence, PairFacts
from app.services.model import Phase
from app.ui.keyed_button import KeyedButton
from app.ui.split_card import volume_words
from app.ui.theme import GRID, ui_font
from app.ui.top_card import TopCard
from app.ui.widgets import label, set_tone, shown, title

__all__ = ["ConsequenceCard", "lines_of"]

_WIDTH = 66 * GRID
_NM2_PER_UM2 = 1e6
_FACES = 6
WORDS = ("volume", "tips closed", "cell bodies", "faces of the volume", "they touch on")


def lines_of(told: Consequence) -> list[tuple[str, str]]:
    """Return what is known of a merge as words and values."""
    facts = told.facts
    tips = "none that was found" if not told.tips_closed else f"{told.tips_closed}"
    area = told.contact_area_nm2
    touch = f"{area / _NM2_PER_UM2:.3f} µm²" if area > 0 else ""
    values = (_volume(facts), tips, _somata(facts), _faces(facts), touch)
    return [(word, value) for word, value in zip(WORDS, values, strict=True) if value]


def _volume(facts: PairFacts) -> str:
    a, b = facts.volumes_nm3
    if a is None or b is None:
        return ""
    moved, kept = sorted((a, b))
    share = f", {moved / kept:.1%} of the larger" if kept else ""
    return f"{volume_words(a)} + {volume_words(b)}: {volume_words(moved)} joins{share}"


def _somata(facts: PairFacts) -> str:
    a, b = facts.somata
    return "" if a is None or b is None else f"{a} + {b} = {a + b}"


def _faces(facts: PairFacts) -> str:
    a, b = facts.faces
    if a is None or b is None:
        return ""
    new = sorted((a | b) - a)
    return f"{len(a | b)} of {_FACES}" + (f", {' '.join(new)} by B" if new else "")


class ConsequenceCard(TopCard):
    """Lies at the top of its parent while the after-view is shown."""

    def __init__(self, parent: QWidget, leave: KeyedButton) -> None:
        super().__init__(parent, _WIDTH)
        self._told: Consequence | None = None
        self.leave = leave
        self.text = label("A and B as one object: nothing has been changed.", wrap=True)
        self.text.setFont(ui_font(bold=True))
        self.warning = label("", "error", wrap=True)
        self.grid = QGridLayout()
        self.grid.setHorizontalSpacing(2 * GRID)
        self.grid.setVerticalSpacing(GRID // 2)
        self.grid.setColumnStretch(1, 1)
        head = QHBoxLayout()
        head.addWidget(title("AFTER THE MERGE"))
        head.addStretch(1)
        head.addWidget(leave)
        column = self.column(head)
        column.addWidget(self.text)
        column.addLayout(self.grid)
        column.addWidget(self.warning)
        self._lines = {word: self._line(row, word) for row, word in enumerate(WORDS)}

    def _line(self, row: int, word: str) -> tuple[QLabel, QLabel]:
        name, value = label(word, "dim"), label("", wrap=True)
        self.grid.addWidget(name, row, 0)
        self.grid.addWidget(value, row, 1)
        return name, value

    def show_consequence(self, told: Consequence | None) -> None:
        """Show what a merge would do, or nothing."""
        if told == self._told:
            return
        self._told = told
        if told is None:
            self.hide()
            return
        self._fill(lines_of(told))
        waiting = told.phase is Phase.LOADING
        set_tone(self.warning, "dim" if waiting else "error")
        warnings = " ".join(told.facts.warnings)
        self.warning.setText("Measuring…" if waiting else warnings)
        shown(self.warning, when=waiting or bool(warnings))
        self.open()

    def _fill(self, lines: list[tuple[str, str]]) -> None:
        known = dict(lines)
        for word, (name, value) in self._lines.items():
            value.setText(known.get(word, ""))
            for part in (name, value):
                shown(part, when=word in known)

    def value(self, word: str) -> str:
        """Return what is told under a word; empty if nothing is."""
        return self._lines[word][1].text()
