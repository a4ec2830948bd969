"""What a write to the catalogue does, inside a transaction that the caller holds."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime

from connectome.errors import SessionError
from proofreading.catalogue_schema import main_task
from proofreading.ledger.codec import to_json
from proofreading.sites import Site, SiteKind
from proofreading.verdicts import FailedVerdict, Verdict

__all__ = ["insert_results", "insert_sites", "reopen", "stand_again"]


def insert_sites(db: sqlite3.Connection, sites: Sequence[Site]) -> list[str]:
    """Insert the sites that are not there yet and return their ids."""
    new = []
    for site in sites:
        done = db.execute(
            "INSERT OR IGNORE INTO sites (id, kind, partners, body) VALUES (?, ?, ?, ?)",
            (site.id, site.kind.value, len(site.partners), to_json(site)),
        )
        if done.rowcount == 1:
            new.append(site.id)
            _count(db, f"kind:{site.kind.value}", 1)
    return new


def insert_results(db: sqlite3.Connection, results: Sequence[Verdict | FailedVerdict]) -> list[str]:
    """Insert verdicts and failures and return the ids of the sites whose score changed."""
    for result in results:
        if isinstance(result, Verdict):
            _insert_verdict(db, result)
        else:
            _insert_failure(db, result)
    touched = dict.fromkeys(result.site_id for result in results)
    return [site_id for site_id in touched if _rescore(db, site_id)]


def reopen(db: sqlite3.Connection, site_ids: Iterable[str] | None) -> None:
    """Delete open failures and tell running judges to look again from the start."""
    if site_ids is None:
        rows = db.execute("SELECT DISTINCT site_id FROM failures").fetchall()
        site_ids = [row[0] for row in rows]
    for site_id in site_ids:
        db.execute("DELETE FROM failures WHERE site_id = ?", (site_id,))
        _rescore(db, site_id)
    _count(db, "retries", 1)


def stand_again(db: sqlite3.Connection, model_ids: Collection[str]) -> list[str]:
    """Take models' verdicts out of the newest ones and return the sites whose score changed."""
    marks = ", ".join("?" * len(model_ids))
    gone = db.execute(
        "SELECT n.site_id, n.task, n.partner FROM newest n JOIN verdicts v"
        f" ON v.number = n.verdict WHERE v.model_id IN ({marks})",
        (*model_ids,),
    ).fetchall()
    for question in gone:
        db.execute("DELETE FROM newest WHERE site_id = ? AND task = ? AND partner = ?", question)
        db.execute(
            "INSERT INTO newest (site_id, task, partner, made_at, probability, verdict)"
            " SELECT site_id, task, partner, made_at, json_extract(body, '$.probability'), number"
            " FROM verdicts WHERE site_id = ? AND task = ? AND partner = ?"
            f" AND model_id NOT IN ({marks}) ORDER BY made_at DESC, number DESC LIMIT 1",
            (*question, *model_ids),
        )
    return [site_id for site_id in dict.fromkeys(q[0] for q in gone) if _rescore(db, site_id)]


def _insert_verdict(db: sqlite3.Connection, verdict: Verdict) -> None:
    question = _question(verdict)
    made_at = _utc(verdict.made_at)
    done = db.execute(
        "INSERT OR IGNORE INTO verdicts (site_id, task, partner, model_id, made_at, body) "
        "VALUES (?, ?, ?, ?, ?, ?)",
        (*question, verdict.provenance.model_id, made_at, to_json(verdict)),
    )
    if done.rowcount != 1:
        return
    _count(db, "verdicts", 1)
    db.execute(
        "INSERT INTO newest (site_id, task, partner, made_at, probability, verdict) "
        "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (site_id, task, partner) DO UPDATE SET "
        "made_at = excluded.made_at, probability = excluded.probability, "
        "verdict = excluded.verdict WHERE excluded.made_at >= newest.made_at",
        (*question, made_at, verdict.probability, done.lastrowid),
    )
    # A failure without a partner is about the whole site: any verdict shows it is over.
    db.execute(
        "DELETE FROM failures WHERE site_id = ? AND task = ? AND partner IN (?, '') "
        "AND made_at <= ?",
        (*question, made_at),
    )


def _insert_failure(db: sqlite3.Connection, failure: FailedVerdict) -> None:
    question = _question(failure)
    made_at = _utc(failure.made_at)
    newer = db.execute(
        "SELECT 1 FROM newest WHERE site_id = ? AND task = ? AND partner = ? AND made_at >= ?",
        (*question, made_at),
    ).fetchone()
    if newer is None:
        db.execute(
            "INSERT INTO failures (site_id, task, partner, made_at, body) VALUES (?, ?, ?, ?, ?) "
            "ON CONFLICT (site_id, task, partner) DO UPDATE SET made_at = excluded.made_at, "
            "body = excluded.body WHERE excluded.made_at > failures.made_at",
            (*question, made_at, to_json(failure)),
        )


def _rescore(db: sqlite3.Connection, site_id: str) -> bool:
    """Work out a site's score again and tell whether it changed."""
    task = main_task(*_kind(db, site_id)).value
    best = db.execute(
        "SELECT probability, partner, verdict FROM newest WHERE site_id = ? AND task = ? "
        "ORDER BY probability DESC, partner LIMIT 1",
        (site_id, task),
    ).fetchone() or (None, None, None)
    failed = db.execute("SELECT 1 FROM failures WHERE site_id = ?", (site_id,)).fetchone()
    score = (*best, int(failed is not None))
    before = db.execute(
        "SELECT probability, partner, verdict, failed FROM scores WHERE site_id = ?", (site_id,)
    ).fetchone() or (None, None, None, 0)
    if score == before:
        return False
    db.execute(
        "INSERT OR REPLACE INTO scores (site_id, change, probability, partner, verdict, failed) "
        "VALUES (?, (SELECT coalesce(max(change), 0) + 1 FROM scores), ?, ?, ?, ?)",
        (site_id, *score),
    )
    _count(db, "judged", (score[0] is not None) - (before[0] is not None))
    _count(db, "failed", score[3] - before[3])
    return True


def _kind(db: sqlite3.Connection, site_id: str) -> tuple[SiteKind, int]:
    """Return a site's kind and its number of partners."""
    row = db.execute("SELECT kind, partners FROM sites WHERE id = ?", (site_id,)).fetchone()
    if row is None:
        raise SessionError(
            f"There is no site {site_id} in this session.", "Detect its sites first."
        )
    return SiteKind(row[0]), int(row[1])


def _question(result: Verdict | FailedVerdict) -> tuple[str, str, str]:
    partner = "" if result.partner_supervoxel is None else str(int(result.partner_supervoxel))
    return (result.site_id, result.task.value, partner)


def _utc(moment: datetime) -> str:
    # One fixed form, so that the order of the texts is the order of the times.
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def _count(db: sqlite3.Connection, name: str, change: int) -> None:
    if change:
        db.execute(
            "INSERT INTO counters (name, value) VALUES (?1, ?2) "
            "ON CONFLICT (name) DO UPDATE SET value = value + ?2",
            (name, change),
        )
