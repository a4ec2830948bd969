"""What answers questions with pictures: a process of our own, or a server."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from connectome.errors import ModelError
from inference.judges.vlm.process import Health, Pending
from inference.judges.vlm.protocol import Asked

__all__ = ["LanguageModel"]


class LanguageModel(Protocol):
    """A vision-language model that is asked without being waited for."""

    health: Health
    provider: str
    """What runs it, empty until it is loaded."""
    trouble: ModelError | None
    """Why it does not answer, if it does not."""
    retry_at: float | None
    """On `time.monotonic`, when it is started again; None unless it waits for that."""

    def start(self) -> None:
        """Load it; returns at once. Does nothing where it runs already."""
        ...

    def ask(
        self,
        questions: Sequence[Asked],
        *,
        reasons: bool = False,
        most_tokens: int = 400,
        temperature: float = 0.0,
        seed: int = 0,
    ) -> Pending:
        """Send a request; answers come into what is returned."""
        ...

    def cancel(self, pending: Pending) -> None:
        """Leave out what is still to be answered of a request."""
        ...

    def listen(self, told: Callable[[], None]) -> None:
        """Call this, on any thread, whenever its health or an answer changed."""
        ...

    def close(self) -> None:
        """End it; requests on their way fail."""
        ...
