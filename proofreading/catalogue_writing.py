"""What a write to the catalogue does, inside a transaction that the caller holds."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime

from connectome.errors import SessionError
from proofreading.catalogue_numbers import SiteNumbers
from proofreading.catalogue_scores import Known, count, rescore
from proofreading.ledger.codec import from_plain, to_json
from proofreading.site_columns import SiteColumns
from proofreading.sites import Site, SiteKind
from proofreading.verdicts import FailedVerdict, Verdict

__all__ = ["id_of", "insert_results", "insert_sites", "key_of", "reopen", "stand_again"]


def key_of(site_id: str) -> int:
    """Return a site's id as a signed number of 64 bits, which is what SQLite has."""
    number = int(site_id, 16)
    return number - 2**64 if number >= 2**63 else number


def id_of(key: int) -> str:
    """Return the id of a site of what `key_of` made of it."""
    return f"{key % 2**64:016x}"


def insert_sites(db: sqlite3.Connection, numbers: SiteNumbers, sites: Sequence[Site]) -> list[str]:
    """Insert the sites that are not there yet and return their ids."""
    new = _unknown(db, numbers, sites)
    if not new:
        return []
    row = db.execute("SELECT coalesce(max(number), 0) + 1 FROM sites").fetchone()
    first = int(row[0])
    db.executemany(
        "INSERT INTO sites (number, key, kind, partners, body) VALUES (?, ?, ?, ?, ?)",
        (
            (first + place, key_of(site.id), site.kind.value, len(site.partners), to_json(site))
            for place, site in enumerate(new)
        ),
    )
    packed = SiteColumns.of(new).pack()
    db.execute(
        "INSERT INTO runs (first, count, packed) VALUES (?, ?, ?)", (first, len(new), packed)
    )
    for kind in SiteKind:
        count(db, f"kind:{kind.value}", sum(site.kind is kind for site in new))
    return [site.id for site in new]


def insert_results(
    db: sqlite3.Connection, numbers: SiteNumbers, results: Sequence[Verdict | FailedVerdict]
) -> list[str]:
    """Insert verdicts and failures and return the ids of the sites whose score changed."""
    touched = dict.fromkeys(result.site_id for result in results)
    sites = dict(zip(touched, _known(db, numbers, list(touched)), strict=True))
    writing = _Writing(db)
    for result in results:
        site = sites[result.site_id].site
        if isinstance(result, Verdict):
            writing.add_verdict(site, result)
        else:
            writing.add_failure(site, result)
    count(db, "verdicts", writing.verdicts)
    return _ids(rescore(db, list(sites.values())))


def reopen(db: sqlite3.Connection, numbers: SiteNumbers, site_ids: Iterable[str] | None) -> None:
    """Delete open failures and tell running judges to look again from the start."""
    if site_ids is None:
        rows = db.execute("SELECT DISTINCT site FROM failures").fetchall()
        known = _numbered(db, [int(row[0]) for row in rows])
    else:
        known = _known(db, numbers, list(site_ids))
    for each in known:
        db.execute("DELETE FROM failures WHERE site = ?", (each.site,))
    rescore(db, known)
    count(db, "retries", 1)


def stand_again(db: sqlite3.Connection, model_ids: Collection[str]) -> list[str]:
    """Take models' verdicts out of the newest ones and return the sites whose score changed."""
    marks = ", ".join("?" * len(model_ids))
    gone = db.execute(
        "SELECT n.site, n.task, n.partner FROM newest n JOIN verdicts v"
        f" ON v.number = n.verdict WHERE v.model_id IN ({marks})",
        (*model_ids,),
    ).fetchall()
    for question in gone:
        db.execute("DELETE FROM newest WHERE site = ? AND task = ? AND partner = ?", question)
        row = db.execute(
            "SELECT number, body FROM verdicts WHERE site = ? AND task = ? AND partner = ?"
            f" AND model_id NOT IN ({marks}) ORDER BY made_at DESC, number DESC LIMIT 1",
            (*question, *model_ids),
        ).fetchone()
        if row is not None:
            _Writing(db).stand(question[0], from_plain(Verdict, json.loads(row[1])), row[0])
    return _ids(rescore(db, _numbered(db, list(dict.fromkeys(q[0] for q in gone)))))


