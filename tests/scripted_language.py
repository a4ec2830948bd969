"""A language model that answers from a script, now or when the test lets it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from connectome.errors import ModelError
from inference.judges.vlm.process import Health, Pending
from inference.judges.vlm.protocol import Answered, Ask, Asked

__all__ = ["Scripted", "said"]


def said(
    index: int,
    logit: float | None,
    analysis: str = "",
    text: str = "",
    *,
    latency_ms: float = 7.0,
) -> Answered:
    return Answered(
        id=1,
        index=index,
        logit=logit,
        analysis=analysis,
        text=text,
        confidence=0.9,
        latency_ms=latency_ms,
    )


@dataclass
class Scripted:
    """Gives the same answers to every request; with `wait`, only when told to."""

    answers: list[Answered]
    health: Health = Health.READY
    provider: str = "SCRIPT"
    trouble: ModelError | None = None
    retry_at: float | None = None
    wait: bool = False
    asked: list[tuple[Asked, ...]] = field(default_factory=list)
    waiting: list[Pending] = field(default_factory=list)
    told: list[Callable[[], None]] = field(default_factory=list)
    closed: bool = False

    def start(self) -> None:
        self.health = Health.READY

    def ask(
        self,
        questions: Sequence[Asked],
        *,
        reasons: bool = False,
        most_tokens: int = 400,
        temperature: float = 0.0,
        seed: int = 0,
    ) -> Pending:
        pending = Pending(Ask(id=1, questions=tuple(questions), reasons=reasons))
        self.asked.append(tuple(questions))
        self.waiting.append(pending)
        if not self.wait:
            self.answer()
        return pending

    def answer(self) -> None:
        """Finish what was asked, and tell."""
        for pending in self.waiting:
            pending.answers = {answer.index: answer for answer in self.answers}
            pending.failure = self.trouble
            pending.finished.set()
        self.waiting.clear()
        for told in self.told:
            told()

    def cancel(self, pending: Pending) -> None:
        pending.canceled = True

    def listen(self, told: Callable[[], None]) -> None:
        self.told.append(told)

    def close(self) -> None:
        self.closed = True
