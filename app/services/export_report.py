"""What an export did, or would do, in numbers and in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from proofreading.edits import EditRecord, EditState, MergeEdit
from proofreading.export.checks import Readiness
from proofreading.export.plan import Planned
from proofreading.export.summary import ExportSummary

__all__ = [
    "ExportReport",
    "describe",
    "done_report",
    "outcome_of",
    "planned_report",
]

_NEEDLESS = (Readiness.JOINED, Readiness.APART)
_HELD = (Readiness.CONFLICT, Readiness.GONE, Readiness.WARNED)


@dataclass(frozen=True)
class ExportReport:
    """What an export did, or would do in a dry run.

    Parameters
    ----------
    needless : int
        Edits with nothing left to do: one object already, or apart already.
    conflicts : int
        Edits that are not what the person saw; `held` of them wait for a second look.
    failed : int
        Edits that the server or the preview refused.
    partial : int
        Cuts that were applied and left one object.
    rebased : int
        Edits sent although their objects had been edited since, without harm.
    rows, rows_waiting : int
        Rows written in annotation tables, and rows still to be written.
    offline : bool
        Whether there was no network: what waits goes out with a later run.
    changes : tuple of str
        For each edit whose objects were changed: by how many operations and by whom.
    """

    dry_run: bool
    edits: int
    applied: int
    conflicts: int
    failed: int
    unknown: int
    waiting: int
    needless: int = 0
    held: int = 0
    partial: int = 0
    rebased: int = 0
    rows: int = 0
    rows_waiting: int = 0
    sites: int = 0
    judged: int = 0
    accepted: int = 0
    right_merges: int | None = None
    wrong_merges: int | None = None
    offline: bool = False
    stopped: str = ""
    tables: tuple[str, ...] = ()
    lines: tuple[str, ...] = field(default=())
    changes: tuple[str, ...] = field(default=())


def planned_report(planned: Sequence[Planned], held: Sequence[EditRecord]) -> ExportReport:
    """Return the report of a dry run over edits that wait and edits that are held."""
    readiness = [plan.check.readiness for plan in planned]
    return ExportReport(
        dry_run=True,
        edits=len(planned) + len(held),
        applied=0,
        conflicts=sum(r in _HELD for r in readiness) + len(held),
        failed=readiness.count(Readiness.UNCUTTABLE),
        unknown=0,
        waiting=sum(plan.ok for plan in planned),
        needless=sum(r in _NEEDLESS for r in readiness),
        held=len(held),
        rebased=readiness.count(Readiness.REBASED),
        lines=(
            *(f"{describe(plan.record)}: {_verdict_of(plan)}" for plan in planned),
            *(f"{describe(record)}: held: {record.message}" for record in held),
        ),
        changes=tuple(
            f"{describe(plan.record)}: {plan.conflict}" for plan in planned if plan.conflict
        ),
    )


def done_report(summary: ExportSummary) -> ExportReport:
    """Return the report of a run."""
    needless = sum(record.needless for record in summary.records)
    names = {record.edit.id: describe(record) for record in summary.records}
    rows = summary.rows
    stopped = summary.stopped or (rows.stopped if rows else "")
    return ExportReport(
        dry_run=False,
        edits=len(summary.records),
        applied=summary.count(EditState.COMMITTED),
        conflicts=summary.count(EditState.CONFLICT) - needless,
        failed=summary.count(EditState.FAILED),
        unknown=summary.count(EditState.UNKNOWN, EditState.SUBMITTED),
        waiting=summary.waiting,
        needless=needless,
        held=sum(record.held for record in summary.records),
        partial=summary.count(EditState.PARTIAL),
        rebased=sum(record.rebased for record in summary.records),
        rows=rows.written if rows else 0,
        rows_waiting=rows.waiting if rows else 0,
        offline=summary.offline,
        stopped=stopped,
        lines=tuple(f"{describe(record)}: {outcome_of(record)}" for record in summary.records),
        changes=tuple(
            f"{names.get(change.edit_id, change.edit_id)}: {change}" for change in summary.conflicts
        ),
    )


def describe(record: EditRecord) -> str:
    """Return an edit as short words."""
    edit = record.edit
    if isinstance(edit, MergeEdit):
        return f"merge {edit.expected_roots[0]} and {edit.expected_roots[1]}"
    return f"split {edit.expected_root}"


def outcome_of(record: EditRecord) -> str:
    """Return how far an edit has come, in words."""
    operation = f" (operation {record.operation_id})" if record.operation_id is not None else ""
    message = f": {record.message}" if record.message else ""
    state = record.reason.value if record.needless else record.state.value
    return f"{state}{operation}{message}"


def _verdict_of(plan: Planned) -> str:
    return plan.check.message or "ready to be sent"