class _Writing:
    """What a batch of results has written so far."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._models: dict[str, int] = {}
        self._failures = db.execute("SELECT 1 FROM failures LIMIT 1").fetchone() is not None
        self.verdicts = 0

    def add_verdict(self, site: int, verdict: Verdict) -> None:
        """Insert a verdict unless it is there."""
        question = (site, verdict.task.value, _partner(verdict))
        made_at = _utc(verdict.made_at)
        done = self._db.execute(
            "INSERT OR IGNORE INTO verdicts (site, task, partner, model_id, made_at, body) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            (*question, verdict.provenance.model_id, made_at, to_json(verdict)),
        )
        if done.rowcount != 1:
            return
        self.verdicts += 1
        self.stand(site, verdict, int(done.lastrowid or 0))
        if self._failures:
            # A failure without a partner is about the whole site: any verdict shows it is over.
            self._db.execute(
                "DELETE FROM failures WHERE site = ? AND task = ? AND partner IN (?, '') "
                "AND made_at <= ?",
                (*question, made_at),
            )

    def stand(self, site: int, verdict: Verdict, number: int) -> None:
        """Let a verdict be the newest of its question unless a newer one is."""
        model = verdict.provenance.measure
        chances = [part.probability for part in verdict.parts]
        self._db.execute(
            "INSERT INTO newest"
            " (site, task, partner, made_at, probability, verdict, distance, spread, model) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (site, task, partner) DO UPDATE SET "
            "made_at = excluded.made_at, probability = excluded.probability, "
            "verdict = excluded.verdict, distance = excluded.distance, "
            "spread = excluded.spread, model = excluded.model "
            "WHERE excluded.made_at >= newest.made_at",
            (
                *(site, verdict.task.value, _partner(verdict)),
                _utc(verdict.made_at),
                verdict.probability,
                number,
                verdict.provenance.out_of_distribution,
                max(chances) - min(chances) if len(chances) > 1 else None,
                self._model(model),
            ),
        )

    def add_failure(self, site: int, failure: FailedVerdict) -> None:
        """Insert a failure unless its question has a newer outcome."""
        question = (site, failure.task.value, _partner(failure))
        made_at = _utc(failure.made_at)
        newer = self._db.execute(
            "SELECT 1 FROM newest WHERE site = ? AND task = ? AND partner = ? AND made_at >= ?",
            (*question, made_at),
        ).fetchone()
        if newer is None:
            self._failures = True
            self._db.execute(
                "INSERT INTO failures (site, task, partner, made_at, body) VALUES (?, ?, ?, ?, ?) "
                "ON CONFLICT (site, task, partner) DO UPDATE SET made_at = excluded.made_at, "
                "body = excluded.body WHERE excluded.made_at > failures.made_at",
                (*question, made_at, to_json(failure)),
            )

    def _model(self, model_id: str) -> int:
        """Return the number of a model, given to it if it has none."""
        if model_id not in self._models:
            self._db.execute("INSERT OR IGNORE INTO models (id) VALUES (?)", (model_id,))
            row = self._db.execute("SELECT number FROM models WHERE id = ?", (model_id,)).fetchone()
            self._models[model_id] = int(row[0])
        return self._models[model_id]


def _unknown(db: sqlite3.Connection, numbers: SiteNumbers, sites: Sequence[Site]) -> list[Site]:
    """Return the different ones of these sites that are not there yet."""
    different: dict[str, Site] = {}
    for site in sites:
        different.setdefault(site.id, site)
    places = numbers.of_all(db, list(different)).tolist()
    return [site for site, place in zip(different.values(), places, strict=True) if not place]


def _known(db: sqlite3.Connection, numbers: SiteNumbers, site_ids: Sequence[str]) -> list[Known]:
    places = numbers.of_all(db, site_ids).tolist()
    for site_id, place in zip(site_ids, places, strict=True):
        if not place:
            raise SessionError(
                f"There is no site {site_id} in this session.", "Detect its sites first."
            )
    return _numbered(db, places)


def _numbered(db: sqlite3.Connection, places: Sequence[int]) -> list[Known]:
    """Return the sites that stand at these places, in their order."""
    rows = db.execute(
        "SELECT number, key, kind, partners FROM sites"
        " WHERE number IN (SELECT value FROM json_each(?))",
        (json.dumps(places),),
    )
    found = {
        int(place): Known(int(place), int(key) % 2**64, SiteKind(kind), int(partners))
        for place, key, kind, partners in rows
    }
    return [found[place] for place in places]


def _ids(sites: Iterable[Known]) -> list[str]:
    return [f"{each.number:016x}" for each in sites]


def _partner(result: Verdict | FailedVerdict) -> str:
    return "" if result.partner_supervoxel is None else str(int(result.partner_supervoxel))


def _utc(moment: datetime) -> str:
    # One fixed form, so that the order of the texts is the order of the times.
    return moment.astimezone(UTC).isoformat(timespec="microseconds")
