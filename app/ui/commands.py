"""What every action of the window does, by name."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING

from PyQt6.QtWidgets import QFileDialog

from app.services.actions import ACTIONS
from app.services.model import Level
from app.services.preferences import keys_of
from app.services.splitting_model import CutSide
from app.services.through import LANE_WORDS, WORDS
from app.ui.bottom_bar import SKIP_REASONS
from app.ui.palette import Entry
from app.ui.ports import WorkbenchPort
from connectome.errors import ProofdeskError
from proofreading.decisions import Answer

if TYPE_CHECKING:
    from app.ui.window import MainWindow

__all__ = ["Commands"]

_LAYOUTS = ("3d", "4panel", "xy-3d")


class Commands:
    """The actions of `app.services.actions`, bound to one window."""

    def __init__(self, workbench: WorkbenchPort, window: MainWindow) -> None:
        self._workbench = workbench
        self._window = window
        self._layouts = cycle(_LAYOUTS)
        self._actions = self._bind()

    def _bind(self) -> dict[str, Callable[[], object]]:
        w, bench = self._window, self._workbench
        answers = {a.value: (lambda a=a: self._answer(a)) for a in Answer}
        partners = {f"partner{i + 1}": (lambda i=i: self._choose(i)) for i in range(4)}
        return {
            **answers,
            **partners,
            "point": lambda: bench.put_point(CutSide.SOURCE),
            "other_point": lambda: bench.put_point(CutSide.SINK),
            "unpoint": bench.cutting.remove,
            "preview": bench.preview_cut,
            "cut": bench.make_cut,
            "after": bench.toggle_after,
            "tint": bench.toggle_tint,
            "map": w.toggle_map,
            "undo": bench.undo,
            "redo": bench.redo,
            "next": bench.next,
            "previous": bench.previous,
            "layout": lambda: bench.viewer.set_layout(next(self._layouts)),
            "filter": w.focus_filter,
            "improbable": bench.toggle_improbable,
            "why": bench.toggle_overlay,
            "help": w.toggle_help,
            "palette": w.toggle_palette,
            "settings": w.open_settings,
        }

    def perform(self, name: str) -> None:
        """Do an action; with the help open, only the help's own key does anything."""
        if name != "help" and self._window.help.isVisible():
            return
        if name != "palette" and self._window.palette_card.isVisible():
            return
        if name != "map" and self._window.birdseye.isVisible():
            return
        if self._window.tour.isVisible():
            # No answer may be given to what lies behind the tour.
            self._window.tour.go_on()
            return
        self.guard(self._actions[name])

    def entries(self) -> list[Entry]:
        """Return every command with its words: the actions, then what the menu has."""
        w = self._window
        found = [
            Entry(each.label, keys_of(each.name, w.preferences).left, self._actions[each.name])
            for each in ACTIONS
            if each.name != "palette"
        ]
        found += [
            Entry(f"skip: {reason}", "", partial(self.skip, reason)) for reason in SKIP_REASONS
        ]
        found.append(Entry("export…", "", w.open_export))
        through = w.top.through
        found += [
            Entry(f"lane: {LANE_WORDS[lane] if lane else 'all'}", "", entry.trigger)
            for lane, entry in through.lanes.items()
        ]
        found += [
            Entry(f"order: {WORDS[order]}", "", entry.trigger)
            for order, entry in through.orders.items()
        ]
        for entry in w.more.actions():
            if entry.text() and not entry.isSeparator():
                found.append(Entry(entry.text(), "", entry.trigger))
        return found

    def go(self, site_id: str) -> None:
        """Make a site the current one."""
        self.guard(lambda: self._workbench.select(site_id))

    def skip(self, reason: str) -> None:
        """Skip the current site for a reason."""
        self.guard(lambda: self._answer(Answer.SKIP, reason))

    def save_tables(self) -> None:
        """Ask for a folder and write the tables there."""
        chosen = QFileDialog.getExistingDirectory(self._window, "Save tables in a folder")
        if chosen:
            self.guard(lambda: self._save_tables(Path(chosen)))

    def guard(self, action: Callable[[], object]) -> None:
        """Do something; what goes wrong is told with its remedy."""
        try:
            action()
        except ProofdeskError as error:
            self._window.notify(error.message, error.hint)

    def _answer(self, answer: Answer, reason: str = "") -> None:
        if self._workbench.snapshot().current is not None:
            self._window.enlarged.hide()
            self._workbench.answer(answer, reason=reason)

    def _choose(self, index: int) -> None:
        current = self._workbench.snapshot().current
        if current is not None and index < len(current.partners):
            self._workbench.choose_partner(index)

    def _save_tables(self, folder: Path) -> None:
        files = self._workbench.save_tables(folder)
        names = ", ".join(file.name for file in files)
        self._window.notify(f"Saved {names}.", str(folder), Level.INFO)
