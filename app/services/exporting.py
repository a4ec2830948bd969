"""Use-case: accepted edits go to the graph, each exactly once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from app.services.export_report import (
    ExportReport,
    done_report,
    held_line,
    outcome_line,
    outcome_of,
    plan_line,
    planned_report,
)
from app.services.model import PlannedEdit
from app.services.opening import open_session
from app.services.worker.messages import JobDone, JobFailed, JobProgress
from app.services.workers import Post
from connectome.errors import AuthError, DatastackError, OfflineError, ProofdeskError, ServiceError
from connectome.offline.datastack import OfflineDatastack
from connectome.offline.truth import MainBodies
from connectome.opening import open_datastack
from proofreading.decisions import Answer
from proofreading.edits import EditRecord, EditState, MergeEdit
from proofreading.export.merges import queue_merges
from proofreading.export.patience import SETTLE_S
from proofreading.export.protocol import Exporter, ExportSummary
from proofreading.export.tables import decision_rows, write_csv, write_json
from proofreading.export.undo_plan import UndoPlan
from proofreading.export.warnings import ObjectFacts
from proofreading.session_lock import person

if TYPE_CHECKING:
    from connectome.datastack import Datastack
    from proofreading.session import Session

__all__ = ["ExportDesk", "ExportReport", "export_session"]

OFFLINE_SETTLE_S = 15.0
CLOSE_SECONDS = 10.0

JobEvent = JobProgress | JobDone | JobFailed
FactsOf = Callable[["Datastack"], ObjectFacts | None]


def export_session(
    folder: Path,
    *,
    dry_run: bool,
    tables: Path | None,
    ignore: tuple[int, ...] = (),
    rows: bool | None = None,
    override_warnings: bool = False,
    facts_of: FactsOf = lambda _: None,
    report: Callable[[str, float | None], None],
) -> ExportReport:
    """Send the accepted edits of a session, or list them.

    Where the datastack has a ground truth, applied merges are counted as right (the main
    bodies of the two segments as ingested are one) or wrong; `ignore` names bodies that
    count as unknown.

    Parameters
    ----------
    rows : bool, optional
        Whether a row is written in an annotation table for each applied edit; by default
        only offline, where nobody else reads them.
    override_warnings : bool
        Whether the person sets all warnings aside; recorded for each edit.
    facts_of : callable
        Returns what is known of the datastack's objects, for the warnings.

    Raises
    ------
    SessionError, DatastackError
        If the session cannot be opened or its datastack takes no edits.
    AuthError
        If the account may not edit.
    """
    with open_session(folder) as session:
        queue_merges(session.ledger, session.catalogue.site)
        try:
            datastack = open_datastack(session.info.datastack_address)
        except OfflineError as error:
            result = _counted(_waiting(session, error, dry_run), session)
            return replace(result, tables=_written(session, tables))
        try:
            if dry_run:
                exporter = _exporter(session, datastack, rows, facts_of)
                result = planned_report(exporter.plan(), session.ledger.state.held_edits())
            else:
                exporter = _exporter(session, datastack, rows, facts_of, me=_account(datastack))
                override_by = person() if override_warnings else ""
                result = done_report(exporter.run(_reporting(report), override_by=override_by))
                result = _checked(result, session, datastack, ignore)
            return replace(_counted(result, session), tables=_written(session, tables))
        finally:
            datastack.close()


def _waiting(session: Session, error: OfflineError, dry_run: bool) -> ExportReport:
    """Return the report of an export that found no server."""
    summary = ExportSummary((), len(session.ledger.state.pending_edits()), str(error), offline=True)
    return replace(done_report(summary), dry_run=dry_run)


def _written(session: Session, folder: Path | None) -> tuple[str, ...]:
    return () if folder is None else tuple(str(path) for path in _write_tables(session, folder))


def _write_tables(session: Session, folder: Path) -> list[Path]:
    rows = list(decision_rows(session.ledger.state, session.catalogue))
    paths = [folder / "decisions.csv", folder / "decisions.json"]
    write_csv(paths[0], rows)
    write_json(paths[1], rows, datastack_name=session.info.datastack_name)
    return paths


def _counted(result: ExportReport, session: Session) -> ExportReport:
    counts = session.catalogue.counts()
    accepted = session.ledger.state.counts[Answer.ACCEPT]
    return replace(result, sites=counts.sites, judged=counts.judged, accepted=accepted)


def _checked(
    result: ExportReport, session: Session, datastack: Datastack, ignore: tuple[int, ...]
) -> ExportReport:
    """Count right and wrong merges of the whole session against the truth, if there is one."""
    if not isinstance(datastack, OfflineDatastack) or datastack.groundtruth is None:
        return result
    bodies = MainBodies(datastack, ignore)
    merges = [record.edit for record in session.ledger.state.edits(EditState.COMMITTED)]
    answers = [
        bodies.same(edit.a.supervoxel, edit.b.supervoxel)
        for edit in merges
        if isinstance(edit, MergeEdit)
    ]
    return replace(result, right_merges=answers.count(True), wrong_merges=answers.count(False))


def _reporting(
    report: Callable[[str, float | None], None],
) -> Callable[[int, int, EditRecord], None]:
    return lambda number, total, record: report(f"exporting · {record.state}", number / total)


def _exporter(
    session: Session,
    datastack: Datastack,
    rows: bool | None,
    facts_of: FactsOf,
    me: str | None = None,
) -> Exporter:
    if datastack.graph is None:
        raise DatastackError(
            f"The datastack {datastack.name} is a flat segmentation and takes no edits.",
            "Save the decisions as tables: proofdesk export S --tables FOLDER",
        )
    offline = isinstance(datastack, OfflineDatastack)
    wanted = offline if rows is None else rows
    return Exporter(
        session.ledger,
        datastack.graph,
        rows=datastack.annotations if wanted else None,
        facts=facts_of(datastack),
        me=me,
        # Our own service answers or is gone; it has no lock that expires minutes later.
        settle_s=OFFLINE_SETTLE_S if offline else SETTLE_S,
    )


def _account(datastack: Datastack) -> str | None:
    """Return the person as the server calls them, after asking whether they may edit."""
    try:
        permission = datastack.may_edit()
    except AuthError:
        raise
    except ServiceError:
        return None  # without a network the edits wait, and the run says so
    if permission.allowed is False:
        raise AuthError(permission.message, permission.hint)
    return permission.user or None


def _name(datastack: Datastack) -> str | None:
    """Return the person as the server's log calls them, if it tells."""
    try:
        return datastack.may_edit().user or None
    except ServiceError:
        return None


