"""The real window, driven by a program: real keys, real clicks, nothing behind its back.

The demo without a screen, the end-to-end tests and the benchmarks all use it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from app.services.opening import Opened
from app.services.workbench import Workbench, launch
from app.ui.platform import prepare_platform
from connectome.closing import Closing
from connectome.errors import GraphicsError

# Without a screen Qt must know before it is loaded.
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
prepare_platform()

from PyQt6.QtCore import QCoreApplication, QEvent, QEventLoop, QPoint, Qt, QTimer  # noqa: E402
from PyQt6.QtGui import QKeySequence  # noqa: E402
from PyQt6.QtTest import QTest  # noqa: E402
from PyQt6.QtWebEngineWidgets import QWebEngineView  # noqa: E402
from PyQt6.QtWidgets import QApplication, QWidget  # noqa: E402

from app.services.preferences import PreferencesStore  # noqa: E402
from app.ui.dispatch import Dispatcher  # noqa: E402
from app.ui.theme import apply_theme  # noqa: E402
from app.ui.window import MainWindow  # noqa: E402

__all__ = ["SETTINGS", "Driver"]

SETTINGS = "settings-of-the-driver.json"
"""The settings that hold for a driven window, in its session."""

PATIENCE_S = 120.0
SETTLE_MS = 400
CLICKS = 8
_LOADED_FIRST = QWebEngineView
# PyQt6's stubs give QTest's functions a `self` that they do not have.
_test: Any = QTest

_PANEL_CENTER = """(() => {
  const panel = document.querySelectorAll('.neuroglancer-rendered-data-panel')[0];
  if (!panel) return null;
  const r = panel.getBoundingClientRect();
  return [r.left + r.width / 2, r.top + r.height / 2];
})()"""


@cache
def _application() -> QApplication:
    """Return the one application of this process.

    It is kept for good: Qt deletes every window with it, and Chromium does not survive a
    second one.
    """
    app = QApplication.instance() or QApplication(["proofdesk"])
    if not isinstance(app, QApplication):
        raise GraphicsError("Another kind of Qt application already runs in this process.")
    return app


def _run_loop(milliseconds: int) -> None:
    """Run an event loop as the program does: `QTest.qWait` would sleep between its turns."""
    loop = QEventLoop()
    timer = QTimer()
    timer.setTimerType(Qt.TimerType.PreciseTimer)
    timer.setSingleShot(True)
    timer.timeout.connect(loop.quit)
    timer.start(milliseconds)
    loop.exec()


class Driver(Closing):
    """Opens the window on a session and does what a person would do.

    Every wait is bounded; what never comes true raises `TimeoutError` with its name.
    """

    def __init__(self, opened: Opened, *, size: tuple[int, int] = (1600, 1000)) -> None:
        self.started = time.monotonic()
        apply_theme(_application())
        dispatcher = Dispatcher()
        self.workbench: Workbench = launch(opened, dispatcher.post)
        # The driver presses the default keys, whatever the person has chosen.
        plain = PreferencesStore(opened.session / SETTINGS)
        self.window = MainWindow(self.workbench, dispatcher, preferences=plain)
        self.window.resize(*size)
        self.window.show()
        self.window.load()

    # ---- waiting -----------------------------------------------------------------

    def until(
        self,
        condition: Callable[[], bool],
        what: str,
        seconds: float = PATIENCE_S,
        *,
        step_ms: int = 20,
    ) -> float:
        """Run the event loop until a condition holds and return how long that took in s."""
        began = time.monotonic()
        while not condition():
            if time.monotonic() - began > seconds:
                msg = f"{what} did not happen within {seconds:.0f} s"
                raise TimeoutError(msg)
            _run_loop(step_ms)
        return time.monotonic() - began

    def until_painted(self) -> float:
        """Wait until Neuroglancer has drawn microscopy; return seconds since the start."""
        self.until(lambda: self.window.web.is_ready, "the page")
        self.until(self._has_picture, "the first painted slice")
        return time.monotonic() - self.started

    def settle(self) -> None:
        """Let what was asked for be drawn."""
        _run_loop(SETTLE_MS)

    def rest(self, seconds: float) -> None:
        """Run the event loop for so long."""
        _run_loop(round(1000 * seconds))

    # ---- hands -------------------------------------------------------------------

    def press(self, key: str) -> None:
        """Press a key, given in Qt's notation, where the focus is."""
        # Longer than the guard against double presses, as between two real answers.
        self.rest(0.18)
        self.tap(key)

    def tap(self, key: str) -> None:
        """Press a key at once, without waiting for the guard against double presses."""
        combination = QKeySequence(key)[0]
        target = QApplication.focusWidget() or self._page_target()
        _test.keyClick(target, combination.key(), combination.keyboardModifiers())

    def click_row(self, index: int) -> None:
        """Click a row of the queue."""
        table = self.window.queue.table
        model = table.model()
        assert model is not None
        cell = model.index(index, 0)
        table.scrollTo(cell)
        self.settle()
        place = table.visualRect(cell).center()
        _test.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=place)
        self.settle()

    def click_site(self, site_id: str) -> None:
        """Bring a site into the middle of the slice and click it there with the mouse."""
        site = self.workbench.session.catalogue.site(site_id)
        assert site is not None, site_id
        self.workbench.viewer.look_at(site.point_nm)
        for _ in range(CLICKS):
            self.settle()
            center = self.evaluate(_PANEL_CENTER)
            if isinstance(center, list):
                place = QPoint(round(float(center[0])), round(float(center[1])))
                self._click(place)
            self.settle()
            current = self.workbench.snapshot().current
            if current is not None and current.site.id == site_id:
                return
        msg = f"clicking the site {site_id} {CLICKS} times did not select it"
        raise TimeoutError(msg)

    def export(self) -> str:
        """Open the export dialog, look at the dry run, apply it; return the job's last word."""
        self.begin_export()
        return self.end_export()

    def begin_export(self) -> None:
        """Open the export dialog, look at the dry run, and apply it."""
        self.window.open_export()
        dialog = self.window.export_dialog
        assert dialog is not None
        self.until(dialog.apply.isEnabled, "the dry run")
        self.settle()
        dialog.apply.click()

    def end_export(self) -> str:
        """Wait until an export is over, close its dialog and return the job's last word."""
        self.until(lambda: not self._exports(), "the export", 300)
        self.settle()
        self.close_export()
        job = next(j for j in self.workbench.snapshot().jobs if j.name == "export")
        return job.text

    def close_export(self) -> None:
        """Close the export dialog; an export goes on without it."""
        dialog = self.window.export_dialog
        assert dialog is not None
        dialog.close()

    def grab(self, path: Path, widget: QWidget | None = None) -> Path:
        """Save a picture of the window, or of a dialog, as PNG."""
        path.parent.mkdir(parents=True, exist_ok=True)
        (widget or self.window).grab().save(str(path), "PNG")
        return path

    def evaluate(self, script: str) -> object:
        """Return the value of a JavaScript expression in the page."""
        found: list[object] = []
        loop = QEventLoop()

        def done(value: object) -> None:
            found.append(value)
            loop.quit()

        self.window.web.evaluate(script, done)
        if not found:
            loop.exec()
        return found[0]

    def close(self) -> None:
        """Close the window as a person does, and let Chromium go."""
        self.window.close()
        self.window.deleteLater()
        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)

    # ---- inside ------------------------------------------------------------------

    def _exports(self) -> bool:
        jobs = {job.name: job.phase.value for job in self.workbench.snapshot().jobs}
        return jobs.get("export") == "loading"

    def _page_target(self) -> QWidget:
        proxy = self.window.web.view.focusProxy()
        return proxy if isinstance(proxy, QWidget) else self.window

    def _click(self, place: QPoint) -> None:
        target = self._page_target()
        _test.mouseMove(target, place)
        _run_loop(60)
        _test.mouseClick(target, Qt.MouseButton.LeftButton, pos=place)

    def _has_picture(self) -> bool:
        """Tell whether the slice shows tissue: many different greys, not one ground colour."""
        center = self.evaluate(_PANEL_CENTER)
        if not isinstance(center, list):
            return False
        x, y = round(float(center[0])), round(float(center[1]))
        image = self.window.web.view.grab().toImage()
        ratio = image.devicePixelRatio()  # The page tells places in pixels of a screen at 100 %.
        reach = range(-60, 61, 6)
        places = [
            (round((x + dx) * ratio), round((y + dy) * ratio)) for dx in reach for dy in reach
        ]
        greys = {image.pixelColor(*place).lightness() for place in places}
        return len(greys) > 20
