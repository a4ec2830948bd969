"""Keys of a dialog of its own: the window's keys are taken by `app.ui.keys`."""

from __future__ import annotations

from collections.abc import Callable

from PyQt6.QtGui import QKeySequence, QShortcut
from PyQt6.QtWidgets import QWidget

__all__ = ["on_key"]


def on_key(widget: QWidget, key: str, action: Callable[[], object]) -> None:
    """Let a key, given in Qt's notation, do something anywhere in the widget's window.

    Holding it down does it once.
    """
    shortcut = QShortcut(QKeySequence(key), widget)
    shortcut.setAutoRepeat(False)
    shortcut.activated.connect(action)
