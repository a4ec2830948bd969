"""The answers under their keys, the answer just given, what runs, and the way out."""

from __future__ import annotations

from collections.abc import Callable

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QMenu,
    QProgressBar,
    QSizePolicy,
    QWidget,
)

from app.services.actions import ACTIONS, Action
from app.services.model import Job, Phase, Snapshot
from app.services.preferences import KeyPair, Preferences, keys_of
from app.ui.keyed_button import KeyedButton
from app.ui.theme import GRID
from app.ui.widgets import button, label, set_tone, shown

__all__ = ["BottomBar", "JobLine", "KeyButton"]

_SHOWN = ("accept", "reject", "unsure", "later", "skip", "undo")
SKIP_REASONS = ("bad image", "not a neuron", "already repaired", "too hard here")


class KeyButton(KeyedButton):
    """The key of an action with its word; a click does what the key does."""

    def __init__(self, action: Action, perform: Callable[[str], None]) -> None:
        super().__init__(action.label, action.left, lambda: perform(action.name))
        self._hint = ""

    def show_keys(self, keys: KeyPair) -> None:
        """Show the keys of the action."""
        self.show_key(keys.left or keys.right)
        both = " or ".join(key for key in (keys.left, keys.right) if key)
        self.setToolTip(f"{self.word}: {both or 'no key'}{self._hint}")

    def add_hint(self, hint: str) -> None:
        """Say more in the tool tip."""
        self._hint = hint


class JobLine(QWidget):
    """One background job: words, progress and cancel; or why it failed."""

    def __init__(self, cancel: Callable[[str], None]) -> None:
        super().__init__()
        self._name = ""
        self.words = label("", "dim")
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setFixedWidth(12 * GRID)
        self.stop = button("cancel", lambda: cancel(self._name), kind="quiet")
        line = QHBoxLayout(self)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(GRID)
        for part in (self.words, self.bar, self.stop):
            line.addWidget(part)

    def show_job(self, job: Job, more: int) -> None:
        """Show a job, and how many others run."""
        self._name = job.name
        running = job.phase in (Phase.LOADING, Phase.PARTIAL)
        percent = f" {job.fraction * 100:.0f} %" if running and job.fraction is not None else ""
        others = f"  (+{more} more)" if more else ""
        failed = " failed" if job.phase is Phase.FAILED else ""
        set_tone(self.words, "error" if failed else "dim")
        detail = f" · {job.text}" if job.text else ""
        self.words.setText(f"{job.label}{failed}{percent}{others}")
        self.words.setToolTip(f"{job.label}{percent}{detail}")
        shown(self.bar, when=running)
        shown(self.stop, when=running)
        # A range from 0 to 0 moves to and fro: busy, end unknown.
        self.bar.setRange(0, 0 if job.fraction is None else 1000)
        if job.fraction is not None:
            self.bar.setValue(round(job.fraction * 1000))


class BottomBar(QFrame):
    """Keys, last answer, jobs, export."""

    def __init__(
        self,
        perform: Callable[[str], None],
        *,
        cancel: Callable[[str], None],
        skip: Callable[[str], None],
        export: Callable[[], None],
        more: QMenu,
    ) -> None:
        super().__init__()
        self.setObjectName("bottomBar")
        self.setFixedHeight(7 * GRID)
        by_name = {action.name: action for action in ACTIONS}
        self.keys = {name: KeyButton(by_name[name], perform) for name in _SHOWN}
        self._offer_reasons(skip)
        self.show_keys(Preferences())
        self.last = label("", "dim")
        self.last.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.job = JobLine(cancel)
        self.more = button("More", lambda: None, kind="quiet")
        self.more.setMenu(more)
        line = QHBoxLayout(self)
        line.setContentsMargins(GRID, 0, 2 * GRID, 0)
        line.setSpacing(GRID // 2)
        for key in self.keys.values():
            line.addWidget(key)
        line.addSpacing(GRID)
        line.addWidget(self.last, 1, Qt.AlignmentFlag.AlignVCenter)
        line.addWidget(self.job)
        line.addWidget(self.more)
        line.addWidget(button("Export…", export))

    def _offer_reasons(self, skip: Callable[[str], None]) -> None:
        """Let the right mouse button on the skip key name a reason."""
        key = self.keys["skip"]
        key.add_hint("; right click to give a reason")
        menu = QMenu(key)
        for reason in SKIP_REASONS:
            if (entry := menu.addAction(f"skip: {reason}")) is not None:
                entry.triggered.connect(lambda _checked, r=reason: skip(r))
        key.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        key.customContextMenuRequested.connect(lambda at: menu.popup(key.mapToGlobal(at)))

    def show_keys(self, preferences: Preferences) -> None:
        """Show the keys that are bound."""
        for name, key in self.keys.items():
            key.show_keys(keys_of(name, preferences))
        self._undo_key = keys_of("undo", preferences).left

    def show_snapshot(self, snapshot: Snapshot) -> None:
        """Show what can be done and what is being done."""
        for name, key in self.keys.items():
            usable = snapshot.can_undo if name == "undo" else snapshot.current is not None
            key.setEnabled(usable)
        self._show_last(snapshot)
        self._show_jobs(snapshot)

    def _show_last(self, snapshot: Snapshot) -> None:
        """Say what was answered last, or that an answer has to be given once more."""
        last, doubt = snapshot.last_answer, snapshot.doubt
        text = "" if last is None else last.text
        tip = "" if last is None else f"{last.text}. {self._undo_key} takes it back."
        if doubt is not None:
            key = self.keys[doubt.answer.value].key
            text = f"The judge says {doubt.probability:.2f}. Press {key} again to keep it."
            tip = "Asked once for a site; Settings turns it off."
        set_tone(self.last, "ask" if doubt is not None else "dim")
        self.last.setText(text)
        self.last.setToolTip(tip)

    def _show_jobs(self, snapshot: Snapshot) -> None:
        active = [job for job in snapshot.jobs if job.phase in (Phase.LOADING, Phase.PARTIAL)]
        told = active or [job for job in snapshot.jobs if job.phase is Phase.FAILED]
        shown(self.job, when=bool(told))
        if told:
            self.job.show_job(told[0], len(told) - 1)
