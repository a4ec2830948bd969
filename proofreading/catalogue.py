"""The catalogue: every site that was found and every verdict on it.

It is derived data, made by background processes while the window reads: short
transactions, write-ahead log, and a change number that the window follows. Losing it
costs computing time, never a decision; those are in the ledger.
"""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from connectome.closing import Closing
from connectome.errors import SessionError
from proofreading.catalogue_judged import LATENCIES, Judged
from proofreading.catalogue_news import START, Changes, Counts, News, SiteScore, Token
from proofreading.catalogue_numbers import SiteNumbers
from proofreading.catalogue_older import take_over
from proofreading.catalogue_open import OpenQuestions
from proofreading.catalogue_said import ANSWERED, SAID_SINCE, Said, said_of
from proofreading.catalogue_schema import SCHEMA_VERSION, create
from proofreading.catalogue_scores import counter, score_of, scores_between, scores_since
from proofreading.catalogue_writing import (
    id_of,
    insert_results,
    insert_sites,
    reopen,
    stand_again,
)
from proofreading.ledger.codec import from_plain
from proofreading.ledger.database import (
    closing_on_error,
    connect,
    schema_version,
    transaction,
    translated,
)
from proofreading.site_columns import SiteColumns, no_scores
from proofreading.sites import Site, SiteKind
from proofreading.verdicts import FailedVerdict, Task, Verdict

__all__ = ["START", "Catalogue", "Changes", "Counts", "News", "SiteScore", "Token"]

_BATCH = 500
_PAGE = 2000
_CACHE_KIB = 65_536


