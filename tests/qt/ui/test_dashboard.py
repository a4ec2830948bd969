"""The dashboard shows what the session adds up to."""

from __future__ import annotations

from pathlib import Path

import pytest
from PyQt6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.services.dashboard import DashboardView, view_of
from app.ui.charts import Curve, Range, Ranges
from app.ui.dashboard import DashboardPanel
from app.ui.theme import DARK, LIGHT, Theme, apply_theme, theme
from tests.qt.ui.pointer import click
from tests.unit.proofreading.played import played


@pytest.fixture(scope="module")
def view(tmp_path_factory: pytest.TempPathFactory) -> DashboardView:
    with played(tmp_path_factory.mktemp("a") / "a.proofdesk") as session:
        return view_of(session)


def _panel(qtbot: QtBot, qapp: QApplication, saved: list[int]) -> DashboardPanel:
    apply_theme(qapp)
    made = DashboardPanel(lambda: saved.append(1))
    qtbot.addWidget(made)
    made.resize(1000, 700)
    made.show()
    qtbot.waitExposed(made)
    return made


def test_the_figures_are_those_of_the_session(
    qtbot: QtBot, qapp: QApplication, view: DashboardView
) -> None:
    panel = _panel(qtbot, qapp, [])
    panel.show_view(view)
    assert panel.tiles["answered"].text == "420"
    assert panel.tiles["answers an hour"].text == f"{view.made.pace.per_hour:.0f}"
    assert panel.tiles["to go"].text.endswith("min")
    accuracy = view.blind.accuracy
    assert f"right on gold sites {accuracy.hits / accuracy.count * 100:.0f} % of 30" in (
        panel.shares.accessibleDescription()
    )
    assert f"automatic {view.triage.counts.automatic}" in panel.lanes.accessibleDescription()
    assert "sites need a person" in panel.forecast.text()


def test_the_report_is_saved_on_demand(qtbot: QtBot, qapp: QApplication) -> None:
    saved: list[int] = []
    panel = _panel(qtbot, qapp, saved)
    click(panel.save_button)
    assert saved == [1]


def test_an_empty_session_says_what_to_do(qtbot: QtBot, qapp: QApplication, tmp_path: Path) -> None:
    with played(tmp_path / "b.proofdesk", answers=0) as session:
        nothing = view_of(session)
    panel = _panel(qtbot, qapp, [])
    panel.show_view(nothing)
    assert panel.tiles["answers an hour"].text == "–"
    assert not panel.shares.isVisible()


@pytest.mark.parametrize("appearance", [DARK, LIGHT], ids=["dark", "light"])
def test_the_curve_is_painted_where_its_values_are(
    qtbot: QtBot, qapp: QApplication, appearance: Theme
) -> None:
    apply_theme(qapp, appearance)
    curve = Curve()
    qtbot.addWidget(curve)
    curve.resize(400, 200)
    heights = []
    for seconds in (3.0, 30.0):
        curve.show_values([seconds] * 50)
        picture = curve.grab().toImage()
        column = [picture.pixelColor(200, y).name() for y in range(picture.height())]
        heights.append(column.index(theme().text))
    assert heights[0] > heights[1] + 30
    apply_theme(qapp)


def test_an_unknown_share_has_no_dot(qtbot: QtBot, qapp: QApplication) -> None:
    apply_theme(qapp)
    chart = Ranges()
    qtbot.addWidget(chart)
    chart.resize(500, 40)
    chart.show_ranges([Range("x", None, 0.0, 1.0, 0)])
    assert chart.accessibleDescription() == "x – of 0"
    middle = chart.grab().toImage()
    dot = [middle.pixelColor(x, 12).name() for x in range(200, 340)]
    assert theme().text not in dot
