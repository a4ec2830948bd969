"""The result of a campaign as a table."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.faults.campaign import CampaignReport
from benchmarks.measured import Measured, Report
from benchmarks.registry import machine

__all__ = ["campaign_table"]


def campaign_table(report: CampaignReport, seed: int) -> Report:
    """Return what was done and what went wrong; everything wrong has the goal 0."""
    return Report(f"faults, seed {seed}", machine(), tuple(_rows(report)))


def _rows(report: CampaignReport) -> Iterator[Measured]:
    verdict = report.verdict
    yield Measured("edits", verdict.edits, "", n=report.worlds, note="in so many worlds")
    for state, count in sorted(verdict.states.items()):
        yield Measured(f"  {state} at the end", count, "")
    yield Measured("operations in the graph", verdict.operations, "", note="undos and others' too")
    yield Measured("edits by somebody else", report.foreign_edits, "")
    yield Measured("lives of the client", report.lives, "")
    yield Measured("client killed (kill -9)", report.client_kills, "")
    yield Measured("service killed (kill -9)", report.service_kills, "")
    yield Measured("kinds of fault", len(report.faults), "", note=", ".join(sorted(report.faults)))
    for name, found in (
        ("applied twice", verdict.twice),
        ("called applied, not in the graph", verdict.lost),
        ("called not applied, in the graph", verdict.hidden),
        ("verdict rows written twice", verdict.rows_twice),
        ("committed without a verdict row", verdict.rows_missing),
        ("never settled", verdict.open),
        ("broken invariants", verdict.broken),
    ):
        yield Measured(name, len(found), "", "0", not found, note="; ".join(found[:2]))
    yield Measured("time", report.seconds, "s")
