"""The page with Neuroglancer: loading, failing, coming back, and what counts as a click."""

from __future__ import annotations

import logging
from collections.abc import Callable

from PyQt6 import sip
from PyQt6.QtCore import QEvent, QObject, QPointF, Qt, QTimer, QUrl, pyqtSignal
from PyQt6.QtGui import QColor, QMouseEvent
from PyQt6.QtWebEngineCore import QWebEnginePage, QWebEngineProfile, QWebEngineSettings
from PyQt6.QtWebEngineWidgets import QWebEngineView
from PyQt6.QtWidgets import QStackedWidget, QVBoxLayout, QWidget

from app.ui.theme import theme
from app.ui.web_page import ViewerPage
from app.ui.widgets import Message

__all__ = ["CLICK_TRAVEL_PX", "DragGate", "WebView"]

_log = logging.getLogger(__name__)
CLICK_TRAVEL_PX = 4.0
_LOAD_MS = 30_000


class DragGate(QObject):
    """Tells whether the last press and release were a click: Neuroglancer sends both as one."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._start: QPointF | None = None
        self._travel = 0.0

    @property
    def was_click(self) -> bool:
        """Whether the pointer stayed within `CLICK_TRAVEL_PX` of where it was pressed."""
        return self._travel <= CLICK_TRAVEL_PX

    def eventFilter(self, a0: QObject | None, a1: QEvent | None) -> bool:  # noqa: N802, ARG002
        """Watch the pointer; takes nothing away."""
        if isinstance(a1, QMouseEvent):
            if a1.type() == QEvent.Type.MouseButtonPress:
                self._start, self._travel = a1.position(), 0.0
            elif self._start is not None:
                moved = a1.position() - self._start
                self._travel = max(self._travel, abs(moved.x()), abs(moved.y()))
                if a1.type() == QEvent.Type.MouseButtonRelease:
                    self._start = None
        return False


class WebView(QWidget):
    """Neuroglancer's page, or a sentence with a retry.

    A renderer that crashes is reloaded once by itself; the second time within one
    page the person is asked.
    """

    loading = pyqtSignal()
    loaded = pyqtSignal()

    def __init__(self, url: str) -> None:
        super().__init__()
        self.setObjectName("stage")
        self._url = QUrl(url)
        self._ready = False
        self._crashes = 0
        self.gate = DragGate(self)
        self.view = QWebEngineView()
        # One profile for the life of the view; nothing of it is ever written to disk.
        self._profile = QWebEngineProfile()
        self.page = ViewerPage(self._profile, self._url)
        self.page.setBackgroundColor(QColor(theme().ground))
        self._set_up_view()
        self.message = Message()
        self._stack = QStackedWidget()
        self._stack.addWidget(self.view)
        self._stack.addWidget(self.message)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._stack)
        self._patience = QTimer(self)
        self._patience.setSingleShot(True)
        self._patience.setInterval(_LOAD_MS)
        self._patience.timeout.connect(lambda: self._finished(ok=False))

    def _set_up_view(self) -> None:
        self.view.setPage(self.page)
        self.view.setContextMenuPolicy(Qt.ContextMenuPolicy.NoContextMenu)
        settings = self.page.settings()
        if settings is not None:
            attribute = QWebEngineSettings.WebAttribute
            settings.setAttribute(attribute.ErrorPageEnabled, False)
            settings.setAttribute(attribute.FocusOnNavigationEnabled, False)
            settings.setAttribute(attribute.ShowScrollBars, False)
        self.page.loadFinished.connect(lambda ok: self._finished(ok=ok))
        self.page.renderProcessTerminated.connect(self._crashed)

    @property
    def is_ready(self) -> bool:
        """Whether the page has loaded."""
        return self._ready

    def load(self) -> None:
        """Load the page, again if need be."""
        self._ready = False
        self._stack.setCurrentWidget(self.view)
        self._patience.start()
        self.loading.emit()
        self.page.load(self._url)

    def run_script(self, script: str) -> None:
        """Run JavaScript in the page; on the GUI thread only."""
        self.page.runJavaScript(script)

    def evaluate(self, script: str, done: Callable[[object], None]) -> None:
        """Run JavaScript and call back with its value."""
        self.page.runJavaScript(script, done)

    def is_typing(self) -> bool:
        """Tell whether a text field inside the page has the focus."""
        proxy = self.view.focusProxy()
        if proxy is None or not proxy.hasFocus():
            return False
        return bool(proxy.inputMethodQuery(Qt.InputMethodQuery.ImEnabled))

    def shut_down(self) -> None:
        """Let go of page and profile, in the order that QtWebEngine wants."""
        self._patience.stop()
        self.page.loadFinished.disconnect()
        self.page.renderProcessTerminated.disconnect()
        # A view that is hidden later would make itself a new page.
        self.view.hide()
        sip.delete(self.page)
        self._profile.deleteLater()

    def _finished(self, *, ok: bool) -> None:
        self._patience.stop()
        if not ok:
            self._say_failed(
                "The viewer's page did not load.", "Its local server may have stopped."
            )
            return
        self._ready = True
        # The widget that gets the mouse exists only once a page has been drawn.
        if (proxy := self.view.focusProxy()) is not None:
            proxy.removeEventFilter(self.gate)
            proxy.installEventFilter(self.gate)
        self.loaded.emit()

    def _crashed(self, status: QWebEnginePage.RenderProcessTerminationStatus, code: int) -> None:
        self._ready = False
        self._crashes += 1
        _log.info("The viewer's renderer ended: %s, code %d", status.name, code)
        if self._crashes == 1:
            QTimer.singleShot(0, self.load)
        else:
            self._say_failed(
                "The viewer's page crashed twice.", "Answers are safe: they are saved."
            )

    def _say_failed(self, text: str, hint: str) -> None:
        self._ready = False
        self.message.say(text, hint, error=True, action=("Load again", self._retry))
        self._stack.setCurrentWidget(self.message)

    def _retry(self) -> None:
        self._crashes = 0
        self.load()
