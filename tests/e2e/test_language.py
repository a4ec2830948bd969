"""A language model in the real window: trained, served, asked where others are unsure, killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("PyQt6.QtWebEngineWidgets", reason="the gui extra is not installed")
pytest.importorskip("torch", reason="a language model needs the extra `vlm`")
pytest.importorskip("peft", reason="a language model needs the extra `vlm`")

from app.services.language import LanguageStatus
from app.services.model import Phase
from app.services.opening import Opened
from app.ui.driver import Driver
from inference.judges.routing import Route, Routing, write_routing
from proofreading.verdicts import Task, Verdict
from tests.e2e.train_language_child import REASON

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

TASK = Task.SPLIT_ERROR_CORRECTION
JOINT = ".with.tiny-words"


@pytest.fixture(scope="module")
def words(grown_demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the tiny model, trained on pictures of the demo."""
    out = tmp_path_factory.mktemp("words")
    command = [sys.executable, "-m", "tests.e2e.train_language_child", str(grown_demo), str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return out / "tiny"


@pytest.fixture
def driver(demo: Path, words: Path, tmp_path: Path) -> Iterator[Driver]:
    with Driver(Opened(tmp_path / "e2e.proofdesk", str(demo), (str(words),))) as made:
        yield made


def _status(driver: Driver) -> LanguageStatus | None:
    return driver.workbench.snapshot().language


def _is(driver: Driver, phase: Phase) -> bool:
    status = _status(driver)
    return status is not None and status.phase is phase


def _joint(driver: Driver) -> list[Verdict]:
    """Return the joint verdicts of all sites."""
    catalogue = driver.workbench.session.catalogue
    verdicts = [v for site in catalogue.sites() for v in catalogue.verdicts(site.id, TASK)]
    return [v for v in verdicts if v.provenance.model_id.endswith(JOINT)]


def _serving_pid(driver: Driver) -> int:
    """Return the process of the language model: a child of the judging worker."""
    worker = driver.workbench._workers.pids[-1]
    children = Path(f"/proc/{worker}/task").glob("*/children")
    for pid in (int(p) for file in children for p in file.read_text().split()):
        if b"inference.judges.vlm.serving" in Path(f"/proc/{pid}/cmdline").read_bytes():
            return pid
    msg = "the judging worker has no language model"
    raise AssertionError(msg)


def _show_joint(driver: Driver) -> Verdict:
    """Go to a site with a joint verdict on its proposed partner, and return it."""
    bench = driver.workbench

    def found() -> Verdict | None:
        for verdict in _joint(driver):
            best = bench.session.catalogue.best_verdict(verdict.site_id)
            if best == verdict:
                return verdict
        return None

    driver.until(lambda: found() is not None, "a joint verdict on a proposed partner", 300)
    verdict = found()
    assert verdict is not None
    bench.select(verdict.site_id)

    def shown() -> bool:
        current = bench.snapshot().current
        return current is not None and current.pictures_phase is Phase.READY

    driver.until(shown, "the pictures of that site")
    driver.settle()
    return verdict


def test_it_is_asked_where_the_others_are_unsure_and_says_why(
    driver: Driver, artifacts: Path
) -> None:
    bench = driver.workbench
    driver.until(lambda: _is(driver, Phase.READY), "the language model", 240)
    verdict = _show_joint(driver)
    current = bench.snapshot().current
    assert current is not None
    panel = driver.window.verdict.language
    assert panel.reasons.text() == verdict.rationale == REASON
    assert panel.parts.isVisible()
    assert [part.model_id for part in verdict.parts][1] == "tiny-words"
    assert verdict.provenance.pictures_sha256 is not None
    driver.grab(artifacts / "e2e-language.png")

    # Sure questions stay with the first judge alone; doubtful ones go to both.
    route = Route()
    catalogue = bench.session.catalogue
    driver.until(lambda: not _works(driver), "the verdicts", 400)
    alone = joint = 0
    for site in catalogue.sites():
        for newest in catalogue.newest_verdicts(site.id, TASK).values():
            if newest.parts and newest.provenance.model_id.endswith(JOINT):
                first = newest.parts[0].probability
                joint += 1
                assert route.unsure_from <= first <= route.unsure_to or _spread(driver, newest) > 0
                names = {v.provenance.model_id for v in catalogue.verdicts(site.id, TASK)}
                assert {newest.parts[0].model_id, "tiny-words"} <= names
            else:
                alone += 1
    assert joint
    assert alone

    before = verdict.provenance.prompt_sha256
    bench.use_words({"region": "hippocampus"})

    def asked_again() -> bool:
        now = bench.snapshot().current
        return now is not None and now.verdict is not None and bool(now.verdict.provenance.slots)

    driver.until(asked_again, "an answer to the new words")
    now = bench.snapshot().current
    assert now is not None
    assert now.verdict is not None
    assert now.verdict.provenance.prompt_sha256 != before
    assert verdict in catalogue.verdicts(verdict.site_id, TASK)


def test_killed_in_mid_answer_it_comes_back_and_answers(driver: Driver) -> None:
    bench = driver.workbench
    driver.until(lambda: _is(driver, Phase.READY), "the language model", 240)
    driver.until(lambda: not _works(driver), "the verdicts", 400)
    driver.until(lambda: _idle(driver), "the end of all questions", 300)
    current = bench.snapshot().current
    assert current is not None
    site = current.site
    stored = len(bench.session.catalogue.verdicts(site.id, TASK))
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
    driver.until(
        lambda: len(bench.session.catalogue.verdicts(site.id, TASK)) > stored, "the answer", 120
    )
    assert _serving_pid(driver) != first
    assert bench.session.catalogue.failures(site.id) == []


def test_the_window_never_loads_the_models_libraries(
    demo: Path, words: Path, tmp_path: Path
) -> None:
    session = tmp_path / "modules.proofdesk"
    command = [sys.executable, "-m", "tests.e2e.modules_child", str(session), str(demo), str(words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads(done.stdout.splitlines()[-1]) == []


def test_a_session_names_its_own_models(demo: Path, words: Path, tmp_path: Path) -> None:
    session = tmp_path / "own.proofdesk"
    with Driver(Opened(session, str(demo))) as driver:
        driver.until(lambda: driver.workbench.snapshot().current is not None, "the first site")
        assert _status(driver) is None
    write_routing(session, Routing(routes={TASK: Route(second=str(words))}))
    with Driver(Opened(session, str(demo))) as driver:
        driver.until(lambda: _is(driver, Phase.READY), "the language model", 240)
    write_routing(session, Routing(routes={TASK: Route(second=str(tmp_path / "nowhere"))}))
    with Driver(Opened(session, str(demo))) as driver:
        driver.until(lambda: _is(driver, Phase.FAILED), "the trouble with the model", 240)
        driver.until(lambda: driver.workbench.snapshot().judge.phase is Phase.READY, "the judge")


def _works(driver: Driver) -> bool:
    jobs = {job.name: job.phase for job in driver.workbench.snapshot().jobs}
    return Phase.LOADING in (jobs.get("detect"), jobs.get("judge"))


def _idle(driver: Driver) -> bool:
    status = _status(driver)
    return status is not None and status.site_id == ""


def _spread(driver: Driver, verdict: Verdict) -> float:
    """Return how far the members of the first judge were apart."""
    catalogue = driver.workbench.session.catalogue
    for other in catalogue.verdicts(verdict.site_id, TASK):
        mine = other.partner_supervoxel == verdict.partner_supervoxel
        if mine and other.provenance.model_id == verdict.parts[0].model_id and other.parts:
            chances = [part.probability for part in other.parts]
            return max(chances) - min(chances)
    return 0.0
