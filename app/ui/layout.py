"""Where the window and its docks stood, remembered for every size of screen."""

from __future__ import annotations

from pathlib import Path

from platformdirs import user_config_path
from PyQt6.QtCore import QByteArray, QSettings
from PyQt6.QtWidgets import QMainWindow

__all__ = ["LayoutStore"]

_VERSION = 1


class LayoutStore:
    """Layouts in one ini file.

    Parameters
    ----------
    path : Path, optional
        The file; in the person's configuration folder by default.
    """

    def __init__(self, path: Path | None = None) -> None:
        if path is None:
            path = user_config_path("proofdesk", appauthor=False) / "window.ini"
        self._settings = QSettings(str(path), QSettings.Format.IniFormat)

    def restore(self, window: QMainWindow) -> bool:
        """Put a window where it stood on a screen of this size; tell whether it was known."""
        key = _key(window)
        geometry = self._settings.value(f"{key}/geometry")
        state = self._settings.value(f"{key}/docks")
        if not isinstance(geometry, QByteArray) or not isinstance(state, QByteArray):
            return False
        return window.restoreGeometry(geometry) and window.restoreState(state, _VERSION)

    def save(self, window: QMainWindow) -> None:
        """Remember where a window stands."""
        key = _key(window)
        self._settings.setValue(f"{key}/geometry", window.saveGeometry())
        self._settings.setValue(f"{key}/docks", window.saveState(_VERSION))
        self._settings.sync()

    @property
    def fold_choice(self) -> bool | None:
        """Whether the person folded the queue, opened it, or left it to the width."""
        return {"folded": True, "open": False}.get(str(self._settings.value("queue", "")))

    def choose_fold(self, *, folded: bool) -> None:
        """Remember whether the queue is folded."""
        self._settings.setValue("queue", "folded" if folded else "open")


def _key(window: QMainWindow) -> str:
    screen = window.screen()
    if screen is None:
        return "unknown"
    size = screen.size()
    return f"{size.width()}x{size.height()}"
