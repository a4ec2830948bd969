"""Sites and verdicts: idempotent, newest first, followed while they are made."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from dataclasses import replace
from datetime import timedelta, timezone
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectome.errors import SessionError, StorageError
from proofreading.catalogue import START, Catalogue, Changes, SiteScore, Token
from proofreading.ledger.codec import to_json
from proofreading.site_columns import KINDS
from proofreading.sites import SiteKind
from proofreading.verdicts import FailedVerdict, Task, Verdict
from tests.unit.ledger.build import BIG, a_failure, a_site, a_verdict

ROOT = Path(__file__).resolve().parents[3]
CORRECTION = Task.SPLIT_ERROR_CORRECTION


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "catalogue.sqlite"


def everything(catalogue: Catalogue) -> tuple[list[str], dict[str, SiteScore]]:
    """Follow the catalogue from the start in small steps."""
    token = START
    sites: list[str] = []
    scores: dict[str, SiteScore] = {}
    for _ in range(10_000):
        changes = catalogue.changes_since(token, limit=7)
        if not changes:
            return sites, scores
        sites += [site.id for site in changes.sites]
        scores.update({score.site_id: score for score in changes.scores})
        token = changes.token
    pytest.fail("the catalogue never ends")


def test_sites_come_back_whole_and_only_once(path: Path) -> None:
    sites = [a_site(1), a_site(2, partners=0, kind=SiteKind.JUNCTION), a_site(3)]
    with Catalogue.open(path) as catalogue:
        assert catalogue.add_sites(sites) == [site.id for site in sites]
        assert catalogue.add_sites([a_site(3), a_site(4)]) == [a_site(4).id]
        assert list(catalogue.sites()) == [*sites, a_site(4)]
        assert list(catalogue.sites(SiteKind.JUNCTION)) == [sites[1]]
        assert catalogue.site(sites[0].id) == sites[0]
        assert catalogue.site("f" * 16) is None
        assert catalogue.site("no site") is catalogue.site("f" * 17) is None
        assert catalogue.known([sites[2].id, "no site", "f" * 16]) == {sites[2].id}
        assert catalogue.counts().by_kind[SiteKind.ENDPOINT] == 3


def test_the_score_is_the_best_partners_newest_verdict(path: Path) -> None:
    with Catalogue.open(path) as catalogue:
        catalogue.add_sites([a_site(1)])
        old = a_verdict(1, 0.99, partner=BIG + 100, at=0)
        new = a_verdict(1, 0.40, partner=BIG + 100, at=5)
        other = a_verdict(1, 0.70, partner=BIG + 101, at=1)
        assert catalogue.add_verdicts([new, old, other]) == [a_site(1).id]
        assert catalogue.add_verdicts([old, other, new]) == []
        assert catalogue.score(a_site(1).id) == SiteScore(a_site(1).id, 0.7, BIG + 101, False)
        assert catalogue.best_verdict(a_site(1).id) == other
        assert catalogue.verdicts(a_site(1).id) == [new, other, old]
        assert catalogue.verdicts(a_site(1).id, Task.SPLIT_PROPOSAL) == []
        newest = catalogue.newest_verdicts(a_site(1).id, CORRECTION)
        assert newest == {BIG + 100: new, BIG + 101: other}
        assert catalogue.counts().verdicts == 3


def test_only_the_kinds_main_task_scores(path: Path) -> None:
    with Catalogue.open(path) as catalogue:
        catalogue.add_sites([a_site(1)])
        side = a_verdict(1, 0.9, partner=None, task=Task.SEGMENT_CLASSIFICATION)
        assert catalogue.add_verdicts([side]) == []
        assert catalogue.best_verdict(a_site(1).id) is None


def test_a_failure_is_a_state_until_a_verdict_or_a_retry(path: Path) -> None:
    with Catalogue.open(path) as catalogue:
        catalogue.add_sites([a_site(1), a_site(2)])
        catalogue.add_verdicts([a_failure(1, at=3), a_failure(2, partner=None, at=3)])
        assert catalogue.failures(a_site(1).id) == [a_failure(1, at=3)]
        assert catalogue.counts().failed == 2
        assert catalogue.unjudged(CORRECTION, "m1") == []
        catalogue.retry([a_site(2).id])
        assert [s.id for s in catalogue.unjudged(CORRECTION, "m1")] == [a_site(2).id]
        catalogue.add_verdicts([a_verdict(1, 0.2, at=2)])
        assert catalogue.score(a_site(1).id).failed
        catalogue.add_verdicts([a_verdict(1, 0.3, at=4), a_failure(1, at=1)])
        assert not catalogue.score(a_site(1).id).failed
        assert catalogue.counts().failed == 0


def test_unjudged_goes_on_where_it_was(path: Path) -> None:
    kinds = [SiteKind.JUNCTION if i % 5 == 0 else SiteKind.ENDPOINT for i in range(40)]
    sites = [a_site(i, kind=kind, partners=i % 3) for i, kind in enumerate(kinds)]
    wanted = [s.id for s in sites if s.kind is SiteKind.ENDPOINT and s.partners]
    with Catalogue.open(path) as catalogue:
        catalogue.add_sites(sites)
        seen = []
        for at in range(len(wanted)):
            batch = catalogue.unjudged(CORRECTION, "m1", limit=3)
            if not batch:
                break
            seen += [site.id for site in batch]
            catalogue.add_verdicts([a_verdict(int(s.id, 16), 0.5, at=at) for s in batch])
        assert seen == wanted
        assert catalogue.unjudged(CORRECTION, "m1") == []
        assert len(catalogue.unjudged(CORRECTION, "m2")) == len(wanted)
        assert [s.kind for s in catalogue.unjudged(Task.MERGE_ERROR_IDENTIFICATION, "m1")] == [
            SiteKind.JUNCTION
        ] * 8
        catalogue.add_sites([a_site(99)])
        assert [s.id for s in catalogue.unjudged(CORRECTION, "m1")] == [a_site(99).id]


def test_a_verdict_on_an_unknown_site_is_refused_whole(path: Path) -> None:
    with Catalogue.open(path) as catalogue:
        catalogue.add_sites([a_site(1)])
        with pytest.raises(SessionError, match="no site"):
            catalogue.add_verdicts([a_verdict(1, 0.5), a_verdict(2, 0.5)])
        assert catalogue.counts().verdicts == 0


RESULTS = st.builds(
    lambda fails, site, partner, at, p: (
        a_failure(site, partner=partner, at=at)
        if fails
        else a_verdict(site, p, partner=partner, at=at)
    ),
    st.booleans(),
    st.integers(0, 3),
    st.sampled_from([BIG + 100, BIG + 101]),
    st.integers(0, 6),
    st.sampled_from([0.1, 0.5, 0.9]),
)


def newest(results: list[Verdict | FailedVerdict], site: str, kind: type) -> dict[object, object]:
    """The newest outcome of a kind for each partner; of equal times, a verdict's first one."""
    found: dict[object, Verdict | FailedVerdict] = {}
    for result in results:
        if result.site_id == site and isinstance(result, kind):
            before = found.get(result.partner_supervoxel)
            if before is None or result.made_at > before.made_at:
                found[result.partner_supervoxel] = result
    return dict(found)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(RESULTS, max_size=8), max_size=6))
