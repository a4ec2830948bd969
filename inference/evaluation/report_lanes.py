"""The report's chapter on answers that need no person."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from inference.evaluation.answers import Answers
from inference.evaluation.lanes import Lane, LaneAudit
from inference.evaluation.page import cell, figure_cell, paragraph, section, table
from inference.evaluation.risk import TARGETS, LaneRow, lane_rows

__all__ = ["lanes_chapter"]

_ROOM = 2
"""An audited error of so many times the target is still taken for chance."""


def lanes_chapter(answers: Answers) -> Iterator[str]:
    """Yield the lanes of every judge and source, and what the audit found in them."""
    rows = [
        row
        for judge in answers.values("judge")
        if not judge.startswith("boosting")
        for source in answers.where(judge=judge).values("source")
        for target in TARGETS
        for row in lane_rows(answers.where(judge=judge, source=source), target)
    ]
    if not rows:
        return
    yield section("What may be decided without a person", 3)
    yield paragraph(
        "Thresholds are chosen so that the upper 95 % confidence bound of the error beyond "
        "them stays at the target, on answers from another block than those audited. An empty "
        "lane means that the answers at hand cannot prove so small an error, however good "
        "they may be. In use the lane stays locked on a dataset until a person's own "
        "decisions there confirm the calibration."
    )
    yield table(
        (
            "judge",
            "questions",
            "target",
            "chosen on",
            "accepted",
            "error",
            "rejected",
            "error",
            "decided automatically",
            "error",
            "",
        ),
        [_cells(row) for row in rows],
    )


def _cells(row: LaneRow) -> Sequence[str]:
    found = row.audit
    return (
        cell(row.judge),
        cell(row.source),
        cell(f"{row.target_error:.0%}"),
        cell(row.chosen_on, "faint"),
        _lane(row.lanes.accept, found.accepted, "≥"),
        figure_cell(found.accepted.error, percent=True),
        _lane(row.lanes.reject, found.rejected, "≤"),
        figure_cell(found.rejected.error, percent=True),
        cell(f"{found.automatic.count} ({found.automatic.coverage:.0%})"),
        figure_cell(found.automatic.error, percent=True),
        _kept(row),
    )


def _lane(lane: Lane, found: LaneAudit, sign: str) -> str:
    if lane.threshold is None:
        return cell("none", "faint")
    return cell(f"{found.count} ({sign} {lane.threshold:.3f})")


def _kept(row: LaneRow) -> str:
    error = row.audit.automatic.error
    if error is None:
        return cell("empty", "faint")
    good = error.value <= _ROOM * row.target_error
    return cell(f"{'within' if good else 'above'} {_ROOM * row.target_error:.0%}",
                "ok" if good else "bad")  # fmt: skip
