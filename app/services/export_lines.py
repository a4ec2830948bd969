"""Edits as lines of a list: what would become of each now, or what has become of it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from app.services.export_report import describe
from app.services.model import Fate, PlannedEdit
from proofreading.edits import EditRecord, EditState, Reason, SplitEdit
from proofreading.export.checks import Readiness
from proofreading.export.conflicts import Conflict
from proofreading.export.plan import Planned
from proofreading.ledger.fold import LedgerState

__all__ = ["changes_in_words", "known_lines", "looked_at", "moment_in_words"]

_FATES = {
    Readiness.READY: Fate.READY,
    Readiness.REBASED: Fate.READY,
    Readiness.JOINED: Fate.NEEDLESS,
    Readiness.APART: Fate.NEEDLESS,
    Readiness.CONFLICT: Fate.LOOK,
    Readiness.GONE: Fate.LOOK,
    Readiness.WARNED: Fate.WARNED,
    Readiness.UNCUTTABLE: Fate.FAILED,
    Readiness.STALE: Fate.WAITING,
}
_APPLIED = {EditState.COMMITTED: Fate.APPLIED, EditState.PARTIAL: Fate.PARTIAL}
_HOPELESS = (Reason.GONE, Reason.UNCUTTABLE)
_UNKNOWN = "Not known yet whether it was applied; the next export finds out by reading."
_AS_SEEN = "Its objects are again what was seen."


def known_lines(state: LedgerState, ended: Collection[str]) -> list[PlannedEdit]:
    """Return what the ledger alone knows: nothing is read from the graph.

    Parameters
    ----------
    state : LedgerState
        The session.
    ended : collection of str
        Edits of the last export, whose outcomes are listed as well.
    """
    waiting = [_line(r, Fate.WAITING, r.message) for r in state.pending_edits()]
    held = [_line(r, _held_fate(r), r.message) for r in state.held_edits()]
    open_ = [_line(r, Fate.UNKNOWN, _UNKNOWN) for r in state.unanswered_edits()]
    failed = [r for r in state.edits(EditState.FAILED) if state.stands(r.edit.decision_id)]
    refused = [_line(r, Fate.FAILED, r.message) for r in failed]
    return [*held, *refused, *open_, *waiting, *_outcomes(state, ended)]


def looked_at(
    known: Sequence[PlannedEdit], planned: Sequence[Planned], held: Sequence[Planned]
) -> list[PlannedEdit]:
    """Return the lines with what looking at the waiting and held edits has shown."""
    news = {plan.record.edit.id: _planned_line(plan) for plan in planned}
    news |= {plan.record.edit.id: _held_line(plan) for plan in held}
    lines = [news.pop(line.edit_id, line) for line in known]
    return lines + list(news.values())


def changes_in_words(conflict: Conflict | None) -> str:
    """Return how often, by whom and when objects were changed; empty if by nobody else."""
    if conflict is None or not conflict.others:
        return ""
    times = "one operation" if conflict.others == 1 else f"{conflict.others} operations"
    of = f" of {_people(conflict.users)}" if conflict.users else ""
    last = "" if conflict.last is None else f", the last on {moment_in_words(conflict.last)}"
    return f"Changed by {times}{of}{last}."


def _people(users: Sequence[str]) -> str:
    """Return who it was; many servers know their users by number only."""
    who = " and ".join(users)
    if all(user.isdecimal() for user in users):
        return f"user {who}" if len(users) == 1 else f"users {who}"
    return who


def moment_in_words(at: datetime) -> str:
    """Return a time as this machine's clock would have shown it."""
    local = at.astimezone()
    return f"{local.day} {local:%B %Y, %H:%M}"


def _outcomes(state: LedgerState, ended: Collection[str]) -> list[PlannedEdit]:
    lines = []
    for record in (state.edit(edit_id) for edit_id in ended):
        if record is None:
            continue
        if record.needless:
            lines.append(_line(record, Fate.NEEDLESS, record.message))
        elif record.state in _APPLIED:
            lines.append(_line(record, _APPLIED[record.state], _applied_by(record)))
    return lines


def _applied_by(record: EditRecord) -> str:
    number = record.operation_id
    operation = "Operation not told." if number is None else f"Operation {number}."
    return f"{operation} {record.message}".strip()


def _planned_line(plan: Planned) -> PlannedEdit:
    outcome = plan.check.message
    if plan.ok and not outcome and isinstance(plan.record.edit, SplitEdit):
        outcome = "The preview of the cut separates the points."
    return _line(plan.record, _FATES[plan.check.readiness], outcome, plan)


def _held_line(plan: Planned) -> PlannedEdit:
    record, now = plan.record, plan.check
    outcome = record.message
    if record.reason is not Reason.WARNED:
        outcome = _AS_SEEN if now.ok else now.message
    return _line(record, _held_fate(record), outcome, plan)


def _held_fate(record: EditRecord) -> Fate:
    return Fate.WARNED if record.reason is Reason.WARNED else Fate.LOOK


def _line(record: EditRecord, fate: Fate, outcome: str, plan: Planned | None = None) -> PlannedEdit:
    reason, warnings = record.reason, record.warnings
    if plan is not None and not record.held:
        reason, warnings = plan.check.reason, tuple(w.code for w in plan.check.warnings)
    return PlannedEdit(
        edit_id=record.edit.id,
        site_id=record.edit.site_id,
        text=describe(record),
        outcome=outcome,
        fate=fate,
        reason=reason.value,
        changes=changes_in_words(None if plan is None else plan.conflict),
        roots=record.edit.seen_roots,
        warnings=warnings,
        hopeless=reason in _HOPELESS or (plan is not None and _in_pieces(plan)),
    )


def _in_pieces(plan: Planned) -> bool:
    """Tell whether a cut's points lie in several objects: no approval makes it one again."""
    cut = isinstance(plan.record.edit, SplitEdit)
    return cut and plan.check.readiness is Readiness.CONFLICT and len(plan.check.roots) > 1
