"""A host for tests: a web view that owns a `SiteViewer`'s page."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from PyQt6.QtCore import QCoreApplication, QEvent, QEventLoop, QObject, QPoint, Qt, QUrl, pyqtSignal
from PyQt6.QtGui import QColor, QImage
from PyQt6.QtTest import QTest
from PyQt6.QtWebEngineCore import QWebEnginePage, QWebEngineProfile
from PyQt6.QtWebEngineWidgets import QWebEngineView
from PyQt6.QtWidgets import QWidget

from connectome.datastack import ViewerSources
from connectome.space import BoxNm
from ngplugin.viewer import SiteViewer

BOUNDS = BoxNm((0.0, 0.0, 0.0), (1280.0, 1280.0, 1280.0))
PATIENCE_S = 30.0
# PyQt6's stubs give QTest's functions a `self` that they do not have.
_test: Any = QTest


class _Bridge(QObject):
    script = pyqtSignal(str)


class Page:
    """One web view; everything that waits is bounded by `PATIENCE_S`."""

    def __init__(self, sources: ViewerSources) -> None:
        self.viewer = SiteViewer(sources, BOUNDS)
        self.missing: list[list[str]] = []
        self.scripts: list[str] = []
        self.viewer.on_ready(self.missing.append)
        self._bridge = _Bridge()
        self._bridge.script.connect(self._run)
        self.viewer.attach(self._bridge.script.emit)
        self._profile = QWebEngineProfile()
        self.view = QWebEngineView()
        self._page = QWebEnginePage(self._profile)
        self.view.setPage(self._page)
        self.view.resize(400, 400)
        self.view.loadStarted.connect(self.viewer.mark_loading)

    def load(self, before_ready: str | None = None) -> None:
        """Load the page and wait for its layers; a script may run before Proofdesk's half."""
        loaded: list[bool] = []
        self.view.loadFinished.connect(loaded.append)
        self.view.load(QUrl(self.viewer.url))
        self.view.show()
        self.until(lambda: loaded == [True], "the page")
        self.view.loadFinished.disconnect(loaded.append)
        if before_ready is not None:
            self.until(lambda: bool(self.evaluate(before_ready)))
        known = len(self.missing)
        self.viewer.mark_ready()
        self.until(lambda: len(self.missing) > known)

    def until(self, condition: Callable[[], bool], what: str = "the condition") -> None:
        """Run the event loop until a condition holds."""
        end = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < end, f"{what} never came true"
            _test.qWait(20)

    def evaluate(self, script: str) -> Any:
        """Return the value of a JavaScript expression."""
        found: list[Any] = []
        loop = QEventLoop()

        def done(value: Any) -> None:
            found.append(value)
            loop.quit()

        self._page.runJavaScript(script, done)
        if not found:
            loop.exec()
        return found[0]

    def image(self) -> QImage:
        """Return what the view shows."""
        return self.view.grab().toImage()

    def color_at(self, x: int, y: int) -> tuple[int, int, int]:
        """Return the colour of a pixel of the view."""
        color = QColor(self.image().pixel(x, y))
        return (color.red(), color.green(), color.blue())

    def property_of(self, number: int) -> list[float] | None:
        """Return probability, kind, answer and flags of a site as the client holds them."""
        found = self.evaluate(_READ.replace("NUMBER", str(number)))
        return None if found is None else list(found)

    def sites_held(self) -> int:
        """Return how many sites the client holds for drawing."""
        return int(self.evaluate(_COUNT))

    def target(self) -> QWidget:
        """Return the widget that takes mouse and keys."""
        proxy = self.view.focusProxy()
        assert isinstance(proxy, QWidget)
        return proxy

    def click(self, x: int, y: int) -> None:
        """Press and release the left button, as a mouse does."""
        _test.mouseMove(self.target(), QPoint(x, y))
        _test.qWait(50)
        _test.mouseClick(self.target(), Qt.MouseButton.LeftButton, pos=QPoint(x, y))

    def hover(self, x: int, y: int) -> str | None:
        """Move the mouse and return the segment that the client sees below it."""
        for place in (QPoint(x + 1, y), QPoint(x, y)):
            _test.mouseMove(self.target(), place)
            _test.qWait(30)
        found = self.evaluate(_HOVERED)
        return None if found is None else str(found)

    def double_click(self, x: int, y: int) -> None:
        """Let the page have a double click, which QTest's presses do not add up to there."""
        self.evaluate(_DOUBLE.replace("PLACE", f"{x}, {y}"))

    def close(self) -> None:
        """Take everything down, so that nothing outlives the test."""
        self.viewer.close()
        self.view.close()
        self.view.deleteLater()
        self._page.deleteLater()
        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
        self._profile.deleteLater()
        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)

    def _run(self, script: str) -> None:
        self.scripts.append(script)
        self._page.runJavaScript(script)


_DOUBLE = """(() => {
  const [clientX, clientY] = [PLACE];
  const event = new MouseEvent('dblclick', { bubbles: true, button: 0, clientX, clientY });
  document.elementFromPoint(clientX, clientY).dispatchEvent(event);
})()"""

_HOVERED = """(() => {
  const layer = viewer.layerManager.getLayerByName('segmentation').layer;
  const hovered = layer.displayState.segmentSelectionState;
  return hovered.hasSelectedSegment ? String(hovered.selectedSegment) : null;
})()"""

_READ = """(() => {
  const layer = viewer.layerManager.getLayerByName('sites').layer;
  const source = layer.annotationStates.states[0].source;
  for (const cells of source.spatiallyIndexedSources) for (const chunk of cells.chunks.values()) {
    const held = chunk.data?.serializedAnnotations;
    const row = held?.typeToIdMaps[0].get('NUMBER');
    if (row === undefined) continue;
    const view = new DataView(held.data.buffer, held.data.byteOffset + row * 20 + 12, 8);
    return [view.getFloat32(0, true), view.getUint8(4), view.getUint8(5), view.getUint8(6)];
  }
  return null;
})()"""

_COUNT = """(() => {
  const layer = viewer.layerManager.getLayerByName('sites').layer;
  let count = 0;
  for (const cells of layer.annotationStates.states[0].source.spatiallyIndexedSources) {
    for (const chunk of cells.chunks.values()) {
      count += chunk.data?.serializedAnnotations.typeToIds[0].length ?? 0;
    }
  }
  return count;
})()"""
