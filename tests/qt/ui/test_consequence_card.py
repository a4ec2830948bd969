"""What a merge would do, over the viewer."""

from __future__ import annotations

from PyQt6.QtCore import Qt
from pytestqt.qtbot import QtBot

from app.services.consequence import Consequence, PairFacts
from app.services.model import Phase
from app.ui.consequence_card import lines_of
from app.ui.window import MainWindow
from tests.qt.ui.fakes import FakeWorkbench
from tests.qt.ui.pointer import click, send

KNOWN = PairFacts(
    volumes_nm3=(4e9, 1e9),
    somata=(1, 1),
    faces=(frozenset({"x-"}), frozenset({"x-", "z+"})),
    warnings=("The merge joins 2 cell bodies.",),
)
READY = Consequence("s", (1, 2), Phase.READY, 2, 58_000.0, KNOWN)
WAITING = Consequence("s", (1, 2), Phase.LOADING, 2, 58_000.0)


def test_what_is_known_is_told_in_words() -> None:
    assert dict(lines_of(READY)) == {
        "volume": "4.00 µm³ + 1.00 µm³: 1.00 µm³ joins, 25.0% of the larger",
        "tips closed": "2",
        "cell bodies": "1 + 1 = 2",
        "faces of the volume": "2 of 6, z+ by B",
        "they touch on": "0.058 µm²",
    }
    assert [word for word, _ in lines_of(WAITING)] == ["tips closed", "they touch on"]


def test_the_card_comes_and_goes_with_the_after_view(
    window: MainWindow, bench: FakeWorkbench, qtbot: QtBot
) -> None:
    card = window.consequence_card
    bench.change(after=WAITING)
    qtbot.waitUntil(card.isVisible)
    assert card.warning.text() == "Measuring…"
    low = card.height()
    bench.change(after=READY)
    qtbot.waitUntil(lambda: card.warning.text() == "The merge joins 2 cell bodies.")
    assert card.height() > low
    assert card.value("cell bodies") == "1 + 1 = 2"
    click(card.leave)
    assert bench.calls[-1] == "after"
    send(window.queue.table, Qt.Key.Key_Escape)
    assert bench.calls.count("after") == 2
    bench.change(after=None)
    qtbot.waitUntil(lambda: not card.isVisible())


def test_the_key_asks_for_the_after_view(window: MainWindow, bench: FakeWorkbench) -> None:
    send(window.queue.table, Qt.Key.Key_C)
    assert bench.calls[-1] == "after"


def test_the_key_tints_what_is_done(window: MainWindow, bench: FakeWorkbench) -> None:
    send(window.queue.table, Qt.Key.Key_T)
    assert bench.calls[-1] == "tint"