class Catalogue(Closing):
    """Sites and verdicts in one SQLite file. Any thread, and several processes, may use it."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        self.read_only = read_only
        self._lock = threading.RLock()
        self._numbers = SiteNumbers()
        self._ahead: dict[str, tuple[int, NDArray[np.void]]] = {}
        self._open = OpenQuestions()
        self._db = connect(path, read_only=read_only)
        with closing_on_error(self._db), translated(path):
            self._prepare()

    @classmethod
    def open(cls, path: Path, *, read_only: bool = False) -> Self:
        """Open a catalogue, made new if it may be written and does not exist.

        Raises
        ------
        SessionError
            If it is damaged, missing (read-only), or newer than this program.
        StorageError
            If the folder cannot be written or the disk is full.
        """
        return cls(path, read_only=read_only)

    def add_sites(self, sites: Iterable[Site]) -> list[str]:
        """Add sites and return the ids of those that were new.

        A site that is there already stays as it was found first: decisions refer to it.
        """
        new: list[str] = []
        remaining = iter(sites)
        while batch := list(islice(remaining, _BATCH)):
            with self._writing():
                new += insert_sites(self._db, self._numbers, batch)
        return new

    def add_verdicts(self, results: Iterable[Verdict | FailedVerdict]) -> list[str]:
        """Add verdicts and failures in one transaction; return the sites whose score changed.

        For each question (site, task, partner) the newest by `made_at` counts, whatever the
        order of arrival. A verdict closes an older failure of its question.

        Raises
        ------
        SessionError
            If a result is about a site that is not in the catalogue.
        """
        batch = list(results)
        with self._writing():
            return insert_results(self._db, self._numbers, batch)

    def retry(self, site_ids: Iterable[str] | None = None) -> None:
        """Forget the failures of these sites (of all if None), so that they are judged again."""
        with self._writing():
            reopen(self._db, self._numbers, site_ids)

    def site(self, site_id: str) -> Site | None:
        """Return a site, or None if there is none with this id."""
        rows = self._rows("SELECT body FROM sites WHERE number = ?", self._number(site_id))
        return _site(rows[0][0]) if rows else None

    def known(self, site_ids: Iterable[str]) -> set[str]:
        """Return those of these sites that are there."""
        with self._lock, translated(self.path):
            asked = list(site_ids)
            places = self._numbers.of_all(self._db, asked).tolist()
        return {site_id for site_id, place in zip(asked, places, strict=True) if place}

    def take(self, name: str) -> None:
        """Note that everything in a file of this name has been added."""
        with self._writing():
            self._db.execute("INSERT OR IGNORE INTO taken (name) VALUES (?)", (name,))

    def taken(self) -> set[str]:
        """Return the names of the files of which everything has been added."""
        return {name for (name,) in self._rows("SELECT name FROM taken")}

    def sites(self, kind: SiteKind | None = None) -> Iterator[Site]:
        """Yield every site, of one kind if given, in order of finding."""
        after = 0
        where = "number > ?" if kind is None else "kind = ? AND number > ?"
        query = f"SELECT number, body FROM sites WHERE {where} ORDER BY number LIMIT {_PAGE}"
        while rows := self._rows(query, *((after,) if kind is None else (kind.value, after))):
            for number, body in rows:
                yield _site(body)
                after = number

    def verdicts(self, site_id: str, task: Task | None = None) -> list[Verdict]:
        """Return every verdict on a site, newest first."""
        rows = self._rows(
            "SELECT body FROM verdicts WHERE site = ? AND (?2 IS NULL OR task = ?2) "
            "ORDER BY made_at DESC, number DESC",
            self._number(site_id),
            None if task is None else task.value,
        )
        return [from_plain(Verdict, json.loads(body)) for (body,) in rows]

    def newest_verdicts(self, site_id: str, task: Task) -> dict[int | None, Verdict]:
        """Return the newest verdict for each partner supervoxel (None: about the site alone)."""
        rows = self._rows(
            "SELECT v.body FROM newest n JOIN verdicts v ON v.number = n.verdict "
            "WHERE n.site = ? AND n.task = ?",
            self._number(site_id),
            task.value,
        )
        verdicts = [from_plain(Verdict, json.loads(body)) for (body,) in rows]
        return {verdict.partner_supervoxel: verdict for verdict in verdicts}

    def best_verdict(self, site_id: str) -> Verdict | None:
        """Return the verdict behind the site's score."""
        scores = self._score(site_id)
        if not scores.size:
            return None
        rows = self._rows("SELECT body FROM verdicts WHERE number = ?", int(scores["verdict"][0]))
        return from_plain(Verdict, json.loads(rows[0][0])) if rows else None

    def failures(self, site_id: str) -> list[FailedVerdict]:
        """Return the questions about a site whose newest outcome is a failure."""
        rows = self._rows("SELECT body FROM failures WHERE site = ?", self._number(site_id))
        return [from_plain(FailedVerdict, json.loads(body)) for (body,) in rows]

    def score(self, site_id: str) -> SiteScore:
        """Return the present score of a site."""
        scores = _scores(self._score(site_id))
        return scores[0] if scores else SiteScore(site_id, None, None, failed=False)

    def unjudged(self, task: Task, model_id: str, *, limit: int = 256) -> list[Site]:
        """Return the next sites that this model has not judged, in order of finding.

        Sites of which the task cannot be asked, and sites with an open failure (until
        `retry`), are left out. An empty list means that nothing is left now.
        """
        with self._lock, translated(self.path):
            bodies = self._open.next(self._db, task, model_id, limit)
        return [_site(body) for body in bodies]

    def counts(self) -> Counts:
        """Return how many there are of each."""
        values: dict[str, int] = dict(self._rows("SELECT name, value FROM counters"))
        by_kind = {kind: values.get(f"kind:{kind.value}", 0) for kind in SiteKind}
        return Counts(
            sites=sum(by_kind.values()),
            by_kind=by_kind,
            judged=values.get("judged", 0),
            failed=values.get("failed", 0),
            verdicts=values.get("verdicts", 0),
        )

    def changes_since(self, token: Token = START, *, limit: int = _PAGE) -> Changes:
        """Return what came after ``token``, at most ``limit`` of each, and the next token.

        Follow it until the result is false; then ask again later. A score never comes
        before its site.
        """
        changed = no_scores()
        with self._reading_one_moment():
            sites = self._rows(
                "SELECT number, body FROM sites WHERE number > ? ORDER BY number LIMIT ?",
                token.site,
                limit,
            )
            if len(sites) < limit:
                changed = self._since("changes", token.change, limit)
        site = sites[-1][0] if sites else token.site
        change = int(changed["change"][-1]) if changed.size else token.change
        return Changes([_site(body) for _, body in sites], _scores(changed), Token(site, change))

    def news_since(self, token: Token = START, *, limit: int = _PAGE) -> News:
        """Return what came after ``token`` as columns, about ``limit`` of each.

        Follow it until the result is false; then ask again later. Sites come with their
        scores, so that the first reading of everything takes one pass.
        """
        scores = changed = no_scores()
        with self._reading_one_moment():
            runs = self._runs(token.site, limit)
            sites = SiteColumns.join(runs)
            site, change = token.site + len(sites), token.change
            self._numbers.take(token.site, sites.sites["number"])
            if token == START:
                # What changed before now comes with its site; later changes come by number.
                change = counter(self._db, "change")
            if len(sites):
                scores = scores_between(self._db, token.site + 1, site)
            if token == START and len(sites) < limit:
                self._ahead["judged"] = (0, scores[np.argsort(scores["change"])])
            if len(sites) < limit:
                changed = self._since("news", change, limit)
        change = int(changed["change"][-1]) if changed.size else change
        return News(sites, scores, changed, Token(site, change))

    def judged_since(self, change: int = 0, *, limit: int = _PAGE) -> Judged:
        """Return the sites whose score changed after a change number, in order of change.

        Follow it with its `change` until there are none.
        """
        with self._reading_one_moment():
            scores = self._since("judged", change, limit)
            models = dict(self._rows("SELECT number, id FROM models"))
        return Judged(scores, models)

    def latencies(self, limit: int) -> list[float]:
        """Return the milliseconds that the newest verdicts took, at most so many."""
        rows = self._rows(LATENCIES, limit)
        return [float(row[0]) for row in rows if row[0] is not None]

    def said_since(self, number: int, task: Task, *, limit: int = _PAGE) -> list[Said]:
        """Return the verdicts about pairs that were written after a number, in that order.

        Follow it with the last one's `number` until the list is empty.
        """
        return [said_of(row) for row in self._rows(SAID_SINCE, number, task.value, limit)]

    def answered_by(self, model_id: str, task: Task) -> set[tuple[str, int]]:
        """Return the pairs (site, partner) whose newest verdict is this model's."""
        return {
            (id_of(key), int(partner))
            for key, partner in self._rows(ANSWERED, task.value, model_id)
        }

    def learn_from(self, other: Catalogue) -> None:
        """Take over what another catalogue of the same file has read, which is closed."""
        with self._lock:
            self._numbers, self._ahead = other._numbers, other._ahead

    def step_back(self, model_ids: Collection[str]) -> list[str]:
        """Let earlier verdicts of others stand again where one of these models' is the newest.

        Nothing is deleted: every verdict stays on record.

        Returns
        -------
        list of str
            Sites whose score changed.
        """
        with self._writing():
            return stand_again(self._db, model_ids)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def _prepare(self) -> None:
        version = schema_version(self._db)
        if version > SCHEMA_VERSION:
            raise SessionError(
                f"{self.path} was written by a newer Proofdesk (version {version}).",
                "Update Proofdesk, or move the file away: sites and verdicts can be made again.",
            )
        if self.read_only:
            if version < SCHEMA_VERSION:
                raise SessionError(
                    f"{self.path} was written by an older Proofdesk.",
                    "Open the session once with the right to write; that brings it up to date.",
                )
            return
        # Derived data: a power cut may cost the last verdicts, never the file.
        self._db.execute("PRAGMA synchronous = NORMAL")
        # Sites are found by ids, which lie anywhere in their index: it is to stay in memory.
        self._db.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        if version == 0:
            create(self._db)
        elif version < SCHEMA_VERSION:
            take_over(self._db)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        if self.read_only:
            raise SessionError(
                "This session is open for reading only.", "Open it for writing to change it."
            )
        with self._lock, translated(self.path):
            try:
                with transaction(self._db):
                    yield
            except BaseException:
                # It may have seen what was rolled back.
                self._numbers = SiteNumbers()
                raise

    @contextmanager
    def _reading_one_moment(self) -> Iterator[None]:
        with self._lock, translated(self.path):
            self._db.execute("BEGIN")
            try:
                yield
            finally:
                self._db.execute("COMMIT")

    def _rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with self._lock, translated(self.path):
            return self._db.execute(query, values).fetchall()

    def _runs(self, after: int, limit: int) -> list[SiteColumns]:
        """Return whole runs of sites after a number until there are enough."""
        found: list[SiteColumns] = []
        rows = self._db.execute(
            "SELECT count, packed FROM runs WHERE first > ? ORDER BY first", (after,)
        )
        for number, packed in rows:
            found.append(SiteColumns.unpack(packed, number))
            limit -= number
            if limit <= 0:
                break
        return found

    def _since(self, reader: str, change: int, limit: int) -> NDArray[np.void]:
        """Return at most so many scores that changed after a change; the rest waits for next."""
        known, ahead = self._ahead.get(reader, (change, no_scores()))
        if known != change or not ahead.size:
            ahead = scores_since(self._db, change)
        found, rest = ahead[:limit], ahead[limit:]
        self._ahead[reader] = (int(found["change"][-1]) if found.size else change, rest)
        return found

    def _number(self, site_id: str) -> int:
        """Return the place of a site, 0 if there is none with this id."""
        with self._lock, translated(self.path):
            return self._numbers.of(self._db, site_id)

    def _score(self, site_id: str) -> NDArray[np.void]:
        with self._lock, translated(self.path):
            place = self._numbers.of(self._db, site_id)
            return score_of(self._db, place) if place else no_scores()


def _site(body: str) -> Site:
    return from_plain(Site, json.loads(body))


def _scores(scores: NDArray[np.void]) -> list[SiteScore]:
    fields = scores[["number", "probability", "partner", "failed"]]
    return [
        SiteScore(
            f"{number:016x}",
            None if math.isnan(probability) else probability,
            partner or None,
            failed=bool(failed),
        )
        for number, probability, partner, failed in fields.tolist()
    ]
