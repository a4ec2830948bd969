"""The pictures of a session's report."""

from __future__ import annotations

import io
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from connectome.errors import MissingPackageError
from proofreading.decisions import Answer
from proofreading.edits import EditState
from proofreading.files import storage_errors

if TYPE_CHECKING:
    from app.services.dashboard import DashboardView
    from proofreading.intervals import Share

__all__ = ["figure_png", "figure_svg", "rolling_median"]

# Colours that people who see few colours can tell apart (Okabe and Ito 2008).
_BLUE, _GREEN, _GREY = "#0072B2", "#009E73", "#8a8f98"
_ROLLING = 25
_STYLE: Any = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.edgecolor": "#777777",
    "grid.color": "#e4e4e4",
    "svg.fonttype": "none",
    "svg.hashsalt": "proofdesk",
}


def figure_png(view: DashboardView, path: Path) -> None:
    """Write the figure as PNG, 200 dots an inch.

    Raises
    ------
    MissingPackageError
        If matplotlib is not installed.
    StorageError
        If it cannot be written.
    """
    with storage_errors(path):
        path.write_bytes(_saved(view, "png"))


def figure_svg(view: DashboardView) -> str:
    """Return the figure as SVG that can stand inside a page."""
    text = _saved(view, "svg").decode()
    return text[text.index("<svg") :]


def rolling_median(values: Sequence[float], width: int = _ROLLING) -> list[float]:
    """Return the median of each value and the ``width - 1`` before it, as far as there are."""
    return [
        statistics.median(values[max(0, end - width) : end]) for end in range(1, len(values) + 1)
    ]


def _saved(view: DashboardView, kind: str) -> bytes:
    try:
        from matplotlib import rc_context
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingPackageError(
            "The package matplotlib is not installed.", "Install Proofdesk with the extra `gui`."
        ) from error
    with rc_context(_STYLE):
        figure = Figure(figsize=(11, 6.4), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots(2, 3).ravel()
        draws = (_pace, _sittings, _calibration, _agreement, _lanes, _edits)
        for ax, draw in zip(axes, draws, strict=True):
            draw(ax, view)
        file = io.BytesIO()
        no_date = {"Date": None} if kind == "svg" else {"Software": None}
        figure.savefig(file, format=kind, dpi=200, metadata=no_date)
    return file.getvalue()


def _pace(ax: Any, view: DashboardView) -> None:
    ax.set_title("Seconds of an answer")
    seconds = view.made.seconds
    if seconds:
        places = range(1, len(seconds) + 1)
        ax.scatter(places, seconds, s=5, color=_GREY, alpha=0.5, lw=0)
        ax.plot(places, rolling_median(seconds), color=_BLUE, lw=1.8, label=f"median of {_ROLLING}")
        ax.set_yscale("log")
        ticks = [tick for tick in (1, 2, 5, 10, 20, 50) if min(seconds) <= tick <= max(seconds)]
        ax.set_yticks(ticks, [f"{tick}" for tick in ticks])
        ax.minorticks_off()
        ax.legend(frameon=False)
    ax.set_xlabel("answers, in order (pauses left out)")
    ax.grid(visible=True, axis="y")


def _sittings(ax: Any, view: DashboardView) -> None:
    sittings = view.made.sittings
    ax.set_title("Answers in each sitting")
    ax.bar(range(1, len(sittings.answers) + 1), sittings.answers, color=_BLUE, width=0.7)
    ax.axhline(300, color=_GREY, lw=1, ls="--")
    ax.set_ylim(0, 1.1 * max((*sittings.answers, 300)))
    ax.set_xlim(0.4, max(3.0, len(sittings.answers)) + 0.6)
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.set_xlabel("sitting (dashed: a break does good)")


def _calibration(ax: Any, view: DashboardView) -> None:
    ax.set_title("Blind answers and calibration")
    ax.plot([0, 1], [0, 1], color=_GREY, lw=1, ls="--")
    bins = view.made.calibration
    if bins:
        x = [one.expected for one in bins]
        y = [one.observed.value or 0.0 for one in bins]
        below = [(one.observed.value or 0.0) - one.observed.low for one in bins]
        above = [one.observed.high - (one.observed.value or 0.0) for one in bins]
        ax.errorbar(x, y, yerr=[below, above], fmt="o", ms=4, color=_BLUE, lw=1.2)
    ax.set_xlim(-0.02, 1.02)
    ax.set_ylim(-0.02, 1.02)
    ax.set_xlabel("probability of a yes")
    ax.set_ylabel("share of yes")
    ax.grid(visible=True)


def _agreement(ax: Any, view: DashboardView) -> None:
    ax.set_title("Shares, with 95 % intervals")
    blind = view.blind
    rows: list[tuple[str, Share]] = [
        ("agrees, verdict shown", blind.agree_shown),
        ("agrees, verdict hidden", blind.agree_blind),
        ("flips to the judge", blind.flips_to),
        ("right on gold sites", blind.accuracy),
        ("audit: lane wrong", view.triage.audit.error),
    ]
    for place, (_, share) in enumerate(reversed(rows)):
        if share.value is not None:
            ax.plot([share.low, share.high], [place, place], color=_BLUE, lw=1.6)
            ax.plot([share.value], [place], "o", ms=5, color=_BLUE)
    names = [f"{name} ({share.count})" for name, share in reversed(rows)]
    ax.set_yticks(range(len(rows)), names)
    ax.set_xlim(-0.02, 1.02)
    ax.set_ylim(-0.6, len(rows) - 0.4)
    ax.grid(visible=True, axis="x")


def _lanes(ax: Any, view: DashboardView) -> None:
    counts = view.triage.counts
    ax.set_title(f"Open sites at {counts.error_rate * 100:g} % accepted error")
    _bars(ax, {"automatic": counts.automatic, "quick look": counts.quick, "full": counts.full})


def _edits(ax: Any, view: DashboardView) -> None:
    ax.set_title("Answers and edits")
    answers = {answer.value: view.made.answers.get(answer, 0) for answer in Answer}
    edits = {
        f"edit {state.value}": count
        for state, count in view.made.edits.items()
        if count or state is EditState.COMMITTED
    }
    _bars(ax, {**answers, **edits}, len(answers))


def _bars(ax: Any, values: dict[str, int], first: int = 99) -> None:
    names = list(values)[::-1]
    colors = [_BLUE if list(values).index(name) < first else _GREEN for name in names]
    drawn = ax.barh(range(len(names)), [values[name] for name in names], color=colors, height=0.65)
    ax.bar_label(drawn, fmt="{:,.0f}", padding=3)
    ax.set_yticks(range(len(names)), names)
    ax.set_xlim(0, 1.18 * max((*values.values(), 1)))
    ax.set_xticks([])
    ax.spines["bottom"].set_visible(False)
