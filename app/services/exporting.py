"""Use-case: accepted edits go to the graph, each exactly once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from app.services.model import PlannedEdit
from app.services.opening import open_session
from app.services.worker.messages import JobDone, JobFailed, JobProgress
from app.services.workers import Post
from connectome.errors import DatastackError, ProofdeskError
from connectome.offline.datastack import OfflineDatastack
from connectome.offline.truth import MainBodies
from connectome.opening import open_datastack
from proofreading.decisions import Answer
from proofreading.edits import EditRecord, EditState, MergeEdit
from proofreading.export.merges import queue_merges
from proofreading.export.plan import Planned
from proofreading.export.protocol import Exporter, ExportSummary
from proofreading.export.tables import decision_rows, write_csv, write_json

if TYPE_CHECKING:
    from connectome.datastack import Datastack
    from proofreading.session import Session

__all__ = ["ExportDesk", "ExportReport", "export_session"]

OFFLINE_SETTLE_S = 15.0
CLOSE_SECONDS = 10.0

JobEvent = JobProgress | JobDone | JobFailed


@dataclass(frozen=True)
class ExportReport:
    """What an export did, or would do in a dry run."""

    dry_run: bool
    edits: int
    applied: int
    conflicts: int
    failed: int
    unknown: int
    waiting: int
    sites: int = 0
    judged: int = 0
    accepted: int = 0
    right_merges: int | None = None
    wrong_merges: int | None = None
    stopped: str = ""
    tables: tuple[str, ...] = ()
    lines: tuple[str, ...] = field(default=())


def export_session(
    folder: Path,
    *,
    dry_run: bool,
    tables: Path | None,
    ignore: tuple[int, ...] = (),
    report: Callable[[str, float | None], None],
) -> ExportReport:
    """Send the accepted edits of a session, or list them.

    Where the datastack has a ground truth, applied merges are counted as right (the main
    bodies of the two segments as ingested are one) or wrong; `ignore` names bodies that
    count as unknown.

    Raises
    ------
    SessionError, DatastackError
        If the session cannot be opened or its datastack takes no edits.
    """
    with open_session(folder) as session:
        datastack = open_datastack(session.info.datastack_address)
        try:
            exporter = _exporter(session, datastack)
            queue_merges(session.ledger, session.catalogue.site)
            if dry_run:
                result = _planned(exporter.plan())
            else:
                result = _done(exporter.run(_reporting(report)))
                result = _checked(result, session, datastack, ignore)
            return replace(_counted(result, session), tables=_written(session, tables))
        finally:
            datastack.close()


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


def _exporter(session: Session, datastack: Datastack) -> Exporter:
    if datastack.graph is None:
        raise DatastackError(
            f"The datastack {datastack.name} is a flat segmentation and takes no edits.",
            "Save the decisions as tables: proofdesk export S --tables FOLDER",
        )
    if isinstance(datastack, OfflineDatastack):
        # Our own service answers or is gone; it has no lock that expires minutes later.
        return Exporter(session.ledger, datastack.graph, settle_s=OFFLINE_SETTLE_S)
    return Exporter(session.ledger, datastack.graph)


def _planned(planned: list[Planned]) -> ExportReport:
    return ExportReport(
        dry_run=True,
        edits=len(planned),
        applied=0,
        conflicts=sum(not plan.ok for plan in planned),
        failed=0,
        unknown=0,
        waiting=sum(plan.ok for plan in planned),
        lines=tuple(f"{describe(plan.record)}: {_verdict_of(plan)}" for plan in planned),
    )


def _done(summary: ExportSummary) -> ExportReport:
    return ExportReport(
        dry_run=False,
        edits=len(summary.records),
        applied=summary.count(EditState.COMMITTED),
        conflicts=summary.count(EditState.CONFLICT),
        failed=summary.count(EditState.FAILED, EditState.PARTIAL),
        unknown=summary.count(EditState.UNKNOWN, EditState.SUBMITTED),
        waiting=summary.waiting,
        stopped=summary.stopped,
        lines=tuple(f"{describe(record)}: {outcome_of(record)}" for record in summary.records),
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
    return f"{record.state.value}{operation}{message}"


def _verdict_of(plan: Planned) -> str:
    return plan.check.message or "ready to be sent"


class ExportDesk:
    """Exports in the background of a window, one thing at a time.

    Results are posted to the owner's thread.
    """

    def __init__(self, session: Session, datastack: Datastack, post: Post) -> None:
        self._session = session
        self._datastack = datastack
        self._post = post
        self._busy = threading.Lock()
        self._cancelled = threading.Event()
        self._thread: threading.Thread | None = None
        self._outcomes: tuple[EditRecord, ...] = ()

    def plan(
        self, done: Callable[[list[PlannedEdit]], None], failed: Callable[[JobFailed], None]
    ) -> None:
        """List every edit that waits with what would become of it.

        After an export the outcomes of its edits come first, once.
        """

        def work() -> None:
            queue_merges(self._session.ledger, self._session.catalogue.site)
            planned = [_outcome_line(record) for record in self._outcomes]
            self._outcomes = ()
            planned += [_line(plan) for plan in self._exporter().plan()]
            self._post(lambda: done(planned))

        self._run(
            "plan", work, lambda event: failed(event) if isinstance(event, JobFailed) else None
        )

    def export(self, tell: Callable[[JobEvent], None]) -> None:
        """Send every edit that waits."""

        def work() -> None:
            queue_merges(self._session.ledger, self._session.catalogue.site)
            summary = self._exporter().run(
                lambda number, total, _: self._tell(
                    tell, JobProgress("export", f"exporting {number} of {total}", number / total)
                ),
                cancelled=self._cancelled.is_set,
            )
            self._outcomes = summary.records
            applied = summary.count(EditState.COMMITTED)
            text = f"{applied} of {len(summary.records)} edits applied. {summary.stopped}"
            self._tell(tell, JobDone("export", text.strip()))

        self._cancelled.clear()
        self._run("export", work, tell)

    def recover(self, tell: Callable[[JobEvent], None]) -> None:
        """Find out what became of edits that a crash left unanswered; only reads."""
        state = self._session.ledger.state
        if not state.unanswered_edits() and not state.unfinished_undos():
            return

        def work() -> None:
            records = self._exporter().recover()
            self._tell(tell, JobDone("recover", f"{len(records)} earlier edits looked up"))

        self._run("recover", work, tell)

    def undo(self, edit_id: str, tell: Callable[[JobEvent], None]) -> None:
        """Undo a committed edit on the server."""

        def work() -> None:
            record = self._exporter().undo(edit_id)
            self._tell(tell, JobDone("undo", outcome_of(record)))

        self._run("undo", work, tell)

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

    def _exporter(self) -> Exporter:
        return _exporter(self._session, self._datastack)

    def _tell(self, tell: Callable[[JobEvent], None], event: JobEvent) -> None:
        self._post(lambda: tell(event))

    def _run(self, name: str, work: Callable[[], None], tell: Callable[[JobEvent], None]) -> None:
        def guarded() -> None:
            with self._busy:
                try:
                    work()
                except ProofdeskError as error:
                    self._tell(tell, JobFailed(name, error.message, error.hint))

        self._thread = threading.Thread(target=guarded, name=f"proofdesk-{name}", daemon=True)
        self._thread.start()


def _line(plan: Planned) -> PlannedEdit:
    record = plan.record
    return PlannedEdit(
        edit_id=record.edit.id,
        site_id=record.edit.site_id,
        text=describe(record),
        outcome=_verdict_of(plan),
        ok=plan.ok,
    )


def _outcome_line(record: EditRecord) -> PlannedEdit:
    return PlannedEdit(
        edit_id=record.edit.id,
        site_id=record.edit.site_id,
        text=describe(record),
        outcome=outcome_of(record),
        ok=record.state is EditState.COMMITTED,
    )
