"""The language model's own process: loads, answers, and says that it is alive.

Run as ``python -m inference.judges.vlm.serving``. It ends when its input ends, so it
never outlives the program that started it.
"""

from __future__ import annotations

import math
import os
import queue
import sys
import threading
import time
from collections.abc import Callable
from typing import TextIO

from connectome.errors import ModelError, ProofdeskError
from inference.judges.vlm.protocol import (
    VERSION,
    Alive,
    Answered,
    Ask,
    Asked,
    Cancel,
    Done,
    Failed,
    Hello,
    Load,
    Loaded,
    Unload,
    Unloaded,
    path_or_none,
    picture_from,
    read_request,
)

__all__ = ["main"]

HEARTBEAT_S = 1.0
_BATCH = 4


class _Server:
    """Answers one request after the other; cancelling is heard in between."""

    def __init__(self, output: TextIO) -> None:
        self._output = output
        self._writing = threading.Lock()
        self._model: object | None = None
        self._canceled: set[int] = set()
        self.requests: queue.SimpleQueue[Load | Ask | Unload | None] = queue.SimpleQueue()

    def send(self, line: str) -> None:
        with self._writing:
            self._output.write(line)
            self._output.flush()

    def read(self, source: TextIO) -> None:
        """Take requests in until the input ends."""
        for line in source:
            try:
                request = read_request(line)
            except ModelError as error:
                self.send(Failed(id=None, reason=error.message, hint=error.hint).line())
                continue
            if isinstance(request, Cancel):
                self._canceled.add(request.id)
            else:
                self.requests.put(request)
        self.requests.put(None)

    def beat(self) -> None:
        """Say once a second that the process lives, for as long as it does."""
        while True:
            time.sleep(HEARTBEAT_S)
            self.send(Alive().line())

    def work(self) -> None:
        """Work until there is nothing left to be asked."""
        while (request := self.requests.get()) is not None:
            number = request.id if isinstance(request, Ask) else None
            try:
                self._do(request)
            except ProofdeskError as error:
                self.send(Failed(id=number, reason=error.message, hint=error.hint).line())
            # The libraries raise anything; one request fails of it, not all.
            except Exception as error:  # noqa: BLE001
                reason = f"The language model failed: {type(error).__name__}: {error}"
                self.send(Failed(id=number, reason=reason[:500], hint=_hint(error)).line())

    def _do(self, request: Load | Ask | Unload) -> None:
        if isinstance(request, Load):
            self._load(request)
        elif isinstance(request, Unload):
            self._unload()
            self.send(Unloaded(memory_bytes=_memory()).line())
        else:
            self._answer(request)

    def _load(self, request: Load) -> None:
        from inference.judges.vlm.model import LoadSettings, load_model

        self._unload()
        adapter = path_or_none(request.adapter)
        model = load_model(LoadSettings(request.model, adapter, request.device, request.four_bit))
        self._model = model
        loaded = Loaded(model=request.model, provider=model.provider, memory_bytes=_memory())
        self.send(loaded.line())

    def _unload(self) -> None:
        from inference.judges.vlm.model import LoadedModel, unload

        if isinstance(self._model, LoadedModel):
            unload(self._model)
        self._model = None

    def _answer(self, request: Ask) -> None:
        for begin in range(0, len(request.questions), 1 if request.reasons else _BATCH):
            if request.id in self._canceled:
                break
            part = request.questions[begin : begin + (1 if request.reasons else _BATCH)]
            for place, answer in enumerate(self._answers(request, part), begin):
                self.send(answer(place).line())
        canceled = request.id in self._canceled
        self._canceled.discard(request.id)
        self.send(Done(id=request.id, canceled=canceled).line())

    def _answers(self, request: Ask, part: tuple[Asked, ...]) -> list[Callable[[int], Answered]]:
        from inference.judges.vlm.asking import Reply, ask_likelihoods, ask_reasons
        from inference.judges.vlm.encoding import Question
        from inference.judges.vlm.model import LoadedModel
        from inference.prompts.answers import WrittenAnswer

        model = self._model
        if not isinstance(model, LoadedModel):
            raise ModelError("No language model is loaded.", "Load one first.")
        questions = [Question(q.prompt(), tuple(map(picture_from, q.pictures))) for q in part]
        started = time.perf_counter()
        if request.reasons:
            replies = ask_reasons(
                model,
                questions,
                most_tokens=request.most_tokens,
                temperature=request.temperature,
                seed=request.seed,
            )
        else:
            silent = WrittenAnswer(None, "", None, "")
            replies = [Reply(logit, silent) for logit in ask_likelihoods(model, questions)]
        each_ms = (time.perf_counter() - started) * 1000 / len(part)

        def told(reply: Reply) -> Callable[[int], Answered]:
            return lambda index: Answered(
                id=request.id,
                index=index,
                logit=_finite(reply.logit),
                analysis=reply.written.analysis,
                confidence=reply.written.confidence,
                text=reply.written.text,
                latency_ms=each_ms,
            )

        return [told(reply) for reply in replies]


def _finite(logit: float | None) -> float | None:
    """Return a logit; what overflowed is no answer, and one such question fails alone."""
    return logit if logit is not None and math.isfinite(logit) else None


def _memory() -> int:
    """Return how many bytes the model holds: of the GPU if there is one, else of this process."""
    import torch

    if torch.cuda.is_available():
        return int(torch.cuda.memory_allocated())
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _hint(error: Exception) -> str:
    if "out of memory" in str(error).lower():
        return "Use a smaller model, load it in 4 bits, or close what else uses the GPU."
    return "Ask again; if it stays, try another model."


def main() -> None:
    """Serve standard input and output until the input ends."""
    # The protocol has standard output for itself: whatever libraries print goes to errors.
    output = os.fdopen(os.dup(1), "w", encoding="utf-8", newline="\n")
    os.dup2(2, 1)
    server = _Server(output)
    server.send(Hello(version=VERSION, pid=os.getpid()).line())
    source = os.fdopen(os.dup(0), "r", encoding="utf-8")
    threading.Thread(target=server.read, args=(source,), daemon=True).start()
    threading.Thread(target=server.beat, daemon=True).start()
    server.work()
    sys.exit(0)


if __name__ == "__main__":
    main()
