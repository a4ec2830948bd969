"""The dashboard: how the session goes, at a glance, and the report that says it at length."""

from __future__ import annotations

from collections.abc import Callable

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QScrollArea, QVBoxLayout, QWidget

from app.services.dashboard import DashboardView
from app.services.report_page import duration, forecast_words
from app.services.report_plot import rolling_median
from app.ui.charts import Bar, Bars, Curve, Dot, Dots, Range, Ranges
from app.ui.theme import GRID, question_font
from app.ui.widgets import Message, button, label, rule, shown, title
from proofreading.decisions import Answer
from proofreading.edits import EditState
from proofreading.intervals import Share

__all__ = ["DashboardPanel"]

_TILES = ("answers an hour", "median answer", "answered", "edits applied", "to go")
_NEWEST = 2000
"""Answers whose times are drawn: more than there are pixels helps nobody."""


class DashboardPanel(QWidget):
    """Figures and small charts of a session.

    Parameters
    ----------
    save : callable
        Called when the person wants the report as files.
    """

    def __init__(self, save: Callable[[], object]) -> None:
        super().__init__()
        self.tiles = {name: _Tile(name) for name in _TILES}
        self.curve = Curve()
        self.shares = Ranges()
        self.calibration = Dots()
        self.lanes = Bars()
        self.outcomes = Bars()
        self._lanes_title = title("Open sites")
        self.forecast = label("", "dim", wrap=True)
        self._empty = Message()
        self._page = self._charts()
        head = QHBoxLayout()
        head.addWidget(title("How the session goes"))
        head.addStretch(1)
        self.save_button = button("Save report…", save)
        head.addWidget(self.save_button)
        column = QVBoxLayout(self)
        column.setContentsMargins(2 * GRID, 2 * GRID, 2 * GRID, 2 * GRID)
        column.setSpacing(2 * GRID)
        column.addLayout(head)
        column.addLayout(self._tile_row())
        column.addWidget(rule())
        column.addWidget(self._empty, 1)
        column.addWidget(self._page, 1)

    def show_view(self, view: DashboardView) -> None:
        """Show the figures."""
        answered = sum(view.made.answers.values())
        shown(self._empty, when=answered == 0)
        shown(self._page, when=answered > 0)
        self._show_tiles(view, answered)
        if answered == 0:
            self._empty.say("Nothing is answered yet.", "The figures come with the first answers.")
            return
        self.curve.show_values(rolling_median(view.made.seconds[-_NEWEST:]))
        self.shares.show_ranges(_ranges(view))
        self.calibration.show_dots(
            [
                Dot(one.expected, one.observed.value, one.observed.low, one.observed.high)
                for one in view.made.calibration
                if one.observed.value is not None
            ]
        )
        counts = view.triage.counts
        self._lanes_title.setText(f"Open sites at {counts.error_rate * 100:g} % accepted error")
        self.lanes.show_bars(
            [
                Bar("automatic", counts.automatic),
                Bar("quick look", counts.quick),
                Bar("full review", counts.full),
            ]
        )
        self.outcomes.show_bars(_outcomes(view))
        self.forecast.setText(forecast_words(view.forecast))

    def _show_tiles(self, view: DashboardView, answered: int) -> None:
        pace, left = view.made.pace, view.forecast
        texts = {
            "answers an hour": _or_dash(pace.per_hour, "{:.0f}"),
            "median answer": _or_dash(pace.median_s, "{:.1f} s"),
            "answered": f"{answered:,}",
            "edits applied": f"{view.made.edits.get(EditState.COMMITTED, 0):,}",
            "to go": "–" if left.hours is None else duration(left.hours),
        }
        for name, text in texts.items():
            self.tiles[name].show_text(text)

    def _tile_row(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(3 * GRID)
        for tile in self.tiles.values():
            row.addWidget(tile)
        row.addStretch(1)
        return row

    def _charts(self) -> QScrollArea:
        page = QWidget()
        grid = QGridLayout(page)
        grid.setContentsMargins(0, 0, GRID, 0)
        grid.setHorizontalSpacing(4 * GRID)
        grid.setVerticalSpacing(GRID)
        grid.setColumnStretch(0, 1)
        grid.setColumnStretch(1, 1)
        cells: tuple[tuple[QLabel, QWidget], ...] = (
            (title("Seconds of an answer (median of 25)"), self.curve),
            (title("Your blind answers, and what the judge expects"), self.calibration),
            (title("How well, with 95 % intervals"), self.shares),
            (title("Answers and edits"), self.outcomes),
            (self._lanes_title, self.lanes),
            (title("What is left"), self.forecast),
        )
        for place, (heading, part) in enumerate(cells):
            row, side = divmod(place, 2)
            grid.addWidget(heading, 3 * row, side)
            grid.addWidget(part, 3 * row + 1, side, Qt.AlignmentFlag.AlignTop if row else _FILL)
            grid.setRowMinimumHeight(3 * row + 2, GRID)
        grid.setRowStretch(9, 1)
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setWidget(page)
        return area


_FILL = Qt.AlignmentFlag(0)


class _Tile(QWidget):
    """One figure with its name."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._figure = label("–")
        self._figure.setFont(question_font())
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self._figure)
        column.addWidget(label(name, "dim"))

    @property
    def text(self) -> str:
        """The figure."""
        return self._figure.text()

    def show_text(self, text: str) -> None:
        """Show another figure."""
        self._figure.setText(text)


def _or_dash(value: float | None, form: str) -> str:
    return "–" if value is None else form.format(value)


def _ranges(view: DashboardView) -> list[Range]:
    blind = view.blind
    rows: tuple[tuple[str, Share], ...] = (
        ("right on gold sites", blind.accuracy),
        ("agrees, verdict hidden", blind.agree_blind),
        ("agrees, verdict shown", blind.agree_shown),
        ("changed to the judge", blind.flips_to),
        ("lane wrong, by audit", view.triage.audit.error),
    )
    return [Range(name, s.value, s.low, s.high, s.count) for name, s in rows]


def _outcomes(view: DashboardView) -> list[Bar]:
    bars = [Bar(answer.value, view.made.answers.get(answer, 0)) for answer in Answer]
    bars += [
        Bar(f"edits {state.value}", count)
        for state, count in view.made.edits.items()
        if count or state is EditState.COMMITTED
    ]
    return bars
