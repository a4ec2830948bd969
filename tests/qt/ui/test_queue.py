"""The queue: reads rows, copies none, follows the current site."""

from __future__ import annotations

import pytest
from PyQt6.QtCore import QModelIndex, Qt
from PyQt6.QtGui import QColor, QImage
from PyQt6.QtTest import QAbstractItemModelTester
from pytestqt.qtbot import QtBot

from app.services.model import Phase, QueueRow
from app.services.queue import Sight
from app.ui.queue_dock import FOLDED_WIDTH
from app.ui.queue_model import ROW_ROLE, Column, QueueModel
from app.ui.theme import COLOR_A, COLOR_B, theme
from app.ui.widgets import short_id, tail_id
from app.ui.window import MainWindow
from proofreading.sites import SiteKind
from tests.qt.ui.fakes import FakeWorkbench
from tests.qt.ui.pointer import click, send


class CountingQueue:
    """A long queue that counts how often a row is asked for."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.asked = 0
        self.roots: dict[int, int] = {}

    def __len__(self) -> int:
        return self.count

    def row(self, index: int) -> QueueRow:
        self.asked += 1
        root = self.roots.get(index, 1)
        return QueueRow(f"{index:016x}", SiteKind.ENDPOINT, root, 2, 0.5, None, False, False)

    def index_of(self, site_id: str) -> int | None:
        return int(site_id, 16)

    def set_filter(self, text: str) -> None:
        self.count = 3 if text else 10


def texts(model: QueueModel, row: int) -> list[object]:
    return [model.data(model.index(row, column)) for column in Column]


def test_model_keeps_qt_s_rules_while_the_queue_changes(qtbot: QtBot) -> None:
    queue = CountingQueue(5)
    model = QueueModel(queue)
    tester = QAbstractItemModelTester(model, QAbstractItemModelTester.FailureReportingMode.Fatal)
    for count in (9, 9, 2, 0, 4):
        queue.count = count
        model.refresh()
        assert model.rowCount() == count
    assert model.rowCount(model.index(0, 0)) == 0
    assert tester.model() is model


def test_refreshing_a_long_queue_reads_no_row(qtbot: QtBot) -> None:
    queue = CountingQueue(1_000_000)
    model = QueueModel(queue)
    model.refresh()
    assert queue.asked == 0
    assert model.data(model.index(999_999, Column.CHANCE)) == "0.50"
    assert queue.asked == 1


def test_only_rows_that_are_others_now_are_painted_again(qtbot: QtBot) -> None:
    queue = CountingQueue(9)
    model = QueueModel(queue)
    told: list[tuple[int, int]] = []
    model.dataChanged.connect(lambda first, last: told.append((first.row(), last.row())))
    for place in (2, 4, 7):
        texts(model, place)
    model.refresh()
    assert told == []
    queue.roots[4] = queue.roots[7] = 8
    model.refresh()
    assert told == [(4, 7)]
    queue.count, queue.roots[2] = 5, 8
    model.refresh()
    assert told[1:] == [(2, 2)]
    assert texts(model, 2)[1] == "8"


def test_a_queue_that_has_just_become_shorter_shows_nothing(qtbot: QtBot) -> None:
    queue = CountingQueue(5)
    model = QueueModel(queue)
    queue.count = 1
    assert model.data(model.index(4, 0)) is None
    assert model.data(QModelIndex()) is None


def test_cells_say_what_the_row_holds(bench: FakeWorkbench, qtbot: QtBot) -> None:
    model = QueueModel(bench.queue)
    rows = [model.index(i, 0).data(ROW_ROLE) for i in range(model.rowCount())]
    failed = next(i for i, row in enumerate(rows) if row.failed and row.answer is None)
    answered = next(i for i, row in enumerate(rows) if row.answer is not None)
    alone = next(i for i, row in enumerate(rows) if row.partner_root is None)
    assert texts(model, failed)[Column.CHANCE] == "failed"
    assert texts(model, failed)[Column.ANSWER] == "retry"
    assert texts(model, answered)[Column.ANSWER] == rows[answered].answer.value
    assert texts(model, alone)[Column.B] == "–"
    tip = model.index(failed, 0).data(Qt.ItemDataRole.ToolTipRole)
    assert str(rows[failed].root) in tip
    assert "failed" in tip


@pytest.mark.parametrize(
    ("value", "short", "tail"),
    [
        (None, "–", "–"),
        (12, "12", "12"),
        (864691135000007919, "8646…7919", "…07919"),
    ],
)
def test_ids_are_cut_so_that_they_differ(value: int | None, short: str, tail: str) -> None:
    assert short_id(value) == short
    assert tail_id(value) == tail


def image_of(window: MainWindow, row: int) -> QImage:
    table = window.queue.table
    table.scrollTo(window.queue.model.index(row, 0))
    left = table.visualRect(window.queue.model.index(row, Column.CHANCE))
    right = table.visualRect(window.queue.model.index(row, Column.ANSWER))
    viewport = table.viewport()
    assert viewport is not None
    return viewport.grab(left.united(right)).toImage()


def colors(image: QImage) -> set[str]:
    every = range(0, image.height()), range(0, image.width())
    return {QColor(image.pixel(x, y)).name() for y in every[0] for x in every[1]}


def test_a_row_carries_both_colours_and_its_probability(window: MainWindow) -> None:
    found = colors(image_of(window, 1))
    assert {COLOR_A, COLOR_B} <= found
    row = window.queue.model.row_at(1)
    assert row is not None
    assert row.probability is not None
    assert theme().error not in found


def test_only_failures_are_red(window: MainWindow, bench: FakeWorkbench) -> None:
    rows = [bench.queue.row(i) for i in range(len(bench.queue))]
    failed = next(i for i, row in enumerate(rows) if row.failed and row.answer is None)
    assert theme().error in colors(image_of(window, failed))


def test_answered_rows_are_faded(window: MainWindow, bench: FakeWorkbench) -> None:
    last = len(bench.queue) - 1
    assert bench.queue.row(last).answer is not None
    assert COLOR_A not in colors(image_of(window, last))


def test_the_current_site_is_the_selected_row(
    window: MainWindow, bench: FakeWorkbench, qtbot: QtBot
) -> None:
    for place in (7, 30, 2):
        bench.select(bench.queue.row(place).site_id)
        window.queue.refresh()
        table = window.queue.table
        assert {i.row() for i in table.selectedIndexes()} == {place}
        viewport = table.viewport()
        assert viewport is not None
        following = table.visualRect(window.queue.model.index(place + 1, 0))
        assert viewport.rect().contains(following)


def test_a_click_selects_and_a_click_on_retry_judges_again(
    window: MainWindow, bench: FakeWorkbench, qtbot: QtBot
) -> None:
    table, model = window.queue.table, window.queue.model
    rows = [bench.queue.row(i) for i in range(len(bench.queue))]
    failed = next(i for i, row in enumerate(rows) if row.failed and row.answer is None)
    for place, column in ((3, Column.A), (failed, Column.ANSWER)):
        index = model.index(place, column)
        table.scrollTo(index)
        click(table.viewport(), table.visualRect(index).center())
    assert bench.calls == [f"select {rows[3].site_id}", "retry"]


def test_filter_narrows_and_an_empty_result_says_so(
    window: MainWindow, bench: FakeWorkbench, qtbot: QtBot
) -> None:
    dock = window.queue
    dock.filter.setText("junction")
    qtbot.waitUntil(lambda: dock.model.rowCount() == len(bench.queue) <= 10)
    assert all(bench.queue.row(i).kind is SiteKind.JUNCTION for i in range(len(bench.queue)))
    dock.filter.setText("nothing like this")
    qtbot.waitUntil(dock.message.isVisible)
    assert dock.message.text == "No site matches the filter."
    assert not dock.table.isVisible()


@pytest.mark.parametrize(
    ("phase", "text", "told"),
    [
        (Phase.EMPTY, "", "No sites yet."),
        (Phase.LOADING, "", "Looking for sites…"),
        (Phase.FAILED, "The segmentation cannot be read.", "The segmentation cannot be read."),
        (Phase.OFFLINE, "No network.", "No network."),
    ],
)
def test_an_empty_queue_says_why(
    window: MainWindow, bench: FakeWorkbench, qtbot: QtBot, phase: Phase, text: str, told: str
) -> None:
    bench.queue.set_filter("nothing like this")
    bench.current = None
    bench.change(queue_phase=phase, queue_text=text)
    qtbot.waitUntil(lambda: window.queue.message.text == told)
    assert window.queue.message.isVisible()


def test_the_queue_folds_to_a_strip_in_a_small_window(
    window: MainWindow, bench: FakeWorkbench, qtbot: QtBot
) -> None:
    assert not window.queue.folded
    window.resize(1280, 720)
    qtbot.waitUntil(lambda: window.queue.width() == FOLDED_WIDTH)
    assert not window.queue.filter.isVisible()
    assert window.queue.table.isColumnHidden(Column.A)
    window.resize(1600, 1000)
    qtbot.waitUntil(lambda: window.queue.width() > 300)
    assert window.queue.filter.isVisible()


def test_an_empty_queue_is_never_a_strip(
    window: MainWindow, bench: FakeWorkbench, qtbot: QtBot
) -> None:
    window.resize(1280, 720)
    qtbot.waitUntil(lambda: window.queue.folded)
    bench.queue.set_filter("nothing like this")
    bench.tell()
    qtbot.waitUntil(lambda: not window.queue.folded)


def test_a_person_s_choice_of_folding_is_kept(window: MainWindow, qtbot: QtBot) -> None:
    window.queue.fold_button.click()
    assert window.queue.folded
    window.resize(1700, 1000)
    assert window.queue.folded


def test_improbable_sites_are_out_of_sight_until_asked_for(
    window: MainWindow, bench: FakeWorkbench, qtbot: QtBot
) -> None:
    before = len(bench.queue)
    bench.hide_below(0.3)
    qtbot.waitUntil(lambda: window.queue.model.rowCount() == len(bench.queue) < before)
    hidden = bench.queue.count(Sight.LOW)
    assert window.queue.hidden.word == f"{hidden} below 0.3 hidden"
    assert window.queue.hidden.isVisible()
    window.queue.hidden.click()
    qtbot.waitUntil(lambda: window.queue.hidden.word == "hide those below 0.3")
    assert window.queue.model.rowCount() == bench.queue.total
    send(window, Qt.Key.Key_I)
    qtbot.waitUntil(lambda: window.queue.model.rowCount() < bench.queue.total)
    assert bench.calls == ["improbable", "improbable"]


def test_when_only_improbable_sites_are_left_the_queue_offers_them(
    window: MainWindow, bench: FakeWorkbench, qtbot: QtBot
) -> None:
    bench.queue.set_filter("contact")
    bench.hide_below(1.0)
    qtbot.waitUntil(window.queue.message.isVisible)
    assert window.queue.message.text == "Only improbable sites are left."
