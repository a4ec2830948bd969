"""The life of the application: one event loop from the first paint to the last."""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from PyQt6.QtCore import QTimer
from PyQt6.QtWebEngineWidgets import QWebEngineView
from PyQt6.QtWidgets import QApplication

from app.services.logs import RunLog
from app.services.model import Level
from app.services.opening import Opened
from app.services.preferences import Preferences, PreferencesStore
from app.services.settings import data_folder
from app.services.starting import recent_sessions
from app.ui.dispatch import Dispatcher
from app.ui.ports import MakeWorkbench
from app.ui.screenshot import Screenshot
from app.ui.start_dialog import StartDialog
from app.ui.steady import keep_steady
from app.ui.theme import DARK, LIGHT, apply_theme
from app.ui.window import MainWindow
from connectome.errors import ProofdeskError

__all__ = ["choose", "run"]

_Hook = Callable[[type[BaseException], BaseException, TracebackType | None], object]
_log = logging.getLogger(__name__)
_SIGNALS_MS = 250
# QtWebEngine must be loaded before the application object exists.
_ENGINE = QWebEngineView


def run(make_workbench: MakeWorkbench, *, title: str, screenshot_to: Path | None) -> int:
    """Build application, workbench and window; return the exit status."""
    app = _application()
    dispatcher = Dispatcher()
    window = MainWindow(make_workbench(dispatcher.post), dispatcher)
    window.setWindowTitle(f"{title} – Proofdesk")
    log = _keep_log(window)
    restore = _catch_errors(window)
    ticker = _let_signals_through(window)
    window.show()
    window.load()
    if screenshot_to is None:
        window.begin()
    keep_steady()
    shot = Screenshot(window, screenshot_to) if screenshot_to else None
    try:
        app.exec()
    finally:
        ticker.stop()
        sys.excepthook = restore
        if log is not None:
            log.close()
    return 1 if shot is not None and not shot.saved else 0


def choose() -> Opened | None:
    """Show what there is to begin with, and return what was chosen."""
    app = _application()
    store = PreferencesStore()
    try:
        preferences = store.read()
    except ProofdeskError:
        # The window itself tells what is wrong with the settings.
        preferences = Preferences()
    apply_theme(app, LIGHT if preferences.appearance == "light" else DARK)
    # The application must outlive this dialog.
    app.setQuitOnLastWindowClosed(False)
    dialog = StartDialog(recent_sessions(preferences))
    dialog.exec()
    app.setQuitOnLastWindowClosed(True)
    return dialog.opened


def _application() -> QApplication:
    app = QApplication.instance() or QApplication(["proofdesk"])
    if not isinstance(app, QApplication):
        msg = "another kind of Qt application already runs"
        raise TypeError(msg)
    app.setApplicationName("Proofdesk")
    app.setDesktopFileName("proofdesk")
    apply_theme(app)
    return app


def _keep_log(window: MainWindow) -> RunLog | None:
    """Keep a log of this run, and offer that of one that crashed; go on without if need be."""
    try:
        log = RunLog(data_folder() / "logs")
    except ProofdeskError as error:
        window.notify(f"No log is kept: {error.message}", error.hint, Level.WARNING)
        return None
    window.log = log
    if log.crashed:
        window.notify(
            "Proofdesk ended unexpectedly last time. Your answers are saved.",
            "More, Log of the crash… shows what happened.",
            Level.WARNING,
        )
    return log


def _catch_errors(window: MainWindow) -> _Hook:
    """Tell of an error in a slot, which would otherwise abort the process."""
    before = sys.excepthook

    def tell(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        _log.error("An error in the window", exc_info=(kind, error, trace))
        window.notify(f"Something went wrong: {error}", "Your answers are saved; see the log.")

    sys.excepthook = tell
    return before


def _let_signals_through(window: MainWindow) -> QTimer:
    """Close the window on Ctrl+C or a polite kill: Python must run now and then to see them."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: window.close())
    ticker = QTimer()
    ticker.timeout.connect(lambda: None)
    ticker.start(_SIGNALS_MS)
    return ticker