def test_following_agrees_with_thinking_it_through(
    tmp_path_factory: pytest.TempPathFactory, batches: list[list[Verdict | FailedVerdict]]
) -> None:
    path = tmp_path_factory.mktemp("catalogue") / "c.sqlite"
    flat = [result for batch in batches for result in batch]
    with Catalogue.open(path) as catalogue, Catalogue.open(path, read_only=True) as reader:
        catalogue.add_sites(a_site(i) for i in range(4))
        followed: dict[str, SiteScore] = {}
        token = START
        for batch in batches:
            catalogue.add_verdicts(batch)
            changes: Changes = reader.changes_since(token)
            token = changes.token
            followed.update({score.site_id: score for score in changes.scores})
        assert everything(reader) == ([a_site(i).id for i in range(4)], followed)
        for i in range(4):
            site_id = a_site(i).id
            verdicts = newest(flat, site_id, Verdict).values()
            best = max((v.probability for v in verdicts if isinstance(v, Verdict)), default=None)
            assert reader.score(site_id).probability == best


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(RESULTS, max_size=8), max_size=6), st.integers(1, 9))
def test_news_as_columns_are_the_changes(
    tmp_path_factory: pytest.TempPathFactory,
    batches: list[list[Verdict | FailedVerdict]],
    limit: int,
) -> None:
    path = tmp_path_factory.mktemp("catalogue") / "c.sqlite"
    with Catalogue.open(path) as catalogue, Catalogue.open(path, read_only=True) as reader:
        catalogue.add_sites(a_site(i) for i in range(4))
        early: dict[str, tuple[object, ...]] = {}
        token = _take_news(reader, START, limit, early)
        for batch in batches:
            catalogue.add_verdicts(batch)
            token = _take_news(reader, token, limit, early)
        catalogue.add_sites([a_site(9)])
        catalogue.add_verdicts([a_verdict(9, 0.3)])
        _take_news(reader, token, limit, early)
        late: dict[str, tuple[object, ...]] = {}
        _take_news(reader, START, limit, late)
        known = {s.id: catalogue.score(s.id) for s in catalogue.sites()}
        told = {i: (s.probability, s.partner_supervoxel, s.failed) for i, s in known.items()}
        assert early == late == told


