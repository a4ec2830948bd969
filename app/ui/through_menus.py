"""Which lane is looked through, in which order, and what else is left out: three menus."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeVar

from PyQt6.QtGui import QAction, QActionGroup
from PyQt6.QtWidgets import QMenu, QPushButton, QWidget

from app.services.through import LANE_WORDS, WORDS, QueueOrder, Through
from app.ui.widgets import button
from proofreading.decisions import Answer
from proofreading.sites import SiteKind
from proofreading.triage import Lane
from proofreading.verdicts import Task

__all__ = ["FilterMenu", "ThroughMenus", "with_word"]

T = TypeVar("T")

_LANES: tuple[Lane | None, ...] = (None, *Lane)
_TASKS = (
    Task.SPLIT_ERROR_CORRECTION,
    Task.SPLIT_ERROR_IDENTIFICATION,
    Task.MERGE_ERROR_IDENTIFICATION,
)
_STATES = ("open", *(answer.value for answer in Answer), "failed")
_CHANCES = (">0.9", ">0.5", "<0.5", "<0.1")


class ThroughMenus:
    """``lanes ▾`` and ``order ▾`` of the top bar.

    Parameters
    ----------
    choose_lane, choose_order : callable
        Told the lane (None for all), or the order, that the person wants.
    open_dial : callable
        Opens the risk dial, which says what belongs into which lane.
    """

    def __init__(
        self,
        parent: QWidget,
        choose_lane: Callable[[Lane | None], object],
        choose_order: Callable[[QueueOrder], object],
        open_dial: Callable[[], object],
    ) -> None:
        self.lane_button, lanes = _with_menu(parent, "Which sites are looked through")
        self.order_button, orders = _with_menu(parent, "What comes first")
        self.lanes = _one_of(lanes, _LANES, choose_lane)
        lanes.addSeparator()
        _add(lanes, "Risk dial…", open_dial)
        self.orders = _one_of(orders, tuple(QueueOrder), choose_order)
        for order, entry in self.orders.items():
            entry.setText(WORDS[order])
        self.show_through(Through())

    def show_through(self, through: Through) -> None:
        """Show what is looked through, and how much there is in each lane."""
        self.lane_button.setText(f"{through.lane_words}  ▾")
        self.order_button.setText(f"{through.order_words}  ▾")
        for lane, entry in self.lanes.items():
            entry.setChecked(lane is through.lane)
            entry.setText(_lane_text(lane, through))
        for order, entry in self.orders.items():
            entry.setChecked(order is through.order)


class FilterMenu(QMenu):
    """Words for the filter that one need not know.

    Parameters
    ----------
    text : callable
        Returns what stands in the filter.
    put : callable
        Writes the filter anew.
    pair : callable
        Returns the roots of the segments on the screen.
    box : callable
        Returns the word for the region on the screen; empty if unknown.
    """

    def __init__(
        self,
        parent: QWidget,
        *,
        text: Callable[[], str],
        put: Callable[[str], object],
        pair: Callable[[], tuple[int, ...]],
        box: Callable[[], str],
    ) -> None:
        super().__init__(parent)
        self._text, self._put, self._pair, self._box = text, put, pair, box
        self.aboutToShow.connect(self._build)

    def _build(self) -> None:
        """Make the entries: what is on the screen changes."""
        self.clear()
        for heading, about, values in (
            ("Kind", "kind:", tuple(kind.value for kind in SiteKind)),
            ("Question", "task:", tuple(task.value for task in _TASKS)),
            ("Status", "is:", _STATES),
            ("Probability", "", _CHANCES),
        ):
            inner = QMenu(heading, self)
            for value in values:
                self._offer(inner, f"{about}{value}", value.replace("_", " "))
            self.addMenu(inner)
        self.addSeparator()
        for letter, root in zip("AB", self._pair(), strict=False):
            self._offer(self, f"seg:{root}", f"Only segment {letter}")
        if box := self._box():
            self._offer(self, box, "Only what is in view")
        self.addSeparator()
        _add(self, "No filter", lambda: self._put(""))

    def _offer(self, menu: QMenu, word: str, text: str) -> None:
        entry = _add(menu, text, lambda: self._put(with_word(self._text(), word)))
        entry.setCheckable(True)
        entry.setChecked(word in self._text().split())


def with_word(text: str, word: str) -> str:
    """Return a filter with a word about one thing: in the place of another about the same.

    The same word once more takes it out.
    """
    words = text.split()
    if word in words:
        return " ".join(other for other in words if other != word)
    about = _about(word)
    return " ".join([*(other for other in words if _about(other) != about), word])


def _about(word: str) -> str:
    if word[0] in "<>":
        return "probability"
    return word.partition(":")[0] if ":" in word else word


def _with_menu(parent: QWidget, tip: str) -> tuple[QPushButton, QMenu]:
    made = button("", lambda: None, kind="quiet")
    made.setToolTip(tip)
    made.setProperty("menu", "true")
    menu = QMenu(parent)
    made.setMenu(menu)
    return made, menu


def _one_of(menu: QMenu, values: tuple[T, ...], chose: Callable[[T], object]) -> dict[T, QAction]:
    group = QActionGroup(menu)
    entries = {}
    for value in values:
        entry = _add(menu, "", partial(chose, value))
        entry.setCheckable(True)
        group.addAction(entry)
        entries[value] = entry
    return entries


def _add(menu: QMenu, text: str, action: Callable[[], object]) -> QAction:
    entry = menu.addAction(text)
    assert entry is not None
    entry.triggered.connect(lambda _checked: action())
    return entry


def _lane_text(lane: Lane | None, through: Through) -> str:
    if lane is None:
        return f"all lanes   {sum(through.counts.values()):,}"
    text = f"{LANE_WORDS[lane]}   {through.counts.get(lane, 0):,}"
    if lane is Lane.AUTOMATIC and not through.unlocked:
        text += (
            f"   locked, {through.missing} blind answers missing"
            if through.missing
            else ("   locked")
        )
    return text
