"""Use-case: accepted edits go to the graph, each exactly once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from app.services.export_report import (
    ExportReport,
    done_report,
    planned_report,
)
from app.services.facts import facts_of
from app.services.opening import open_session
from connectome.errors import AuthError, DatastackError, OfflineError, ServiceError
from connectome.offline.datastack import OfflineDatastack
from connectome.offline.truth import MainBodies
from connectome.opening import open_datastack
from proofreading.decisions import Answer
from proofreading.edits import EditRecord, EditState, MergeEdit
from proofreading.export.merges import queue_merges
from proofreading.export.patience import SETTLE_S
from proofreading.export.protocol import Exporter, ExportSummary
from proofreading.export.tables import decision_rows, write_csv, write_json
from proofreading.export.warnings import ObjectFacts
from proofreading.session_lock import person

if TYPE_CHECKING:
    from connectome.datastack import Datastack
    from proofreading.session import Session

__all__ = [
    "ExportReport",
    "FactsOf",
    "account_of",
    "export_session",
    "make_exporter",
    "write_tables",
]

OFFLINE_SETTLE_S = 15.0
FactsOf = Callable[["Datastack"], ObjectFacts | None]


def export_session(
    folder: Path,
    *,
    dry_run: bool,
    tables: Path | None,
    ignore: tuple[int, ...] = (),
    rows: bool | None = None,
    override_warnings: bool = False,
    facts_of: FactsOf = facts_of,
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
                exporter = make_exporter(session, datastack, rows, facts_of)
                result = planned_report(exporter.plan(), session.ledger.state.held_edits())
            else:
                exporter = make_exporter(
                    session, datastack, rows, facts_of, me=account_of(datastack)
                )
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
    return () if folder is None else tuple(str(path) for path in write_tables(session, folder))


def write_tables(session: Session, folder: Path) -> list[Path]:
    """Write all decisions as CSV and JSON, and return the files."""
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


def make_exporter(
    session: Session,
    datastack: Datastack,
    rows: bool | None,
    facts_of: FactsOf,
    me: str | None = None,
) -> Exporter:
    """Return what sends a session's edits to a datastack.

    Parameters
    ----------
    rows : bool or None
        See `export_session`.
    me : str, optional
        The person as the server's log calls them.

    Raises
    ------
    DatastackError
        If the datastack takes no edits.
    """
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


def account_of(datastack: Datastack) -> str | None:
    """Return the person as the server calls them, after asking whether they may edit.

    Raises
    ------
    AuthError
        If they may not, with what is missing.
    """
    try:
        permission = datastack.may_edit()
    except AuthError:
        raise
    except ServiceError:
        return None  # without a network the edits wait, and the run says so
    if permission.allowed is False:
        raise AuthError(permission.message, permission.hint)
    return permission.user or None