class ExportDesk:
    """Exports in the background of a window, one thing at a time.

    Results are posted to the owner's thread.
    """

    def __init__(
        self,
        session: Session,
        datastack: Datastack,
        post: Post,
        facts_of: FactsOf = lambda _: None,
    ) -> None:
        self._session = session
        self._datastack = datastack
        self._post = post
        self._facts_of = facts_of
        self._busy = threading.Lock()
        self._cancelled = threading.Event()
        self._thread: threading.Thread | None = None
        self._outcomes: tuple[EditRecord, ...] = ()

    def plan(
        self, done: Callable[[list[PlannedEdit]], None], failed: Callable[[JobFailed], None]
    ) -> None:
        """List every edit that waits with what would become of it, then those that are held.

        After an export the outcomes of its edits come first, once.
        """

        def work() -> None:
            queue_merges(self._session.ledger, self._session.catalogue.site)
            shown, self._outcomes = self._outcomes, ()
            lines = [outcome_line(record) for record in shown]
            lines += [plan_line(plan) for plan in self._exporter().plan()]
            listed = {line.edit_id for line in lines}
            held = self._session.ledger.state.held_edits()
            lines += [held_line(record) for record in held if record.edit.id not in listed]
            self._post(lambda: done(lines))

        self._ask("plan", work, failed)

    def export(self, tell: Callable[[JobEvent], None]) -> None:
        """Send every edit that waits."""

        def work() -> None:
            queue_merges(self._session.ledger, self._session.catalogue.site)
            summary = self._exporter(_account(self._datastack)).run(
                lambda number, total, _: self._tell(
                    tell, JobProgress("export", f"exporting {number} of {total}", number / total)
                ),
                cancelled=self._cancelled.is_set,
            )
            self._outcomes = summary.records
            applied = summary.count(EditState.COMMITTED)
            text = f"{applied} of {len(summary.records)} edits applied. {summary.stopped}"
            if summary.offline:
                text = f"No network: {summary.waiting} edits wait and go out with a later export."
            self._tell(tell, JobDone("export", text.strip()))

        self._cancelled.clear()
        self._run("export", work, tell)

    def recover(self, tell: Callable[[JobEvent], None]) -> None:
        """Find out what became of edits that a crash left unanswered; only reads."""
        state = self._session.ledger.state
        if not state.unanswered_edits() and not state.unfinished_undos():
            return

        def work() -> None:
            records = self._exporter(_name(self._datastack)).recover()
            self._tell(tell, JobDone("recover", f"{len(records)} earlier edits looked up"))

        self._run("recover", work, tell)

    def undo(self, edit_id: str, tell: Callable[[JobEvent], None]) -> None:
        """Undo a committed edit on the server."""

        def work() -> None:
            record = self._exporter().undo(edit_id)
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

        self._ask("undo_plan", work, failed)

    def release(
        self,
        edit_id: str,
        done: Callable[[EditRecord], None],
        failed: Callable[[JobFailed], None],
    ) -> None:
        """Let a held edit go on after the person's second look."""

        def work() -> None:
            record = self._exporter().release(edit_id, person())
            self._post(lambda: done(record))

        self._ask("release", work, failed)

    def drop(self, edit_id: str) -> None:
        """Give a held edit up; writes only the ledger."""
        self._exporter().drop(edit_id, person())

    def requeue(self, edit_id: str) -> None:
        """Let an edit that was undone wait again; writes only the ledger."""
        self._exporter().requeue([edit_id])

    def cancel(self) -> None:
        """Stop before the next edit."""
        self._cancelled.set()

    def save_tables(self, folder: Path) -> list[Path]:
        """Write all decisions as CSV and JSON."""
        return _write_tables(self._session, folder)

    def close(self) -> None:
        """Stop before the next edit and wait for the present one; it must not be cut off."""
        self._cancelled.set()
        if self._thread is not None:
            self._thread.join(CLOSE_SECONDS)

    def _exporter(self, me: str | None = None) -> Exporter:
        return _exporter(self._session, self._datastack, None, self._facts_of, me)

    def _tell(self, tell: Callable[[JobEvent], None], event: JobEvent) -> None:
        self._post(lambda: tell(event))

    def _ask(
        self, name: str, work: Callable[[], None], failed: Callable[[JobFailed], None]
    ) -> None:
        self._run(name, work, lambda event: failed(event) if isinstance(event, JobFailed) else None)

    def _run(self, name: str, work: Callable[[], None], tell: Callable[[JobEvent], None]) -> None:
        def guarded() -> None:
            with self._busy:
                try:
                    work()
                except ProofdeskError as error:
                    self._tell(tell, JobFailed(name, error.message, error.hint))

        self._thread = threading.Thread(target=guarded, name=f"proofdesk-{name}", daemon=True)
        self._thread.start()
