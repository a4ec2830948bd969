"""Scans: the same sites as detection, whoever works and whoever is lost."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from app.services.scan_following import ScanFollower
from app.services.scan_runners import DaskRunner, HereRunner, Runner, open_runner
from app.services.scan_units import Job, JudgeUnit, Outcome, Unit
from app.services.scanning import ScanRequest, ScanSummary, import_scan, scan
from connectome.errors import InputError, OfflineError
from connectome.graph import GraphPoint, MergeRequest
from connectome.opening import open_datastack
from proofreading.catalogue import Catalogue
from proofreading.detection.detector import detect
from proofreading.scan.folder import ResultFolder
from proofreading.scan.record import read_present
from proofreading.scan.rows import read_sites, read_verdicts
from proofreading.sites import Site, SiteKind
from proofreading.verdicts import Verdict
from tests.scanned import small_tissue

for _package in ("cc3d", "edt", "numba", "pyarrow", "onnxruntime"):
    pytest.importorskip(_package, reason=f"{_package} is not installed")

Answer = tuple[str, str, int | None, str, float]


def quiet(_label: str, _fraction: float | None) -> None:
    """Nobody looks."""


@pytest.fixture(scope="module")
def tissue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_tissue(tmp_path_factory.mktemp("tissue") / "datastack")


@pytest.fixture(scope="module")
def request_(tissue: Path, tmp_path_factory: pytest.TempPathFactory) -> ScanRequest:
    return ScanRequest(str(tissue), tmp_path_factory.mktemp("scan") / "here", quick=True)


@pytest.fixture(scope="module")
def here(request_: ScanRequest) -> ScanSummary:
    return scan(request_, quiet, HereRunner())


def sites_in(folder: Path) -> dict[str, Site]:
    files = read_present(folder).sites
    return {s.id: s for name in files for s in read_sites(ResultFolder(folder), "sites", name)}


def answers_in(folder: Path) -> set[Answer]:
    found: set[Answer] = set()
    for file in read_present(folder).verdicts:
        judge, name = file.split("/")
        for result in read_verdicts(ResultFolder(folder), f"verdicts/{judge}", name):
            assert isinstance(result, Verdict)
            model = result.provenance.model_id
            question = (result.site_id, result.task.value, result.partner_supervoxel)
            found.add((*question, model, result.probability))
    return found


class KillingRunner:
    """Kills one of the workers after some tasks, by its process id."""

    def __init__(self, runner: DaskRunner, after: int) -> None:
        self.runner, self.left = runner, after
        self.workers, self.dashboard = runner.workers, runner.dashboard
        self.killed: list[int] = []

    def run(self, job: Job, units: Iterable[Unit]) -> Iterator[Outcome]:
        for outcome in self.runner.run(job, units):
            self.left -= 1
            if self.left == 0:
                self.killed = [next(iter(self.runner.client.run(os.getpid).values()))]
                os.kill(self.killed[0], signal.SIGKILL)
            yield outcome

    def close(self) -> None:
        self.runner.close()


@pytest.fixture(scope="module")
def two_workers() -> Iterator[DaskRunner]:
    pytest.importorskip("distributed", reason="distributed is not installed")
    runner = open_runner("local", 2)
    assert isinstance(runner, DaskRunner)
    yield runner
    runner.close()


def test_a_scan_finds_exactly_what_detection_finds(
    tissue: Path, request_: ScanRequest, here: ScanSummary
) -> None:
    datastack = open_datastack(str(tissue))
    found = {site.id: site for site in detect(datastack)}
    datastack.close()
    assert sites_in(request_.out) == found
    assert here.complete
    assert here.sites == len(found) > 30
    assert {site.kind for site in found.values()} > {SiteKind.CONTACT, SiteKind.ENDPOINT}
    assert here.verdicts == len(answers_in(request_.out)) > 30
    assert "complete" in (request_.out / "index.html").read_text()


def test_what_is_there_is_not_done_again(request_: ScanRequest, here: ScanSummary) -> None:
    again = scan(request_, quiet, HereRunner())
    assert again.tasks_done == 0
    assert (again.sites, again.verdicts) == (here.sites, here.verdicts)


@pytest.mark.parametrize("after", [0, 6])
def test_two_workers_give_the_same_although_one_is_killed(
    request_: ScanRequest,
    here: ScanSummary,
    two_workers: DaskRunner,
    tmp_path: Path,
    after: int,
) -> None:
    killing = KillingRunner(two_workers, after)
    summary = scan(replace(request_, out=tmp_path), quiet, killing)
    assert bool(killing.killed) == bool(after)
    assert summary.complete
    assert sites_in(tmp_path) == sites_in(request_.out)
    assert answers_in(tmp_path) == answers_in(request_.out)
    # A site's file has the same name and bytes whoever wrote it, and when.
    for name in read_present(request_.out).sites:
        path = Path("sites") / f"{name}.parquet"
        assert (tmp_path / path).read_bytes() == (request_.out / path).read_bytes()


class LosingRunner(HereRunner):
    """The scheduler is lost after some tasks."""

    def __init__(self, after: int) -> None:
        self.left = after

    def run(self, job: Job, units: Iterable[Unit]) -> Iterator[Outcome]:
        for outcome in super().run(job, units):
            if self.left == 0:
                raise OSError("connection lost")
            self.left -= 1
            yield outcome


def test_a_run_after_the_scheduler_was_lost_goes_on(
    request_: ScanRequest, here: ScanSummary, tmp_path: Path
) -> None:
    broken = replace(request_, out=tmp_path)
    with pytest.raises(OSError, match="connection lost"):
        scan(broken, quiet, LosingRunner(6))
    assert not read_present(tmp_path).complete
    summary = scan(broken, quiet, HereRunner())
    # The task at whose end the connection was lost had written its result.
    assert summary.tasks_done == here.tasks_done - 7
    assert sites_in(tmp_path) == sites_in(request_.out)
    assert answers_in(tmp_path) == answers_in(request_.out)


def test_a_new_model_judges_without_detecting(
    request_: ScanRequest, here: ScanSummary, tmp_path: Path
) -> None:
    few = replace(request_, out=tmp_path, kinds=frozenset({SiteKind.ENDPOINT}))
    first = scan(replace(few, judged=False), quiet, HereRunner())
    assert first.verdicts == 0
    judged = scan(few, quiet, HereRunner())
    other = scan(replace(few, models=("resnet-pairs-fib25-low-int8",)), quiet, HereRunner())
    for run in (judged, other):
        assert run.sites == first.sites
        assert run.tasks_there_before == first.tasks_done
        assert run.detection_sites_per_second is None
        assert run.judging_sites_per_second is not None


def test_a_session_follows_the_folder_while_it_grows(
    request_: ScanRequest, here: ScanSummary, tmp_path: Path
) -> None:
    with Catalogue.open(tmp_path / "c.sqlite") as catalogue:
        assert not ScanFollower(tmp_path / "nothing yet", catalogue).poll()
        follower = ScanFollower(request_.out, catalogue)
        first = follower.poll(files=1)
        assert 0 < first.sites < here.sites
        rest = follower.poll()
        assert first.sites + rest.sites == here.sites == catalogue.counts().sites
        assert rest.verdicts == here.verdicts == catalogue.counts().verdicts
        assert rest.complete
        assert not follower.poll()
        # Another follower of the same folder finds all of it there already.
        assert not ScanFollower(request_.out, catalogue).poll()
    found = import_scan(request_.out, tmp_path / "s.proofdesk")
    assert (found.sites, found.verdicts) == (here.sites, here.verdicts)


def test_after_an_edit_only_what_it_touched_is_done_again(tmp_path: Path) -> None:
    tissue = small_tissue(tmp_path / "datastack")
    request = ScanRequest(str(tissue), tmp_path / "scan", quick=True)
    first = scan(request, quiet, HereRunner())
    asked: list[JudgeUnit] = []
    before = sites_in(request.out)
    gone = _merge_two_small_roots(tissue, before.values())

    class Watching(HereRunner):
        def run(self, job: Job, units: Iterable[Unit]) -> Iterator[Outcome]:
            for outcome in super().run(job, units):
                if isinstance(outcome.unit, JudgeUnit):
                    asked.append(outcome.unit)
                yield outcome

    second = scan(request, quiet, Watching())
    after = sites_in(request.out)
    datastack = open_datastack(str(tissue))
    assert after == {site.id: site for site in detect(datastack)}
    datastack.close()
    assert second.complete
    assert second.tasks_there_before > 0
    same = [site for site in before.values() if after.get(site.id) == site]
    assert not any(gone & _met(site) for site in after.values())
    # What says the same as before was not judged again.
    judged_again = sum(len(unit.keys) for unit in asked)
    assert 0 < judged_again <= 2 * (len(after) - len(same))
    untouched = [site for site in before.values() if not gone & _met(site)]
    assert len(same) > 0.9 * len(untouched) > 20
    assert first.sites > len(untouched)


def _met(site: Site) -> set[int]:
    return {site.root, *(partner.root for partner in site.partners)}


def _merge_two_small_roots(tissue: Path, sites: Iterable[Site]) -> set[int]:
    every = list(sites)
    site = min(
        (one for one in every if one.kind is SiteKind.CONTACT),
        key=lambda one: sum(bool(_met(one) & _met(other)) for other in every),
    )
    partner = site.partners[0]
    datastack = open_datastack(str(tissue))
    try:
        assert datastack.graph is not None
        datastack.graph.merge(
            MergeRequest(
                GraphPoint(partner.own_supervoxel, partner.own_point_nm),
                GraphPoint(partner.supervoxel, partner.point_nm),
            )
        )
    finally:
        datastack.close()
    return {site.root, partner.root}


def test_a_folder_of_another_scan_is_refused(request_: ScanRequest, here: ScanSummary) -> None:
    with pytest.raises(InputError, match="holds another scan"):
        scan(replace(request_, kinds=frozenset({SiteKind.ENDPOINT})), quiet, HereRunner())


def test_only_the_sites_of_given_roots(
    request_: ScanRequest, here: ScanSummary, tmp_path: Path
) -> None:
    root = next(s.root for s in sites_in(request_.out).values() if s.kind is SiteKind.ENDPOINT)
    only = replace(request_, out=tmp_path, roots=(root,), judged=False)
    scan(only, quiet, HereRunner())
    found = sites_in(tmp_path).values()
    assert found
    assert all(root in {site.root, *(p.root for p in site.partners)} for site in found)


def test_a_scheduler_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed", reason="distributed is not installed")
    monkeypatch.setattr("app.services.scan_runners.START_SECONDS", 0.2)
    with pytest.raises(OfflineError, match="No Dask scheduler answers at tcp://127"):
        open_runner("tcp://127.0.0.1:1", 1)


def test_one_worker_needs_no_dask() -> None:
    runner: Runner = open_runner(None, 1)
    assert isinstance(runner, HereRunner)
    runner.close()
