"""A picture of the window once it is painted: for headless runs and for reports."""

from __future__ import annotations

import time
from pathlib import Path

from PyQt6.QtCore import QObject, QTimer

from app.services.model import Phase
from app.ui.window import MainWindow

__all__ = ["Screenshot"]

_LOOK_MS = 250
_SETTLE_S = 4.0
_PATIENCE_S = 60.0
_DONE = (Phase.READY, Phase.PARTIAL, Phase.FAILED)


class Screenshot(QObject):
    """Waits until page and pictures are there, saves one PNG and closes the window.

    After a minute it takes what there is.
    """

    def __init__(self, window: MainWindow, path: Path) -> None:
        super().__init__(window)
        self._window = window
        self._path = path
        self._since = time.monotonic()
        self._complete_at: float | None = None
        self.saved = False
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._look)
        self._timer.start(_LOOK_MS)

    def _look(self) -> None:
        now = time.monotonic()
        if self._complete_at is None and self._complete():
            self._complete_at = now
        settled = self._complete_at is not None and now - self._complete_at > _SETTLE_S
        if settled or now - self._since > _PATIENCE_S:
            self._timer.stop()
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self.saved = self._window.grab().save(str(self._path), "PNG")
            self._window.close()

    def _complete(self) -> bool:
        current = self._window.workbench.snapshot().current
        # Pictures come before the verdict.
        shown = current is None or (
            current.pictures_phase in _DONE and current.verdict_phase is not Phase.LOADING
        )
        return self._window.web.is_ready and shown
