"""A language model in the real window: trained, served, asked where others are unsure, killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("PyQt6.QtWebEngineWidgets", reason="the gui extra is not installed")
pytest.importorskip("torch", reason="a language model needs the extra `vlm`")
pytest.importorskip("peft", reason="a language model needs the extra `vlm`")

from app.services.language import LanguageStatus
from app.services.model import Phase
from app.services.opening import Opened
from app.services.workers import Worker
from app.ui.driver import Driver
from inference.judges.routing import Route, Routing, write_routing
from proofreading.verdicts import Task, Verdict
from tests.e2e.train_language_child import REASON, REGION

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

TASK = Task.SPLIT_ERROR_CORRECTION
JOINT = ".with.tiny-words"
RANKED = 120
MOST_SITES = 8
ROUTE = Route(seconds_per_site=600.0, disagreement=1.0)


@pytest.fixture(scope="module")
def words(grown_demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the tiny model, trained on pictures of the demo."""
    out = tmp_path_factory.mktemp("words")
    command = [sys.executable, "-m", "tests.e2e.train_language_child", str(grown_demo), str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return out / "tiny"


@pytest.fixture
def driver(judged: Opened, words: Path) -> Iterator[Driver]:
    """Yield a window whose session leaves much time for second opinions."""
    write_routing(judged.session, Routing(routes={TASK: ROUTE}))
    with Driver(replace(judged, models=(str(words),))) as made:
        made.until(lambda: _is(made, Phase.READY), "the language model", 240)
        yield made


def _status(driver: Driver) -> LanguageStatus | None:
    return driver.workbench.snapshot().language


def _is(driver: Driver, phase: Phase) -> bool:
    status = _status(driver)
    return status is not None and status.phase is phase


def _serving_pid(driver: Driver) -> int:
    """Return the process of the language model: a child of the judging worker."""
    worker = driver.workbench.worker_pids[Worker.DRAWER]
    children = Path(f"/proc/{worker}/task").glob("*/children")
    for pid in (int(p) for file in children for p in file.read_text().split()):
        if b"inference.judges.vlm.serving" in Path(f"/proc/{pid}/cmdline").read_bytes():
            return pid
    msg = "the judging worker has no language model"
    raise AssertionError(msg)


def _ranked(driver: Driver) -> None:
    """Wait until some hundred sites have the quick judge's verdict, then stop it there."""
    bench = driver.workbench
    counts = bench.session.catalogue.counts
    driver.until(lambda: counts().judged >= RANKED, "ranked sites", 400)
    bench.cancel("detect")
    bench.cancel("judge")
    driver.until(lambda: not _works(driver), "the end of the jobs", 120)


def _rows(driver: Driver, wanted: float) -> list[str]:
    """Return the ranked sites, those nearest to a probability first."""
    queue = driver.workbench.queue
    rows = [queue.row(index) for index in range(len(queue))]
    known = [(abs(r.probability - wanted), r.site_id) for r in rows if r.probability is not None]
    return [site_id for _, site_id in sorted(known)]


def _is_open(verdict: Verdict) -> bool:
    """Tell whether a first judge's verdict leaves its question open."""
    return ROUTE.unsure_from <= verdict.probability <= ROUTE.unsure_to


def _judged(driver: Driver, site_id: str) -> Verdict:
    """Go to a site, wait for its pictures and for all that is to be said of it."""
    bench = driver.workbench
    bench.select(site_id)

    def last_word() -> Verdict | None:
        now = bench.snapshot().current
        verdict = None if now is None or now.site.id != site_id else now.verdict
        if now is None or verdict is None or now.pictures_phase is not Phase.READY:
            return None
        joint = verdict.provenance.model_id.endswith(JOINT)
        sure = verdict.provenance.model_id.startswith("ensemble") and not _is_open(verdict)
        return verdict if joint or sure else None

    driver.until(lambda: last_word() is not None, "the last word on the site")
    driver.settle()
    verdict = last_word()
    assert verdict is not None
    return verdict


def _same_question(driver: Driver, verdict: Verdict) -> list[Verdict]:
    """Return all that was said of the question of a verdict."""
    stored = driver.workbench.session.catalogue.verdicts(verdict.site_id, TASK)
    return [other for other in stored if other.partner_supervoxel == verdict.partner_supervoxel]


def _of_both_kinds(driver: Driver) -> tuple[list[Verdict], list[Verdict]]:
    """Go to doubtful and to improbable sites in turn; return those of both, and of one judge."""
    joint: list[Verdict] = []
    alone: list[Verdict] = []
    doubtful, improbable = _rows(driver, 0.45), _rows(driver, 0.0)
    for pair in zip(doubtful[:MOST_SITES], improbable[:MOST_SITES], strict=True):
        for site_id in pair:
            verdict = _judged(driver, site_id)
            (joint if verdict.provenance.model_id.endswith(JOINT) else alone).append(verdict)
        if joint and alone:
            break
    return joint, alone


def test_it_is_asked_where_the_others_are_unsure_and_says_why(
    driver: Driver, artifacts: Path
) -> None:
    bench = driver.workbench
    _ranked(driver)
    # Which sites are ranked by now is chance: go on until there is one of either kind.
    joint, alone = _of_both_kinds(driver)
    assert joint
    assert alone
    for verdict in joint:
        names = [part.model_id for part in verdict.parts]
        assert names[1] == "tiny-words"
        stored = {v.provenance.model_id: v for v in _same_question(driver, verdict)}
        assert set(names) <= set(stored)
        assert _is_open(stored[names[0]])
    for verdict in alone:
        assert not _is_open(verdict)
        said_of_it = _same_question(driver, verdict)
        assert all(other.provenance.prompt_sha256 is None for other in said_of_it)

    verdict = _judged(driver, joint[-1].site_id)
    panel = driver.window.verdict.language
    assert panel.reasons.text() == verdict.rationale == REASON
    assert panel.parts.isVisible()
    assert verdict.provenance.pictures_sha256 is not None
    driver.grab(artifacts / "e2e-language.png")

    bench.use_words({"region": REGION})

    def asked_again() -> bool:
        now = bench.snapshot().current
        return now is not None and now.verdict is not None and bool(now.verdict.provenance.slots)

    driver.until(asked_again, "an answer to the new words")
    now = bench.snapshot().current
    assert now is not None
    assert now.verdict is not None
    assert now.verdict.provenance.prompt_sha256 != verdict.provenance.prompt_sha256
    assert verdict in bench.session.catalogue.verdicts(verdict.site_id, TASK)


def _answers(driver: Driver, site_id: str) -> int:
    """Return how often the model has answered about a site; so small a one may do it badly."""
    catalogue = driver.workbench.session.catalogue
    verdicts = catalogue.verdicts(site_id, TASK)
    unread = [failure.text for failure in catalogue.failures(site_id) if failure.text]
    return sum(v.provenance.model_id == "tiny-words" for v in verdicts) + len(unread)


def test_killed_in_mid_answer_it_comes_back_and_answers(driver: Driver) -> None:
    bench = driver.workbench
    _ranked(driver)
    verdict = _judged(driver, _rows(driver, 1.0)[0])
    driver.until(lambda: _idle(driver), "the end of all questions", 300)
    site = bench.session.catalogue.site(verdict.site_id)
    assert site is not None
    assert site.partners
    stored = _answers(driver, site.id)
    first = _serving_pid(driver)
    # Stopped, it takes the question in and cannot answer it before it is killed.
    os.kill(first, signal.SIGSTOP)
    bench.ask_language()

    def thinking() -> bool:
        status = _status(driver)
        return status is not None and status.site_id == site.id

    driver.until(thinking, "the question on its way")
    begun = time.monotonic()
    driver.press("Space")
    assert time.monotonic() - begun < 5, "the window waited for the language model"
    os.kill(first, signal.SIGKILL)
    driver.until(lambda: _is(driver, Phase.PARTIAL) or _is(driver, Phase.LOADING), "its loss")
    driver.until(lambda: _is(driver, Phase.READY), "its return", 240)
    driver.until(lambda: _answers(driver, site.id) > stored, "the answer", 120)
    assert _serving_pid(driver) != first


def test_the_window_never_loads_the_models_libraries(
    demo: Path, words: Path, tmp_path: Path
) -> None:
    session = tmp_path / "modules.proofdesk"
    command = [sys.executable, "-m", "tests.e2e.modules_child", str(session), str(demo), str(words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads(done.stdout.splitlines()[-1]) == []


def test_a_session_names_its_own_models(judged: Opened, words: Path, tmp_path: Path) -> None:
    session = judged.session
    with Driver(judged) as driver:
        driver.until(lambda: driver.workbench.snapshot().current is not None, "the first site")
        assert _status(driver) is None
    write_routing(session, Routing(routes={TASK: Route(second=str(words))}))
    with Driver(judged) as driver:
        driver.until(lambda: _is(driver, Phase.READY), "the language model", 240)
    write_routing(session, Routing(routes={TASK: Route(second=str(tmp_path / "nowhere"))}))
    with Driver(judged) as driver:
        driver.until(lambda: _is(driver, Phase.FAILED), "the trouble with the model", 240)
        driver.until(lambda: driver.workbench.snapshot().judge.phase is Phase.READY, "the judge")


def _works(driver: Driver) -> bool:
    jobs = {job.name: job.phase for job in driver.workbench.snapshot().jobs}
    return Phase.LOADING in (jobs.get("detect"), jobs.get("judge"))


def _idle(driver: Driver) -> bool:
    """Tell whether nothing is asked now, and nothing is left to be asked."""
    status = _status(driver)
    return status is not None and status.site_id == "" and status.waiting == 0
