"""The page that may show Neuroglancer and nothing else."""

from __future__ import annotations

import logging

from PyQt6.QtCore import QUrl
from PyQt6.QtGui import QDesktopServices
from PyQt6.QtWebEngineCore import QWebEnginePage, QWebEngineProfile

__all__ = ["ViewerPage"]

_log = logging.getLogger(__name__)


class ViewerPage(QWebEnginePage):
    """Stays at its own server: other addresses open in the person's browser."""

    def __init__(self, profile: QWebEngineProfile, home: QUrl) -> None:
        super().__init__(profile)
        self._home = home

    def acceptNavigationRequest(  # noqa: N802
        self,
        url: QUrl,
        type: QWebEnginePage.NavigationType,
        isMainFrame: bool,  # noqa: N803
    ) -> bool:
        """Allow the viewer's own origin, and Chromium's internal pages."""
        own = (url.scheme(), url.authority()) == (self._home.scheme(), self._home.authority())
        if own or not isMainFrame or url.scheme() in ("about", "chrome", "data"):
            return True
        if type == QWebEnginePage.NavigationType.NavigationTypeLinkClicked:
            QDesktopServices.openUrl(url)
        return False

    def createWindow(self, type: QWebEnginePage.WebWindowType) -> QWebEnginePage | None:  # noqa: N802, ARG002
        """Open no second window."""
        return None

    def javaScriptConsoleMessage(  # noqa: N802
        self,
        level: QWebEnginePage.JavaScriptConsoleMessageLevel,
        message: str | None,
        lineNumber: int,  # noqa: N803
        sourceID: str | None,  # noqa: N803
    ) -> None:
        """Keep the page's console in the log."""
        _log.debug("page %s: %s (%s:%d)", level.name, message, sourceID, lineNumber)
