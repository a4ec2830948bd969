"""Asking a language model about labelled questions; every answer is kept as it came."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from connectome.errors import ModelError
from inference.datasets.samples import Sample
from inference.evaluation.vlm.conditions import Condition
from inference.judges.vlm.backend import LanguageModel
from inference.judges.vlm.protocol import Answered, Asked
from inference.judges.vlm.seeing import pictures_hash
from inference.judges.vlm.stored import Shown
from inference.prompts.answers import read_answer

__all__ = ["NO_DRAW", "Asker", "Said", "closing_model"]

NO_DRAW = -1
"""The draw of an answer that was not sampled."""
_AT_ONCE = 16


@dataclass(frozen=True)
class Said:
    """One answer to one question.

    Parameters
    ----------
    draw : int
        Which of several samples, `NO_DRAW` where there is one answer.
    prompt : str
        All words that the model was told.
    yes : bool or None
        What it wrote; None where it wrote nothing, or nothing that can be read.
    logit : float or None
        ``log p(yes) - log p(no)``.
    """

    condition: str
    draw: int
    sample: str
    label: bool
    prompt: str
    prompt_sha256: str
    pictures_sha256: str
    text: str
    analysis: str
    yes: bool | None
    logit: float | None
    confidence: float | None
    latency_ms: float


@dataclass(frozen=True)
class Asker:
    """Puts questions to a model.

    Parameters
    ----------
    model : LanguageModel
        Its process, or a server.
    shown : Shown
        The questions.
    most_tokens : int
        How much it may write.
    """

    model: LanguageModel
    shown: Shown
    most_tokens: int

    def under(self, condition: Condition, say: Callable[[str], None]) -> list[Said]:
        """Return one answer to every question under a condition.

        Raises
        ------
        ModelError
            If the model does not answer.
        """
        say(condition.name)
        return self._asked(condition, condition.reasons, NO_DRAW, 0.0)

    def sampled(
        self, condition: Condition, draws: int, temperature: float, say: Callable[[str], None]
    ) -> list[Said]:
        """Return several answers to every question, written by chance.

        Raises
        ------
        ModelError
            If the model does not answer.
        """
        found: list[Said] = []
        for draw in range(draws):
            say(f"sample {draw + 1} of {draws}")
            found += self._asked(condition, reasons=True, draw=draw, temperature=temperature)
        return found

    def _asked(
        self, condition: Condition, reasons: bool, draw: int, temperature: float
    ) -> list[Said]:
        samples, found = self.shown.samples, []
        for begin in range(0, len(samples), _AT_ONCE):
            part = samples[begin : begin + _AT_ONCE]
            pictures = [condition.pictures(self.shown.read(sample)) for sample in part]
            pending = self.model.ask(
                [Asked.of(condition.prompt, shown) for shown in pictures],
                reasons=reasons,
                most_tokens=self.most_tokens,
                temperature=temperature,
                # Every draw and every question has its own chance, the same in every run.
                seed=max(draw, 0) * 1_000_003 + begin,
            )
            pending.finished.wait()
            if pending.failure is not None:
                raise pending.failure
            answers = [_answer(pending.answers, place) for place in range(len(part))]
            found += _told(condition, draw, part, pictures, answers)
        return found


@contextmanager
def closing_model(model: LanguageModel) -> Iterator[LanguageModel]:
    """Start a model and end it afterwards."""
    model.start()
    try:
        yield model
    finally:
        model.close()


def _answer(answers: dict[int, Answered], place: int) -> Answered:
    if place not in answers:
        raise ModelError("The language model left a question out.", "Ask again.")
    return answers[place]


def _told(
    condition: Condition,
    draw: int,
    samples: Sequence[Sample],
    pictures: Sequence[tuple[NDArray[np.uint8], ...]],
    answers: Sequence[Answered],
) -> list[Said]:
    prompt = condition.prompt
    return [
        Said(
            condition=condition.name,
            draw=draw,
            sample=sample.id,
            label=sample.label,
            prompt=f"{prompt.shared}\n\n{prompt.question}",
            prompt_sha256=prompt.sha256,
            pictures_sha256=pictures_hash(shown),
            text=answer.text,
            analysis=answer.analysis,
            yes=read_answer(answer.text).yes,
            logit=answer.logit,
            confidence=answer.confidence,
            latency_ms=answer.latency_ms,
        )
        for sample, shown, answer in zip(samples, pictures, answers, strict=True)
    ]
