"""Use-case: how the session goes, kept up to date and written as a report."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from pathlib import Path

from app.services.opening import open_session
from app.services.triage import Triage, TriageView
from proofreading.blind import BlindReport
from proofreading.catalogue import Catalogue
from proofreading.decisions import Answer
from proofreading.edits import EditState
from proofreading.history import looked_at
from proofreading.ledger.store import Ledger
from proofreading.session import Session
from proofreading.statistics import (
    STOP_CHANCE,
    Breaks,
    CalibrationBin,
    Forecast,
    SessionStatistics,
    forecast,
)

__all__ = ["Dashboard", "DashboardView", "ReportSummary", "view_of", "write_report"]

_LATENCIES = 200


@dataclass(frozen=True)
class DashboardView:
    """Everything the dashboard shows."""

    made: SessionStatistics
    triage: TriageView
    blind: BlindReport
    forecast: Forecast


@dataclass(frozen=True)
class ReportSummary:
    """The main figures of a report, and its files."""

    answered: int
    accepted: int
    rejected: int
    automatic: int
    per_hour: float | None
    median_seconds: float | None
    agreement: float | None
    edits_applied: int
    hours_left: float | None
    files: list[str]


class Dashboard:
    """Follows a ledger and says what it adds up to; `triage` is followed by its owner."""

    def __init__(self, ledger: Ledger, catalogue: Catalogue, triage: Triage) -> None:
        self._ledger = ledger
        self._catalogue = catalogue
        self._triage = triage
        self._running = triage.running
        self._breaks = Breaks()
        self._latency: tuple[int, float | None] | None = None

    def follow(self) -> bool:
        """Take in what happened since; tell whether a break should be suggested now."""
        told = False
        for decision in self._triage.follow_ledger():
            told = looked_at(decision) and self._breaks.take(decision.decided_at)
        return told

    @property
    def automatic(self) -> int:
        """Number of sites that were decided without a person."""
        return self._running.automatic

    def calibration(self) -> tuple[CalibrationBin, ...]:
        """Return the person's blind answers beside what the judge expected."""
        return self._running.calibration()

    def was_answered(self, site_id: str) -> bool:
        """Tell whether a person ever answered a site, even if it was taken back."""
        return bool(self._running.history.own_at(site_id))

    def view(self) -> DashboardView:
        """Return the figures now."""
        lanes = self._triage.view()
        made = self._running.statistics(self._ledger.state.edit_counts, self._triage.error_rate)
        left = forecast(
            made,
            lanes.counts,
            self._triage.worth(STOP_CHANCE),
            locked=lanes.lock is not None,
            judge_ms=self._judge_ms(),
        )
        return DashboardView(made, lanes, self._running.blind_report(), left)

    def _judge_ms(self) -> float | None:
        """Return the median time of the last verdicts; asked anew as verdicts come."""
        verdicts = self._catalogue.counts().verdicts
        if self._latency is None or verdicts > 1.1 * self._latency[0]:
            times = self._catalogue.latencies(_LATENCIES)
            self._latency = (verdicts, statistics.median(times) if times else None)
        return self._latency[1]


def view_of(session: Session) -> DashboardView:
    """Return the figures of an open session."""
    triage = Triage(session.catalogue, session.ledger)
    triage.follow_all()
    dashboard = Dashboard(session.ledger, session.catalogue, triage)
    dashboard.follow()
    return dashboard.view()


def write_report(folder: Path, out: Path) -> ReportSummary:
    """Write ``report.html``, which needs no other file, and ``report.png``.

    Raises
    ------
    MissingPackageError
        If matplotlib is not installed.
    StorageError
        If the folder cannot be written.
    """
    from app.services.report_page import write_pages

    with open_session(folder, role="worker") as session:
        view = view_of(session)
        files = write_pages(view, session.name, session.info.datastack_name, out)
    made = view.made
    return ReportSummary(
        answered=sum(made.answers.values()),
        accepted=made.answers[Answer.ACCEPT],
        rejected=made.answers[Answer.REJECT],
        automatic=made.automatic,
        per_hour=made.pace.per_hour,
        median_seconds=made.pace.median_s,
        agreement=made.agreement.value,
        edits_applied=made.edits.get(EditState.COMMITTED, 0),
        hours_left=view.forecast.hours,
        files=[str(path) for path in files],
    )
