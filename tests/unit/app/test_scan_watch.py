"""A session that follows a scan: what comes, in what order, and what a restart does."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from app.services.opening import resolve
from app.services.scan_note import note_scan
from app.services.scan_watch import ScanWatch
from app.services.worker.messages import JobDone, JobFailed, JobProgress
from proofreading.catalogue import Catalogue
from proofreading.scan.folder import ResultFolder
from proofreading.scan.record import Present, ScanRecord, write_present, write_record
from proofreading.scan.rows import site_columns, verdict_columns
from proofreading.session import Session
from proofreading.sites import SiteKind
from tests.unit.ledger.build import a_site, a_verdict

pytest.importorskip("pyarrow", reason="pyarrow is not installed")


class Scan:
    """A scan's folder that a test lets grow."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.results = folder, ResultFolder(folder)
        self.sites: list[str] = []
        self.verdicts: list[str] = []
        kinds = (SiteKind.ENDPOINT,)
        write_record(folder, ScanRecord("d", "/data/d", "v", kinds, None, True, 8, 1))

    def find(self, name: str, numbers: Sequence[int], *, judged: bool = True) -> None:
        """Write a file of sites, and one of what is said of them."""
        self.results.write("sites", name, site_columns([a_site(n) for n in numbers]))
        self.sites.append(name)
        if judged:
            keys = {a_site(n).id: str(n) for n in numbers}
            said = verdict_columns([a_verdict(n, 0.5) for n in numbers], keys)
            self.results.write("verdicts/judge", name, said)
            self.verdicts.append(f"judge/{name}")

    def note(self, *, complete: bool = False) -> None:
        """Say what holds now."""
        write_present(self.folder, Present(tuple(self.sites), tuple(self.verdicts), complete))


class Heard:
    """Keeps what a watch tells, and waits for it."""

    def __init__(self) -> None:
        self.events: list[JobProgress | JobDone | JobFailed] = []
        self._changed = threading.Condition()

    def __call__(self, event: JobProgress | JobDone | JobFailed) -> None:
        with self._changed:
            self.events.append(event)
            self._changed.notify_all()

    def until(self, kind: type, count: int = 1) -> None:
        with self._changed:
            there = self._changed.wait_for(
                lambda: sum(isinstance(e, kind) for e in self.events) >= count, 30
            )
        assert there, self.events


def test_a_growing_scan_comes_in_and_a_restart_goes_on(tmp_path: Path) -> None:
    scan, path = Scan(tmp_path / "scan"), tmp_path / "c.sqlite"
    scan.find("one", range(5))
    scan.note()
    Catalogue.open(path).close()
    with Catalogue.open(path, read_only=True) as catalogue:
        first = Heard()
        with ScanWatch(scan.folder, path, first) as watch:
            watch.start()
            first.until(JobProgress, 2)
            scan.find("two", range(5, 9))
            scan.note()
            first.until(JobProgress, 4)
        assert catalogue.counts().sites == catalogue.counts().judged == 9
        scan.find("three", range(9, 10), judged=False)
        scan.note(complete=True)
        second = Heard()
        with ScanWatch(scan.folder, path, second) as watch:
            watch.start()
            second.until(JobDone)
        assert len(second.events) == 2
        assert second.events[-1] == JobDone("scan", "10 sites, 9 judged")
        assert catalogue.taken() == {
            "sites/one",
            "sites/two",
            "sites/three",
            "verdicts/judge/one",
            "verdicts/judge/two",
        }


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    scan, path, heard = Scan(tmp_path / "scan"), tmp_path / "c.sqlite", Heard()
    scan.find("one", range(2))
    scan.results.file("sites", "one").write_bytes(b"no parquet")
    scan.note()
    with ScanWatch(scan.folder, path, heard) as watch:
        watch.start()
        heard.until(JobFailed)


def test_a_scan_s_folder_opens_a_session_that_goes_on_following_it(tmp_path: Path) -> None:
    scan, session = Scan(tmp_path / "scan"), tmp_path / "s.proofdesk"
    opened = resolve(str(scan.folder), session)
    assert (opened.session, opened.address, opened.scan) == (session, "/data/d", scan.folder)
    with Session.open(session, datastack_name="d", datastack_address="/data/d") as made:
        note_scan(made.artifacts, scan.folder)
    assert resolve(str(session)).scan == scan.folder