def _take_news(
    reader: Catalogue, token: Token, limit: int, into: dict[str, tuple[object, ...]]
) -> Token:
    while news := reader.news_since(token, limit=limit):
        into.update({f"{n:016x}": (None, None, False) for n in news.sites.sites["number"].tolist()})
        for scores in (news.scores, news.changed):
            for number, chance, partner, failed in scores[
                ["number", "probability", "partner", "failed"]
            ].tolist():
                assert f"{number:016x}" in into
                said = None if chance != chance else chance
                into[f"{number:016x}"] = (said, partner or None, bool(failed))
        token = news.token
    return token


def test_site_columns_are_the_sites(path: Path) -> None:
    sites = [a_site(i, partners=i % 3, kind=list(SiteKind)[i % 4]) for i in range(20)]
    with Catalogue.open(path) as catalogue:
        catalogue.add_sites(sites[:7])
        catalogue.add_sites(sites[5:])
        columns = catalogue.news_since().sites
    assert columns.sites["number"].tolist() == [site.number for site in sites]
    taken = columns.take(np.array([4, 2, 3]))
    begins = taken.first_partner
    for place, row in enumerate((4, 2, 3)):
        assert KINDS[taken.sites["kind"][place]] is sites[row].kind
        assert taken.sites["root"][place] == sites[row].root
        end = begins[place] + taken.sites["partners"][place]
        supervoxels = [p.supervoxel for p in sites[row].partners]
        assert taken.partners["supervoxel"][begins[place] : end].tolist() == supervoxels


VERSION_1 = """
CREATE TABLE sites (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL,
 partners INTEGER NOT NULL, body TEXT NOT NULL);
CREATE INDEX sites_by_kind ON sites (kind, number);
CREATE TABLE verdicts (number INTEGER PRIMARY KEY, site_id TEXT NOT NULL, body TEXT NOT NULL);
CREATE TABLE failures (site_id TEXT NOT NULL, body TEXT NOT NULL);
CREATE TABLE newest (site_id TEXT NOT NULL);
CREATE TABLE scores (site_id TEXT PRIMARY KEY, change INTEGER NOT NULL);
CREATE UNIQUE INDEX scores_by_change ON scores (change);
CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
PRAGMA user_version = 1;
"""


def test_a_catalogue_of_the_first_version_is_taken_over(path: Path) -> None:
    sites, verdict, failure = [a_site(1), a_site(2)], a_verdict(1, 0.7), a_failure(2, at=3)
    older = sqlite3.connect(path)
    older.executescript(VERSION_1)
    for site in sites:
        row = (site.id, site.kind.value, 2, to_json(site))
        older.execute("INSERT INTO sites (id, kind, partners, body) VALUES (?, ?, ?, ?)", row)
    for table, result in (("verdicts", verdict), ("failures", failure)):
        row_ = (result.site_id, to_json(result))
        older.execute(f"INSERT INTO {table} (site_id, body) VALUES (?, ?)", row_)
    older.commit()
    older.close()
    with pytest.raises(SessionError, match="older Proofdesk"):
        Catalogue.open(path, read_only=True)
    for _ in range(2):
        with Catalogue.open(path) as catalogue:
            assert list(catalogue.sites()) == sites
            assert catalogue.best_verdict(sites[0].id) == verdict
            assert catalogue.failures(sites[1].id) == [failure]
            assert (catalogue.counts().judged, catalogue.counts().failed) == (1, 1)


