"""Taking answers back; where an applied edit has others built on it, the person is asked first."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from app.services.export_desk import ExportDesk, JobEvent
from app.services.export_lines import moment_in_words
from app.services.export_report import describe
from app.services.jobs import JobTable
from app.services.model import UndoQuestion
from app.services.worker.messages import JobDone, JobFailed
from proofreading.decisions import Decision
from proofreading.edits import EditRecord, EditState
from proofreading.export.undo_plan import LaterOperation, UndoPlan
from proofreading.ledger.events import DecisionWithdrawn

if TYPE_CHECKING:
    from proofreading.ledger.fold import LedgerState
    from proofreading.ledger.store import Ledger

__all__ = ["Undoing", "question_of"]

_APPLIED = (EditState.COMMITTED, EditState.PARTIAL)
_MOST_LINES = 8


class Undoing:
    """The undo of the person's newest answer.

    Parameters
    ----------
    ledger : Ledger
        The session's answers.
    desk : ExportDesk
        What undoes edits on the server.
    jobs : JobTable
        Where the looking and the undo are shown.
    withdrawn, told, changed : callable
        Called with a decision that was taken back, with what the server says of the undo,
        and when there is a question or none any more.
    """

    def __init__(
        self,
        ledger: Ledger,
        desk: ExportDesk,
        jobs: JobTable,
        *,
        withdrawn: Callable[[Decision], None],
        told: Callable[[JobEvent], None],
        changed: Callable[[], None],
    ) -> None:
        self._ledger = ledger
        self._desk = desk
        self._jobs = jobs
        self._withdrawn = withdrawn
        self._told = told
        self._changed = changed
        self._looking = False
        self._asked_about: Decision | None = None
        self.question: UndoQuestion | None = None

    @property
    def busy(self) -> bool:
        """Whether an undo is being looked at, or waits for the person's word."""
        return self._looking or self.question is not None

    def undo(self, decision: Decision) -> None:
        """Take an answer back, at once or after a look at what was built on its edit."""
        record = self._ledger.state.edit_of(decision.id)
        if record is None or record.state not in _APPLIED:
            self._withdraw(decision)
            return
        self._looking, self._asked_about = True, decision
        self._jobs.start("undo", "looking at what was built on the edit")

        def done(plan: UndoPlan) -> None:
            self._ask(question_of(self._ledger.state, record, plan))
            if self.question is None:
                self._undo_edit(decision, record.edit.id)
            self._changed()

        def failed(event: JobFailed) -> None:
            hint = (event.hint,) if event.hint else ()
            self._ask(UndoQuestion(record.edit.id, event.message, hint, on_server=False))
            self._changed()

        self._desk.undo_plan(record.edit.id, done, failed)
        self._changed()

    def _ask(self, question: UndoQuestion | None) -> None:
        self._looking, self.question = False, question
        self._jobs.take(JobDone("undo", ""))

    def answer(self, *, confirmed: bool) -> None:
        """Take the person's word on the question."""
        question, self.question = self.question, None
        decision = self._asked_about
        if question is None or decision is None or not confirmed:
            return
        if question.on_server:
            self._undo_edit(decision, question.edit_id)
        else:
            self._withdraw(decision)

    def _undo_edit(self, decision: Decision, edit_id: str) -> None:
        if self._withdraw(decision):
            self._jobs.start("undo", "undoing the edit on the server")
            self._desk.undo(edit_id, self._told)

    def _withdraw(self, decision: Decision) -> bool:
        event = DecisionWithdrawn(decision.id)
        if self._ledger.append(event, only_if=lambda state: state.stands(decision.id)) is None:
            return False  # another answer has taken its place meanwhile
        self._withdrawn(decision)
        return True


def question_of(state: LedgerState, record: EditRecord, plan: UndoPlan) -> UndoQuestion | None:
    """Return what to ask before an undo; None if nothing depends on the edit."""
    if not plan.later and not plan.taken_back and not plan.obstacle:
        return None
    if plan.taken_back:
        text = f"{plan.obstacle} On the server nothing is left to undo."
    elif plan.obstacle:
        text = f"{plan.obstacle} The server is likely to refuse the undo."
    else:
        n = len(plan.later)
        built = "One later operation builds" if n == 1 else f"{n} later operations build"
        text = f"{built} on this edit."
    lines = [_line(state, one) for one in plan.later[-_MOST_LINES:]]
    if len(plan.later) > _MOST_LINES:
        lines.insert(0, f"{len(plan.later) - _MOST_LINES} earlier ones")
    return UndoQuestion(record.edit.id, text, tuple(lines), on_server=not plan.taken_back)


def _line(state: LedgerState, one: LaterOperation) -> str:
    own = None if one.edit_id is None else state.edit(one.edit_id)
    what = f"Operation {one.operation_id}" if own is None else f"Your {describe(own)}"
    by = f", by {one.user}" if one.user and own is None else ""
    at = f", {moment_in_words(one.timestamp)}" if one.timestamp is not None else ""
    return f"{what}{by}{at}"
