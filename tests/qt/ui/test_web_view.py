"""The page: fails with a sentence, comes back after a crash, and tells clicks from drags."""

from __future__ import annotations

import socket

import pytest
from PyQt6.QtCore import QPoint, QUrl
from PyQt6.QtWebEngineCore import QWebEnginePage
from pytestqt.qtbot import QtBot

from app.ui.web_view import WebView
from app.ui.window import MainWindow
from tests.qt.ui.fakes import FakeWorkbench
from tests.qt.ui.pointer import drag

PATIENCE_MS = 30_000


def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def test_a_page_that_does_not_load_is_a_sentence_with_a_retry(qtbot: QtBot) -> None:
    web = WebView(f"http://127.0.0.1:{closed_port()}/")
    qtbot.addWidget(web)
    web.show()
    web.load()
    qtbot.waitUntil(web.message.isVisible, timeout=PATIENCE_MS)
    assert "did not load" in web.message.text
    assert not web.is_ready
    web.shut_down()


def test_scripts_reach_the_page_and_ready_is_told(
    loaded: MainWindow, bench: FakeWorkbench, qtbot: QtBot
) -> None:
    assert bench.viewer.said == ["loading", "ready"]
    bench.viewer.run_script("document.title = 'a \"quoted\" title'")
    found: list[object] = []
    qtbot.waitUntil(lambda: loaded.web.view.title() == 'a "quoted" title', timeout=PATIENCE_MS)
    loaded.web.evaluate("1 + 1", found.append)
    qtbot.waitUntil(lambda: found == [2], timeout=PATIENCE_MS)


def test_a_crash_is_mended_once_and_then_told(
    loaded: MainWindow, bench: FakeWorkbench, qtbot: QtBot
) -> None:
    with qtbot.waitSignal(loaded.web.loaded, timeout=PATIENCE_MS):
        loaded.web.view.setUrl(QUrl("chrome://crash"))
    assert bench.viewer.said[-2:] == ["loading", "ready"]
    assert not loaded.web.message.isVisible()
    loaded.web.view.setUrl(QUrl("chrome://crash"))
    qtbot.waitUntil(loaded.web.message.isVisible, timeout=PATIENCE_MS)
    assert "crashed twice" in loaded.web.message.text
    with qtbot.waitSignal(loaded.web.loaded, timeout=PATIENCE_MS):
        loaded.web.message.button.click()
    assert not loaded.web.message.isVisible()


@pytest.mark.parametrize(("travel", "counts"), [(0, True), (4, True), (5, False), (60, False)])
def test_a_drag_over_a_site_is_no_click(
    loaded: MainWindow, bench: FakeWorkbench, qtbot: QtBot, travel: int, counts: bool
) -> None:
    target = bench.queue.row(9).site_id
    start = QPoint(200, 200)
    drag(loaded.web.view.focusProxy(), start, start + QPoint(travel, 0))
    bench.viewer.click(target)
    done: list[bool] = []
    loaded.dispatcher.post(lambda: done.append(True))
    qtbot.waitUntil(lambda: bool(done))
    assert bench.calls == ([f"select {target}"] if counts else [])


def test_a_drag_there_and_back_is_no_click(loaded: MainWindow, qtbot: QtBot) -> None:
    target = loaded.web.view.focusProxy()
    drag(target, QPoint(100, 100), QPoint(150, 100), QPoint(100, 100))
    assert not loaded.web.gate.was_click


def test_the_page_stays_at_its_own_server(qtbot: QtBot) -> None:
    web = WebView("http://127.0.0.1:9/")
    qtbot.addWidget(web)
    typed = QWebEnginePage.NavigationType.NavigationTypeTyped
    allowed = web.page.acceptNavigationRequest
    assert allowed(QUrl("http://127.0.0.1:9/v/1"), typed, True)
    assert not allowed(QUrl("http://127.0.0.1:10/"), typed, True)
    assert not allowed(QUrl("https://example.org/"), typed, True)
    assert web.page.createWindow(QWebEnginePage.WebWindowType.WebBrowserTab) is None
    web.shut_down()