def test_many_sites_stay_quick(path: Path) -> None:
    with Catalogue.open(path) as catalogue:
        catalogue.add_sites(a_site(i) for i in range(20_000))
        everywhere = [a_verdict(i, 0.5) for i in range(19_000)]
        for first in range(0, len(everywhere), 2000):
            catalogue.add_verdicts(everywhere[first : first + 2000])
        catalogue.unjudged(CORRECTION, "m1", limit=8)
        token = START
        for _ in range(100):
            changes = catalogue.changes_since(token)
            if not changes:
                break
            token = changes.token
        started = time.perf_counter()
        for i in range(100):
            catalogue.add_verdicts([a_verdict(i, 0.6, at=9)])
            assert len(catalogue.unjudged(CORRECTION, "m1", limit=8)) == 8
            changes = catalogue.changes_since(token)
            assert len(changes.scores) == 1
            token = changes.token
            catalogue.counts()
            catalogue.site(a_site(i).id)
            catalogue.best_verdict(a_site(i).id)
        # 600 calls; a full scan in each would take far longer than this.
        assert time.perf_counter() - started < 5


DETECTOR = """
import sys
from pathlib import Path
from proofreading.catalogue import Catalogue
from tests.unit.ledger.build import a_site, a_verdict
catalogue = Catalogue.open(Path(sys.argv[1]))
for i in range(400):
    catalogue.add_sites([a_site(i)])
    catalogue.add_verdicts([a_verdict(i, 0.5)])
"""


def test_the_window_reads_while_another_process_writes(path: Path) -> None:
    Catalogue.open(path).close()
    command = [sys.executable, "-c", DETECTOR, str(path)]
    with (
        Catalogue.open(path, read_only=True) as reader,
        subprocess.Popen(command, cwd=ROOT) as detector,
    ):
        token, sites, scored = START, [], set[str]()
        deadline = time.monotonic() + 60
        while len(scored) < 400 and time.monotonic() < deadline:
            changes = reader.changes_since(token, limit=50)
            token = changes.token
            sites += [site.id for site in changes.sites]
            # A score never comes before its site.
            scored |= {score.site_id for score in changes.scores}
            assert scored <= set(sites)
        assert detector.wait(30) == 0
    assert sites == [a_site(i).id for i in range(400)]
    assert len(scored) == 400


def test_a_full_disk_is_a_sentence(path: Path) -> None:
    with Catalogue.open(path) as catalogue:
        catalogue.add_sites([a_site(1)])
        pages = catalogue._db.execute("PRAGMA page_count").fetchone()[0]
        catalogue._db.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(StorageError, match="disk is full"):
            catalogue.add_sites(a_site(i) for i in range(2, 2000))
        assert catalogue.site(a_site(1).id) == a_site(1)


def test_a_newer_catalogue_is_refused(path: Path) -> None:
    Catalogue.open(path).close()
    newer = sqlite3.connect(path)
    newer.execute("PRAGMA user_version = 99")
    newer.close()
    with pytest.raises(SessionError, match="newer Proofdesk"):
        Catalogue.open(path)


def test_times_in_other_zones_are_compared_rightly(path: Path) -> None:
    early = a_verdict(1, 0.1, at=0)
    east = timezone(timedelta(hours=9))
    late = replace(
        a_verdict(1, 0.8, at=60), made_at=(early.made_at + timedelta(60)).astimezone(east)
    )
    with Catalogue.open(path) as catalogue:
        catalogue.add_sites([a_site(1)])
        catalogue.add_verdicts([late, early])
        assert catalogue.best_verdict(a_site(1).id) == late
