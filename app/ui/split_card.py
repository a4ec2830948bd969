"""The cut in the making, over the viewer: its points, what to do next, and what it would do."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from PyQt6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QWidget

from app.services.model import Phase
from app.services.splitting_model import CutPoint, CutSide, CutView
from app.ui.keyed_button import KeyedButton
from app.ui.theme import GRID, ui_font
from app.ui.top_card import TopCard
from app.ui.widgets import button, chip, label, set_tone, shown, title

__all__ = ["SplitCard", "volume_words"]

_WIDTH = 92 * GRID
_MOST = 6
_HINT = "E blue point · Shift+E orange point · Ctrl+drag moves one · Backspace takes the last away"
_NM3_PER_UM3 = 1e9
_CHIPS = {CutSide.SOURCE: "A", CutSide.SINK: "B"}


def volume_words(nm3: float) -> str:
    """Return a volume in µm³ with three figures that count."""
    um3 = nm3 / _NM3_PER_UM3
    if um3 >= 100:
        return f"{um3:,.0f} µm³"
    return f"{um3:.2f} µm³" if um3 >= 0.1 else f"{um3:.4f} µm³"


class PointRow(QWidget):
    """The points of one side, each a button that takes it away."""

    def __init__(self, letter: str, remove: Callable[[int], None]) -> None:
        super().__init__()
        self._numbers: list[int] = []
        self.buttons: list[QPushButton] = []
        line = QHBoxLayout(self)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(GRID // 2)
        line.addWidget(chip(letter))
        self.count = label("", "dim")
        for place in range(_MOST):
            made = button("", partial(self._remove, place, remove), kind="quiet")
            made.setToolTip("Take this point away")
            self.buttons.append(made)
            line.addWidget(made)
        line.addWidget(self.count)

    def _remove(self, place: int, remove: Callable[[int], None]) -> None:
        remove(self._numbers[place])

    def show_points(self, points: tuple[CutPoint, ...]) -> None:
        """Show the points of the side; more than fit are counted only."""
        self._numbers = [point.number for point in points]
        more = len(points) - _MOST
        self.count.setText("no point" if not points else f"and {more} more")
        shown(self.count, when=not points or more > 0)
        for place, made in enumerate(self.buttons):
            shown(made, when=place < len(points))
            if place < len(points):
                made.setText(f"{'!' if points[place].trouble else place + 1} ×")


class SplitCard(TopCard):
    """Lies at the top of its parent while a cut is being made.

    Parameters
    ----------
    perform : callable
        Does an action by name: ``preview``, ``cut``.
    leave : callable
        Goes back to the question.
    remove : callable
        Takes a point away by its number.
    """

    def __init__(
        self,
        parent: QWidget,
        perform: Callable[[str], None],
        *,
        leave: Callable[[], object],
        remove: Callable[[int], None],
    ) -> None:
        super().__init__(parent, _WIDTH)
        self._view: CutView | None = None
        self.rows = {side: PointRow(letter, remove) for side, letter in _CHIPS.items()}
        self.text = label("", wrap=True)
        self.text.setFont(ui_font(bold=True))
        self.remedy = label("", "dim", wrap=True)
        self.numbers = label("", "dim")
        self.what = title("CUT")
        self.aside = label("The cut is an answer of its own: the question here stays open.", "dim")
        self.preview = KeyedButton("preview", "P", lambda: perform("preview"))
        self.make = KeyedButton("make the cut", "Enter", lambda: perform("cut"))
        self.back = KeyedButton("leave", "Esc", leave)
        self._lay_out()

    def _lay_out(self) -> None:
        head = QHBoxLayout()
        head.setSpacing(2 * GRID)
        head.addWidget(self.what)
        for row in self.rows.values():
            head.addWidget(row)
        head.addStretch(1)
        for key in (self.preview, self.make, self.back):
            head.addWidget(key)
        column = self.column(head)
        for part in (self.text, self.remedy, self.numbers, self.aside, label(_HINT, "faint")):
            column.addWidget(part)

    def show_cut(self, view: CutView | None) -> None:
        """Show the cut at the site on the screen, or nothing."""
        if view == self._view:
            return
        self._view = view
        if view is None:
            self.hide()
            return
        for side, row in self.rows.items():
            row.show_points(view.on(side))
        self._say(view)
        self.preview.setEnabled(view.phase in (Phase.PARTIAL, Phase.FAILED, Phase.READY))
        self.make.setEnabled(view.phase is Phase.READY)
        self.open()

    def _say(self, view: CutView) -> None:
        self.what.setText(f"CUT {view.of}".rstrip())
        shown(self.aside, when=view.aside)
        set_tone(self.text, "error" if view.phase is Phase.FAILED else "")
        self.text.setText(view.text)
        _set(self.remedy, view.remedy)
        volumes = view.volumes_nm3
        told = "" if volumes is None else _numbers(*volumes, whole=view.whole)
        _set(self.numbers, told)


def _set(made: QLabel, text: str) -> None:
    made.setText(text)
    shown(made, when=bool(text))


def _numbers(one: float, two: float, *, whole: bool) -> str:
    if whole and not two:
        return f"Elsewhere the object still holds together: {volume_words(one)}"
    where = "The cut leaves" if whole else "Near the points:"
    return f"{where} A {volume_words(one)}, B {volume_words(two)}"
