"""Lanes, orders and filters in the window, and the answer that has to be given twice."""

from __future__ import annotations

import pytest
from PyQt6.QtCore import Qt
from PyQt6.QtGui import QAction
from PyQt6.QtWidgets import QApplication, QMenu
from pytestqt.qtbot import QtBot

from app.services.preferences import PreferencesStore
from app.services.second_look import Doubt
from app.services.through import LANE_WORDS, QueueOrder, Through
from app.ui.queue_dock import count_text
from app.ui.through_menus import FilterMenu, with_word
from app.ui.window import MainWindow, verdict_width
from proofreading.decisions import Answer
from proofreading.triage import Lane
from tests.qt.ui.fakes import FakeWorkbench


def test_a_lane_and_an_order_are_chosen_kept_and_said(
    window: MainWindow, bench: FakeWorkbench, preferences: PreferencesStore, qtbot: QtBot
) -> None:
    menus = window.top.through
    before = len(bench.queue)
    menus.lanes[Lane.QUICK].trigger()
    menus.orders[QueueOrder.VALUE].trigger()
    assert bench.queue.view.lane is Lane.QUICK
    assert bench.queue.view.order is QueueOrder.VALUE
    assert 0 < len(bench.queue) < before
    kept = preferences.read()
    assert (kept.lane, kept.order) == ("quick", QueueOrder.VALUE)
    qtbot.waitUntil(lambda: "quick look" in menus.lane_button.text())
    assert "value" in menus.order_button.text()
    assert menus.lanes[Lane.QUICK].isChecked()
    assert f"{bench.queue.in_lane(Lane.FULL):,}" in menus.lanes[Lane.FULL].text()
    assert "63 blind answers missing" in menus.lanes[Lane.AUTOMATIC].text()


def test_an_empty_lane_says_so(window: MainWindow, bench: FakeWorkbench, qtbot: QtBot) -> None:
    bench.queue.set_filter("nothing has this")
    bench.change(through=Through(Lane.AUTOMATIC))
    qtbot.waitUntil(lambda: LANE_WORDS[Lane.AUTOMATIC] in window.queue.message.text)


def test_how_far() -> None:
    assert count_text(12, 1214) == "12 of 1,214"
    assert count_text(None, 1214) == "1,214"
    assert count_text(None, 0) == ""


def test_the_filter_menu_writes_words(
    window: MainWindow, bench: FakeWorkbench, qtbot: QtBot
) -> None:
    menu = window.queue.filters
    _entry(menu, "Status", "open").trigger()
    _entry(menu, "Kind", "junction").trigger()
    assert window.queue.filter.text() == "is:open kind:junction"
    assert _entry(menu, "Kind", "junction").isChecked()
    _entry(menu, "Kind", "endpoint").trigger()
    _entry(menu, "Status", "open").trigger()
    assert window.queue.filter.text() == "kind:endpoint"
    _entry(menu, "", "Only segment A").trigger()
    current = bench.snapshot().current
    assert current is not None
    assert f"seg:{current.site.root}" in window.queue.filter.text()
    _entry(menu, "", "Only what is in view").trigger()
    assert "box:1..2" in window.queue.filter.text()
    _entry(menu, "", "No filter").trigger()
    assert window.queue.filter.text() == ""
    qtbot.waitUntil(lambda: len(bench.queue) > 50)


def _entry(menu: FilterMenu, heading: str, text: str) -> QAction:
    menu.aboutToShow.emit()
    inner: QMenu | None = menu
    if heading:
        inner = next(a.menu() for a in menu.actions() if a.text() == heading)
    assert inner is not None
    return next(entry for entry in inner.actions() if entry.text() == text)


def test_one_word_about_one_thing() -> None:
    assert with_word("", ">0.5") == ">0.5"
    assert with_word(">0.5 kind:contact", "<0.1") == "kind:contact <0.1"
    assert with_word("8646 kind:contact", "kind:contact") == "8646"


def test_an_improbable_answer_is_asked_back_in_the_bar(
    window: MainWindow, bench: FakeWorkbench, qtbot: QtBot
) -> None:
    assert bench.asks_twice
    site = bench.snapshot().current
    assert site is not None
    bench.change(doubt=Doubt(site.site.id, Answer.ACCEPT, 0.03))
    qtbot.waitUntil(lambda: "Press F again" in window.bottom.last.text())
    assert "0.03" in window.bottom.last.text()
    bench.change(doubt=None)
    qtbot.waitUntil(lambda: window.bottom.last.text() == "")


def test_asking_twice_is_turned_off_in_the_settings(
    window: MainWindow, bench: FakeWorkbench, preferences: PreferencesStore
) -> None:
    window._keep(window.preferences.changed(second_look=False))
    assert not bench.asks_twice
    assert not preferences.read().second_look


def test_pictures_grow_first_on_a_large_screen(
    window: MainWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert verdict_width(1280, 720) == 440
    assert verdict_width(1600, 1000) == 464
    assert verdict_width(3840, 2160) > 1200
    before = window.verdict_dock.width()
    window.resize(2560, 1440)
    qtbot.waitUntil(lambda: window.verdict_dock.width() > before + 200)
    with monkeypatch.context() as held:
        held.setattr(QApplication, "mouseButtons", lambda: Qt.MouseButton.LeftButton)
        window.resizeDocks([window.verdict_dock], [560], Qt.Orientation.Horizontal)
        qtbot.waitUntil(lambda: window.verdict_dock.width() < 600)
    chosen = window.verdict_dock.width()
    window.resize(2500, 1400)
    qtbot.waitUntil(lambda: window.verdict_dock.x() + window.verdict_dock.width() < 2520)
    assert window.verdict_dock.width() == chosen, "what the person chose stays"


def test_lanes_and_orders_are_in_the_palette(window: MainWindow, bench: FakeWorkbench) -> None:
    entries = {entry.words: entry.action for entry in window.commands.entries()}
    entries["lane: full review"]()
    entries["order: judges disagree"]()
    assert bench.queue.view.lane is Lane.FULL
    assert bench.queue.view.order is QueueOrder.DISAGREEMENT
