"""From a key press anywhere in the window to one action.

One filter on the application takes the bound keys before any widget, and before
Chromium: so a key does the same wherever the focus is, and is never handled twice.
Text being typed, in a line edit or in a field of the page, is left alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from PyQt6.QtCore import QEvent, QObject, Qt
from PyQt6.QtGui import QKeyEvent, QKeySequence
from PyQt6.QtWidgets import (
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QLineEdit,
    QPlainTextEdit,
    QTextEdit,
    QWidget,
)

from app.services.actions import ACTIONS
from app.services.preferences import Preferences, bound_keys

__all__ = ["DOUBLE_PRESS_S", "CommitGate", "KeyFilter", "key_name", "plain_key"]

DOUBLE_PRESS_S = 0.150
_TYPING = (QLineEdit, QTextEdit, QPlainTextEdit, QAbstractSpinBox, QComboBox)
_NO_REPEAT = frozenset({"undo", "redo", "help", "filter", "layout", "palette", "settings"})
_WHILE_TYPING = frozenset({"palette"})
_IGNORED = Qt.KeyboardModifier.KeypadModifier | Qt.KeyboardModifier.GroupSwitchModifier


def key_name(event: QKeyEvent) -> str | None:
    """Return a press as ``F``, ``Shift+Z``, ``Ctrl+K`` or ``?``; None with Alt or Meta."""
    modifiers = event.modifiers() & ~_IGNORED
    shift = bool(modifiers & Qt.KeyboardModifier.ShiftModifier)
    control = bool(modifiers & Qt.KeyboardModifier.ControlModifier)
    if modifiers & ~(Qt.KeyboardModifier.ShiftModifier | Qt.KeyboardModifier.ControlModifier):
        return None
    name = QKeySequence(event.key()).toString()
    return plain_key(f"{'Ctrl+' if control else ''}{'Shift+' if shift else ''}{name}")


def plain_key(key: str) -> str:
    """Return a key without a Shift that only made its character, as that of ``?``."""
    held, shift, name = key.rpartition("Shift+")
    return key if shift and name.isalpha() else f"{held}{name}"


class CommitGate:
    """Lets through one answer per press: no auto-repeat, no double press.

    Parameters
    ----------
    clock : callable
        Seconds that never run backwards.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last = float("-inf")

    def admits(self, *, auto_repeat: bool) -> bool:
        """Tell whether this press counts, and remember it if so."""
        now = self._clock()
        if auto_repeat or now - self._last < DOUBLE_PRESS_S:
            return False
        self._last = now
        return True


class KeyFilter(QObject):
    """Turns key presses inside one window into actions.

    Parameters
    ----------
    window : QWidget
        Only keys pressed in this window count; dialogs keep theirs.
    perform : callable
        Takes the name of an action.
    page_is_typing : callable
        Tells whether a text field inside the page has the focus.
    """

    def __init__(
        self,
        window: QWidget,
        perform: Callable[[str], None],
        *,
        page_is_typing: Callable[[], bool] = lambda: False,
        escape: Callable[[], bool] = lambda: False,
        keys: Mapping[str, str] | None = None,
        gate: CommitGate | None = None,
    ) -> None:
        super().__init__(window)
        self._window = window
        self._perform = perform
        self._page_is_typing = page_is_typing
        self._escape = escape
        self._keys = dict(bound_keys(Preferences()) if keys is None else keys)
        self._commits = frozenset(action.name for action in ACTIONS if action.commits)
        self._gate = gate or CommitGate()

    def install(self) -> None:
        """Start listening to the whole application."""
        app = QApplication.instance()
        if app is not None:
            app.installEventFilter(self)

    def bind(self, keys: Mapping[str, str]) -> None:
        """Let these keys do these actions from now on."""
        self._keys = dict(keys)

    def remove(self) -> None:
        """Stop listening."""
        app = QApplication.instance()
        if app is not None:
            app.removeEventFilter(self)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """Take a bound key away from whoever has the focus."""
        # Windows see a key before widgets do: only the widget's turn counts, once.
        if (
            event is None
            or event.type() != QEvent.Type.KeyPress
            or not isinstance(watched, QWidget)
            or not isinstance(event, QKeyEvent)
            or watched.window() is not self._window
            or QApplication.activeModalWidget() is not None
        ):
            return False
        taken = self._press(watched, event)
        if taken:
            event.accept()
        return taken

    def _press(self, widget: QWidget, event: QKeyEvent) -> bool:
        if event.key() == Qt.Key.Key_Escape:
            return self._escape()
        name = key_name(event)
        action = self._keys.get(name) if name else None
        if action is None or (self._is_typing(widget) and action not in _WHILE_TYPING):
            return False
        if self._counts(action, auto_repeat=event.isAutoRepeat()):
            self._perform(action)
        return True

    def _is_typing(self, widget: QWidget) -> bool:
        return isinstance(widget, _TYPING) or self._page_is_typing()

    def _counts(self, action: str, *, auto_repeat: bool) -> bool:
        if action in self._commits:
            return self._gate.admits(auto_repeat=auto_repeat)
        return not (auto_repeat and action in _NO_REPEAT)
