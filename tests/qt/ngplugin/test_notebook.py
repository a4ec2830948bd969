"""A viewer of somebody else's, with sites in it, in a real page without Proofdesk's scripts."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import neuroglancer
import pytest
from PyQt6.QtCore import QCoreApplication, QEvent, QPoint, Qt, QUrl
from PyQt6.QtTest import QTest
from PyQt6.QtWebEngineWidgets import QWebEngineView
from PyQt6.QtWidgets import QApplication, QWidget

from connectome.datastack import ViewerSources
from connectome.space import BoxNm
from ngplugin.notebook import SiteLayer
from ngplugin.style import probability_color
from proofreading.decisions import Answer
from tests.qt.ngplugin.conftest import VOXEL
from tests.unit.ngplugin.sites import site

BOUNDS = BoxNm((0.0, 0.0, 0.0), (1280.0, 1280.0, 1280.0))
PATIENCE_S = 30.0
pytestmark = pytest.mark.qt
# PyQt6's stubs give QTest's functions a `self` that they do not have.
_test: Any = QTest


def _until(condition: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, f"{what} never came true"
        _test.qWait(20)


@pytest.fixture
def viewer(sources: ViewerSources) -> Any:
    made = neuroglancer.Viewer()
    with made.txn() as state:
        state.dimensions = neuroglancer.CoordinateSpace(
            names=["x", "y", "z"], units="nm", scales=list(VOXEL)
        )
        state.layers["mine"] = neuroglancer.SegmentationLayer(source=sources.segmentation)
        state.layout = "xy"
        state.position = [64, 64, 64]
        state.cross_section_scale = 0.25
    return made


@pytest.fixture
def view(qapp: QApplication, viewer: Any) -> Iterator[QWebEngineView]:
    view = QWebEngineView()
    view.resize(400, 400)
    loaded: list[bool] = []
    view.loadFinished.connect(loaded.append)
    view.load(QUrl(viewer.get_viewer_url()))
    view.show()
    _until(lambda: loaded == [True], "the page")
    yield view
    view.close()
    view.deleteLater()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)


def _shows(view: QWebEngineView, wanted: str, tolerance: int = 40) -> bool:
    """Tell whether a colour is somewhere around the middle of the page."""
    picture = view.grab().toImage()
    middle = picture.rect().center()
    rgb = [int(wanted[at : at + 2], 16) for at in (1, 3, 5)]
    for x in range(middle.x() - 40, middle.x() + 40):
        for y in range(middle.y() - 40, middle.y() + 40):
            color = picture.pixelColor(x, y)
            seen = (color.red(), color.green(), color.blue())
            if all(abs(a - b) <= tolerance for a, b in zip(seen, rgb, strict=True)):
                return True
    return False


def _target(view: QWebEngineView) -> QWidget:
    proxy = view.focusProxy()
    assert isinstance(proxy, QWidget)
    return proxy


def test_a_site_is_drawn_recoloured_and_answered_with_a_key(
    viewer: Any, view: QWebEngineView
) -> None:
    with SiteLayer(viewer, BOUNDS, VOXEL, segmentation="mine") as layer:
        layer.add([site(5, (640.0, 640.0, 640.0), root=2**60 + 1)])
        layer.set_probabilities([f"{5:016x}"], [1.0])
        _until(lambda: _shows(view, probability_color(1.0)), "the site")
        layer.set_probabilities([f"{5:016x}"], [0.0])
        _until(lambda: _shows(view, probability_color(0.0)), "its other colour")
        layer.go_next()
        middle = _target(view).rect().center()
        _test.mouseMove(_target(view), middle + QPoint(60, 60))
        _test.qWait(50)
        _test.mouseClick(_target(view), Qt.MouseButton.LeftButton, pos=middle + QPoint(60, 60))
        _until(lambda: _pressed(view, layer), "the answer")
        assert layer.answers == {f"{5:016x}": Answer.ACCEPT}


def _pressed(view: QWebEngineView, layer: SiteLayer) -> bool:
    if not layer.answers:
        _test.keyClick(_target(view), Qt.Key.Key_F)
        _test.qWait(100)
    return bool(layer.answers)
