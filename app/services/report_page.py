"""A session's report as one page that needs no other file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from app.services.report_plot import figure_png, figure_svg
from inference.evaluation.bootstrap import Figure
from inference.evaluation.page import cell, figure_cell, page, paragraph, section, table
from proofreading.files import storage_errors, write_atomically
from proofreading.intervals import Share
from proofreading.statistics import STOP_CHANCE, Forecast

if TYPE_CHECKING:
    from app.services.dashboard import DashboardView

__all__ = ["duration", "forecast_words", "page_of", "write_pages"]


def write_pages(view: DashboardView, name: str, datastack: str, out: Path) -> list[Path]:
    """Write ``report.html`` and ``report.png`` into a folder and return them."""
    with storage_errors(out):
        out.mkdir(parents=True, exist_ok=True)
    files = [out / "report.html", out / "report.png"]
    write_atomically(files[0], page_of(view, name, datastack))
    figure_png(view, files[1])
    return files


def page_of(view: DashboardView, name: str, datastack: str) -> str:
    """Return the page."""
    parts = [
        paragraph(f"Session {name} on {datastack}.", "lead"),
        paragraph(_lead(view)),
        figure_svg(view),
        section("Pace"),
        _pace_table(view),
        section("How well"),
        paragraph(
            "Only the first answer to a site counts here; n is the number of sites. The "
            "intervals are exact (95 %)."
        ),
        table(("", "share", "n"), [_share_row(*row) for row in _shares(view)]),
        paragraph(_pull_words(view)),
        section("Trust in the judge here"),
        paragraph(_trust_words(view)),
        section("What is left"),
        paragraph(forecast_words(view.forecast)),
    ]
    return page(f"Proofreading report: {name}", parts)


def forecast_words(left: Forecast) -> str:
    """Return the forecast as sentences."""
    if left.hours is None or left.hours_low is None or left.hours_high is None:
        return f"{left.sites:,} sites are open; the hours follow once some are answered."
    text = (
        f"{left.sites:,} sites need a person: about {duration(left.hours)} at your pace "
        f"({duration(left.hours_low)} to {duration(left.hours_high)}). Of the judged open sites, "
        f"about {left.errors_open:.0f} are errors. "
    )
    if left.stop_hours is not None:
        text += (
            f"Looking only at those at least {STOP_CHANCE * 100:.0f} % likely: "
            f"{left.stop_looks:,} sites, {duration(left.stop_hours)}, "
            f"and about {left.errors_left:.0f} of the errors stay. "
        )
    if left.machine_hours:
        text += f"The judge needs {duration(left.machine_hours)} for what it has not seen."
    return text.strip()


def duration(hours: float) -> str:
    """Return a time as people say it: minutes below two hours."""
    minutes = hours * 60
    if minutes < 1:
        return "under a minute"
    return f"{minutes:.0f} min" if minutes < 120 else f"{hours:.1f} h"


def _lead(view: DashboardView) -> str:
    made, pace = view.made, view.made.pace
    answered = sum(made.answers.values())
    text = f"{answered:,} sites answered by a person, {made.automatic:,} automatically"
    if pace.per_hour is not None and pace.median_s is not None:
        text += (
            f"; {pace.per_hour:.0f} an hour over {pace.worked_hours:.1f} hours of work, "
            f"{pace.median_s:.1f} seconds in the median"
        )
    return f"{text}. {made.taken_back:,} answers were taken back."


def _pace_table(view: DashboardView) -> str:
    rows = [
        [
            cell(f"{one.lane.value} lane"),
            cell(f"{one.answers:,}"),
            cell("–" if one.median_s is None else f"{one.median_s:.1f} s"),
            cell("–" if one.mean_s is None else f"{one.mean_s:.1f} s"),
        ]
        for one in view.made.lanes
    ]
    return table(("by today's dial", "answers", "median", "mean"), rows)


def _shares(view: DashboardView) -> Iterator[tuple[str, Share]]:
    blind = view.blind
    yield "right on gold sites", blind.accuracy
    yield "… where the answer is yes", blind.found
    yield "… where the answer is no", blind.spared
    yield "the judge, on the same gold sites", blind.judge_accuracy
    yield "like the judge, verdict hidden", blind.agree_blind
    yield "like the judge, verdict shown", blind.agree_shown
    yield "unlike the judge, then changed to it", blind.flips_to
    yield "like the judge, then changed from it", blind.flips_away
    yield "automatic lane, wrong by the audit", view.triage.audit.error


def _share_row(name: str, share: Share) -> list[str]:
    known = None if share.value is None else Figure(share.value, share.low, share.high)
    return [cell(name), figure_cell(known, percent=True), cell(share.count, "faint")]


def _pull_words(view: DashboardView) -> str:
    pull = view.blind.pull
    if pull.value is None:
        return "What seeing the verdict does to answers is known once some are given blind."
    return (
        f"Seeing the verdict adds {_points(pull.value)} percentage points of agreement "
        f"({_points(pull.low)} to {_points(pull.high)})."
    )


def _points(share: float) -> str:
    return f"{share * 100:+.0f}".replace("-", "−")


def _trust_words(view: DashboardView) -> str:
    lanes, counts = view.triage, view.triage.counts
    state = "unlocked." if lanes.lock is None else f"locked: {lanes.lock.text}"
    return (
        f"Accepted error {counts.error_rate * 100:g} %. The automatic lane is {state} It would "
        f"hold {counts.automatic:,} sites, of which about {counts.wrong.value:.0f} wrong "
        f"({counts.wrong.low:,}–{counts.wrong.high:,}) if the calibration holds. Blind answers "
        f"so far: {lanes.confirmation.blind:,}."
    )
