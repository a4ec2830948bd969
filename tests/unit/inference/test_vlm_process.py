"""The language model's process: it answers, and whatever ends it is a state that mends."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="a language model needs the extra `vlm`")
pytest.importorskip("peft", reason="a language model needs the extra `vlm`")

from inference.judges.vlm.asking import ask_likelihoods
from inference.judges.vlm.encoding import Question
from inference.judges.vlm.model import LoadSettings, load_model
from inference.judges.vlm.process import Health, Patience, Pending, VlmProcess
from inference.judges.vlm.protocol import Asked, Load, picture_from, picture_to
from inference.prompts.writing import write_prompt
from proofreading.verdicts import Task
from rendering.spec import RenderSpec
from tests.tiny_vlm import write_tiny_vlm

PROMPT = write_prompt(Task.MERGE_ERROR_IDENTIFICATION, RenderSpec())
QUICK = Patience(silence_s=60.0, first_pause_s=0.05, stop_s=5.0)
LONG = 120.0
"""Seconds after which a test gives up waiting."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_vlm(tmp_path_factory.mktemp("vlm"))


class Running:
    """A process whose changes a test can wait for."""

    def __init__(self, load: Load, patience: Patience, command: list[str] | None = None) -> None:
        self._changed = threading.Condition()
        self.process = VlmProcess(load, on_change=self._notify, patience=patience, command=command)

    def _notify(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def until(self, what: object) -> None:
        assert callable(what)
        with self._changed:
            assert self._changed.wait_for(what, LONG)


@pytest.fixture
def running(folder: Path) -> Iterator[Running]:
    made = Running(Load(model=str(folder), device="cpu"), QUICK)
    made.process.start()
    yield made
    made.process.close()


def _questions(count: int) -> list[Question]:
    rng = np.random.default_rng(5)
    return [
        Question(PROMPT, tuple(rng.integers(0, 255, (64, 64, 3)).astype(np.uint8) for _ in "abc"))
        for _ in range(count)
    ]


def _asked(count: int) -> list[Asked]:
    return [Asked.of(question.prompt, question.pictures) for question in _questions(count)]


def test_pictures_travel_unchanged() -> None:
    picture = _questions(1)[0].pictures[0]
    np.testing.assert_array_equal(picture_from(picture_to(picture)), picture)


def test_answers_are_those_of_the_model_itself(folder: Path, running: Running) -> None:
    pending = running.process.ask(_asked(6))
    assert pending.finished.wait(LONG)
    expected = ask_likelihoods(load_model(LoadSettings(str(folder), device="cpu")), _questions(6))
    found = [pending.answers[index].logit for index in range(6)]
    assert found == pytest.approx(expected, abs=1e-4)
    assert running.process.health is Health.READY
    assert running.process.provider == "CPU"
    reasons = running.process.ask(_asked(1), reasons=True, most_tokens=8)
    assert reasons.finished.wait(LONG)
    assert reasons.answers[0].text
    assert reasons.answers[0].logit is None
    assert running.process.unload(LONG) is not None
    unloaded = running.process.ask(_asked(1))
    assert unloaded.finished.wait(LONG)
    assert unloaded.failure is not None
    assert "No language model is loaded" in unloaded.failure.message


def test_killed_in_mid_answer_it_comes_back_and_answers_all(running: Running) -> None:
    running.until(lambda: running.process.health is Health.READY)
    first = running.process.pid
    pending = running.process.ask(_asked(6), reasons=True, most_tokens=40)
    running.until(lambda: len(pending.answers) >= 1)
    assert not pending.finished.is_set()
    assert first is not None
    os.kill(first, signal.SIGKILL)
    assert pending.finished.wait(LONG)
    assert pending.failure is None
    assert sorted(pending.answers) == list(range(6))
    assert running.process.pid != first


def test_a_request_that_ends_the_process_twice_is_given_up(running: Running) -> None:
    running.until(lambda: running.process.health is Health.READY)
    pending = running.process.ask(_asked(6), reasons=True, most_tokens=300)
    for _ in range(2):
        pid = running.process.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        running.until(lambda before=pid: running.process.pid not in (None, before))
    assert pending.finished.wait(LONG)
    assert pending.failure is not None
    assert "twice" in pending.failure.message


def test_a_request_can_be_cut_short(running: Running) -> None:
    running.until(lambda: running.process.health is Health.READY)
    pending = running.process.ask(_asked(8), reasons=True, most_tokens=40)
    running.until(lambda: len(pending.answers) >= 1)
    running.process.cancel(pending)
    assert pending.finished.wait(LONG)
    assert pending.canceled
    assert len(pending.answers) < 8


def test_one_that_hangs_is_ended_and_started_again(folder: Path) -> None:
    made = Running(
        Load(model=str(folder), device="cpu"), Patience(silence_s=8.0, first_pause_s=0.05)
    )
    made.process.start()
    try:
        made.until(lambda: made.process.health is Health.READY)
        pid = made.process.pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        made.until(lambda: made.process.pid not in (None, pid))
        pending = made.process.ask(_asked(1))
        assert pending.finished.wait(LONG)
        assert pending.failure is None
    finally:
        made.process.close()


def test_one_that_hangs_and_reads_nothing_holds_nobody_up(folder: Path) -> None:
    made = Running(
        Load(model=str(folder), device="cpu"), Patience(silence_s=8.0, first_pause_s=0.05)
    )
    made.process.start()
    try:
        made.until(lambda: made.process.health is Health.READY)
        pid = made.process.pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        # More than a pipe holds: whoever wrote it here would wait for the reader.
        noise = np.random.default_rng(1).integers(0, 255, (256, 256, 3)).astype(np.uint8)
        large = Asked.of(PROMPT, (noise, noise, noise))
        assert len(large.model_dump_json()) > 4 * 65536
        found: list[Pending] = []
        asking = threading.Thread(target=lambda: found.append(made.process.ask([large])))
        asking.daemon = True
        asking.start()
        asking.join(4.0)
        assert found, "asking waited for a process that hangs"
        assert found[0].finished.wait(LONG)
        assert found[0].failure is None
        assert made.process.pid != pid
    finally:
        made.process.close()


def test_a_model_that_is_not_there_fails_what_waits_for_it(tmp_path: Path) -> None:
    made = Running(Load(model=str(tmp_path / "nothing")), QUICK)
    pending = made.process.ask(_asked(1))
    made.process.start()
    try:
        assert pending.finished.wait(LONG)
        assert pending.failure is not None
        assert "cannot be loaded" in pending.failure.message
        assert made.process.trouble is not None
        assert made.process.health is Health.GONE
        later = made.process.ask(_asked(1))
        assert later.finished.is_set()
        assert later.failure is made.process.trouble
        # The model is put where it was missing, and tried once more.
        write_tiny_vlm(tmp_path / "nothing")
        made.process.start()
        after = made.process.ask(_asked(1))
        assert after.finished.wait(LONG)
        assert after.failure is None
    finally:
        made.process.close()


def test_one_that_never_lives_long_enough_to_load_is_gone_in_the_end() -> None:
    ends = [sys.executable, "-c", "raise SystemExit(1)"]
    made = Running(Load(model="x"), Patience(first_pause_s=0.01, most_losses=3), ends)
    waited: list[float] = []
    made.process.listen(lambda: waited.append(made.process.retry_at or 0.0))
    made.process.start()
    try:
        made.until(lambda: made.process.health is Health.GONE)
        assert made.process.trouble is not None
        assert "several times" in made.process.trouble.message
        assert max(waited) > 0
    finally:
        made.process.close()


@pytest.mark.parametrize(
    ("line", "message"),
    [("rubbish", "unreadable"), ('{"kind":"hello","version":99,"pid":1}', "version 99")],
)
def test_a_stranger_is_told_from_the_process(line: str, message: str) -> None:
    command = [sys.executable, "-c", f"print({line!r}, flush=True); input()"]
    made = Running(Load(model="x"), Patience(first_pause_s=30.0), command)
    made.process.start()
    try:
        made.until(lambda: made.process.trouble is not None)
        assert made.process.trouble is not None
        assert message in made.process.trouble.message
    finally:
        made.process.close()


def test_closing_fails_what_was_on_its_way(running: Running) -> None:
    running.until(lambda: running.process.health is Health.READY)
    pending = running.process.ask(_asked(8), reasons=True, most_tokens=300)
    pid = running.process.pid
    assert pid is not None
    running.process.close()
    assert pending.finished.wait(LONG)
    assert pending.failure is not None
    assert running.process.health is Health.STOPPED
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
