"""Exports from the window: on threads of their own, one at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from app.services.export_lines import known_lines, looked_at
from app.services.export_report import outcome_of
from app.services.exporting import FactsOf, account_of, make_exporter, write_tables
from app.services.facts import facts_of
from app.services.model import EditList, Phase, PlannedEdit, SecondLook
from app.services.worker.messages import JobDone, JobFailed, JobProgress
from app.services.workers import Post
from connectome.errors import InputError, OfflineError, ProofdeskError, ServiceError
from proofreading.edits import EditState
from proofreading.export.merges import queue_merges
from proofreading.export.protocol import Exporter
from proofreading.export.summary import ExportSummary
from proofreading.export.undo_plan import UndoPlan
from proofreading.session_lock import person

if TYPE_CHECKING:
    from connectome.datastack import Datastack
    from proofreading.session import Session

__all__ = ["ExportDesk"]

CLOSE_SECONDS = 10.0

_STILL_APPLIED = "The edit is still applied: redo the answer, then undo it once more."

JobEvent = JobProgress | JobDone | JobFailed


class ExportDesk:
    """Looks at edits, sends and undoes them, on a thread of its own, one thing at a time.

    Results are posted to the owner's thread.
    """

    def __init__(
        self,
        session: Session,
        datastack: Datastack,
        post: Post,
        facts_of: FactsOf = facts_of,
    ) -> None:
        self._session = session
        self._datastack = datastack
        self._post = post
        self._facts_of = facts_of
        self._busy = threading.Lock()
        self._cancelled = threading.Event()
        self._closed = threading.Event()
        self._ended: tuple[str, ...] = ()

    def plan(self, done: Callable[[EditList], None]) -> None:
        """List the edits twice: at once as the ledger knows them, then as they are now.

        The outcomes of the last export are listed as well. What goes wrong is told by the
        second list.
        """

        def work() -> None:
            queue_merges(self._session.ledger, self._session.catalogue.site)
            known = known_lines(self._session.ledger.state, self._ended)
            self._tell_list(done, EditList(Phase.PARTIAL, tuple(known)))
            self._tell_list(done, self._looked_at(known))

        def failed(event: JobEvent) -> None:
            if isinstance(event, JobFailed):
                done(EditList(Phase.FAILED, (), event.message, event.hint, person=person()))

        self._run("plan", work, failed)

    def export(self, tell: Callable[[JobEvent], None]) -> None:
        """Send every edit that waits."""

        def work() -> None:
            queue_merges(self._session.ledger, self._session.catalogue.site)
            summary = self._exporter(account_of(self._datastack)).run(
                lambda number, total, _: self._tell(
                    tell, JobProgress("export", f"exporting {number} of {total}", number / total)
                ),
                cancelled=self._cancelled.is_set,
            )
            self._ended = tuple(record.edit.id for record in summary.records)
            self._tell(tell, JobDone("export", _in_words(summary)))

        self._cancelled.clear()
        self._run("export", work, tell)

    def recover(self, tell: Callable[[JobEvent], None]) -> None:
        """Find out what became of edits that a crash left unanswered; only reads."""
        state = self._session.ledger.state
        if not state.unanswered_edits() and not state.unfinished_undos():
            return

        def work() -> None:
            records = self._exporter(self._account_name()).recover()
            self._tell(tell, JobDone("recover", f"{len(records)} earlier edits looked up"))

        self._run("recover", work, tell)

    def undo(self, edit_id: str, tell: Callable[[JobEvent], None]) -> None:
        """Undo a committed edit on the server."""

        def work() -> None:
            record = self._exporter().undo(edit_id)
            if record.state is not EditState.UNDONE:
                self._tell(tell, JobFailed("undo", record.message, _STILL_APPLIED))
            else:
                self._tell(tell, JobDone("undo", outcome_of(record)))

        self._run("undo", work, tell)

    def undo_plan(
        self,
        edit_id: str,
        done: Callable[[UndoPlan], None],
        failed: Callable[[JobFailed], None],
    ) -> None:
        """Find out what was built on an applied edit; only reads."""

        def work() -> None:
            plan = self._exporter().undo_plan(edit_id)
            self._post(lambda: done(plan))

        def tell(event: JobEvent) -> None:
            if isinstance(event, JobFailed):
                failed(event)

        self._run("undo", work, tell)

    def look_again(
        self, action: SecondLook, edits: Sequence[PlannedEdit], done: Callable[[str], None]
    ) -> None:
        """Do what the person decided about edits; `done` is told what did not work, or ``""``."""

        def work() -> None:
            troubles = []
            for edit in edits:
                try:
                    troubles.append(_second_look(self._exporter(), action, edit))
                except InputError as error:
                    troubles.append(error.message)
            told = next((trouble for trouble in troubles if trouble), "")
            self._post(lambda: done(told))

        def failed(event: JobEvent) -> None:
            if isinstance(event, JobFailed):
                done(f"{event.message} {event.hint}".strip())

        self._run("second look", work, failed)

    def requeue(self, edit_id: str) -> None:
        """Let an edit that was undone wait again; writes only the ledger."""
        self._exporter().requeue([edit_id])

    def cancel(self) -> None:
        """Stop before the next edit."""
        self._cancelled.set()

    def save_tables(self, folder: Path) -> list[Path]:
        """Write all decisions as CSV and JSON."""
        return write_tables(self._session, folder)

    def close(self) -> None:
        """Stop before the next edit and wait for the present one; it must not be cut off."""
        self._cancelled.set()
        self._closed.set()
        if self._busy.acquire(timeout=CLOSE_SECONDS):
            self._busy.release()

    def _exporter(self, me: str | None = None) -> Exporter:
        return make_exporter(self._session, self._datastack, None, self._facts_of, me)

    def _looked_at(self, known: list[PlannedEdit]) -> EditList:
        """Look at everything that waits or is held; say so if that is not possible."""
        open_ = [line for line in known if line.held or line.fate.waits]
        if not open_:
            return EditList(Phase.READY if known else Phase.EMPTY, tuple(known))
        try:
            exporter = self._exporter()
            lines = looked_at(known, exporter.plan(), exporter.second_looks())
            may = self._datastack.may_edit()
        except OfflineError as error:
            waits = f"{len(open_)} edits wait" if len(open_) > 1 else "one edit waits"
            goes = "go" if len(open_) > 1 else "goes"
            text = f"No connection: {waits} and {goes} out later."
            return EditList(Phase.OFFLINE, tuple(known), text, f"{error.message} {error.hint}")
        except ProofdeskError as error:
            return EditList(Phase.FAILED, tuple(known), error.message, error.hint)
        if may.allowed is False:
            return EditList(Phase.READY, tuple(lines), may.message, may.hint, may_send=False)
        return EditList(Phase.READY, tuple(lines))

    def _account_name(self) -> str | None:
        """Return the person as the server's log calls them, if it tells."""
        try:
            return self._datastack.may_edit().user or None
        except ServiceError:
            return None

    def _tell(self, tell: Callable[[JobEvent], None], event: JobEvent) -> None:
        self._post(lambda: tell(event))

    def _tell_list(self, done: Callable[[EditList], None], edits: EditList) -> None:
        self._post(lambda: done(replace(edits, person=person())))

    def _run(self, name: str, work: Callable[[], None], tell: Callable[[JobEvent], None]) -> None:
        def guarded() -> None:
            with self._busy:
                if self._closed.is_set():
                    return
                try:
                    work()
                except ProofdeskError as error:
                    self._tell(tell, JobFailed(name, error.message, error.hint))

        threading.Thread(target=guarded, name=f"proofdesk-{name}", daemon=True).start()


def _in_words(summary: ExportSummary) -> str:
    if summary.offline:
        return f"No network: {summary.waiting} edits wait and go out with a later export."
    applied = summary.count(EditState.COMMITTED)
    return f"{applied} of {len(summary.records)} edits applied. {summary.stopped}".strip()


def _second_look(exporter: Exporter, action: SecondLook, edit: PlannedEdit) -> str:
    """Do one thing to one edit and return why it was not done; empty if it was."""
    match action:
        case SecondLook.APPROVE:
            record = exporter.hold(edit.edit_id)
            if record.held and record.reason.value != edit.reason:
                return "It has changed once more: look at it again."
            if record.held:
                exporter.release(edit.edit_id, person())
        case SecondLook.OVERRIDE:
            exporter.override(edit.edit_id, person(), edit.warnings)
        case SecondLook.DROP:
            exporter.drop(edit.edit_id, person())
        case SecondLook.RETRY:
            exporter.requeue([edit.edit_id])
    return ""
