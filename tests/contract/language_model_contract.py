"""What holds for everything that answers questions with pictures: a process, or a server."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from inference.judges.vlm.backend import LanguageModel
from inference.judges.vlm.process import Health, Pending
from inference.judges.vlm.protocol import Asked
from inference.prompts.answers import read_answer
from inference.prompts.writing import write_prompt
from proofreading.verdicts import Task
from rendering.spec import RenderSpec

__all__ = ["LanguageModelContract", "Running", "questions"]

PATIENCE_S = 120.0


def questions(count: int) -> list[Asked]:
    rng = np.random.default_rng(5)
    prompt = write_prompt(Task.SPLIT_ERROR_CORRECTION, RenderSpec())
    return [
        Asked.of(
            prompt, tuple(rng.integers(0, 255, (64, 64, 3)).astype(np.uint8) for _ in range(3))
        )
        for _ in range(count)
    ]


@dataclass
class Running:
    """A model that was not started, and the likelihoods that it must find.

    Parameters
    ----------
    expected : callable
        Returns ``log p(yes) - log p(no)`` of each question.
    hold : callable
        Keeps answers back, or lets them go, where the model would be too quick to be cut.
    """

    model: LanguageModel
    expected: Callable[[list[Asked]], list[float]]
    hold: Callable[[bool], None] = lambda _: None

    def health(self) -> Health:
        return self.model.health

    def until(self, what: Callable[[], bool]) -> None:
        changed = threading.Event()
        self.model.listen(changed.set)
        while not what():
            assert changed.wait(PATIENCE_S)
            changed.clear()


def answered(pending: Pending) -> Pending:
    assert pending.finished.wait(PATIENCE_S)
    return pending


class LanguageModelContract:
    """Subclasses give the fixture ``running``, and close what it made."""

    def test_likelihoods_are_those_of_the_model(self, running: Running) -> None:
        assert running.health() is Health.STOPPED
        assert running.model.provider == ""
        asked = questions(5)
        pending = running.model.ask(asked)  # What is asked before it is ready waits.
        running.model.start()
        answered(pending)
        assert pending.failure is None
        found = [pending.answers[place].logit for place in range(5)]
        assert found == pytest.approx(running.expected(asked), abs=1e-3)
        assert [pending.answers[place].index for place in range(5)] == list(range(5))
        assert all(answer.latency_ms > 0 for answer in pending.answers.values())
        assert running.health() is Health.READY
        assert running.model.provider
        assert running.model.trouble is None
        running.model.start()
        assert running.health() is Health.READY

    def test_what_it_writes_comes_with_its_text(self, running: Running) -> None:
        running.model.start()
        pending = answered(running.model.ask(questions(2), reasons=True, most_tokens=12))
        assert pending.failure is None
        for answer in pending.answers.values():
            assert answer.text
            read = read_answer(answer.text)
            assert (answer.logit is None) == (read.yes is None)
            assert answer.logit is None or math.isfinite(answer.logit)

    def test_a_seed_repeats_what_chance_wrote(self, running: Running) -> None:
        running.model.start()

        def written(seed: int) -> list[str]:
            pending = answered(
                running.model.ask(
                    questions(3), reasons=True, most_tokens=12, temperature=1.5, seed=seed
                )
            )
            assert pending.failure is None
            return [pending.answers[place].text for place in range(3)]

        assert written(1) == written(1)
        assert len({tuple(written(seed)) for seed in range(1, 6)}) > 1

    def test_no_question_is_answered_at_once(self, running: Running) -> None:
        running.model.start()
        running.until(lambda: running.model.health is Health.READY)
        assert answered(running.model.ask([])).answers == {}

    def test_a_request_can_be_cut_short(self, running: Running) -> None:
        running.hold(True)
        pending = running.model.ask(questions(3), reasons=True, most_tokens=300)
        running.model.start()
        running.until(lambda: running.model.health is Health.READY)
        running.model.cancel(pending)
        answered(pending)
        running.hold(False)
        assert pending.canceled
        assert pending.failure is None
        assert len(pending.answers) < 3
        assert answered(running.model.ask(questions(1))).failure is None

    def test_closing_fails_what_waits_and_nothing_is_answered_after(self, running: Running) -> None:
        waiting = running.model.ask(questions(1))
        running.model.close()
        assert answered(waiting).failure is not None
        assert running.model.health is Health.STOPPED
        late = running.model.ask(questions(1))
        assert answered(late).failure is not None
