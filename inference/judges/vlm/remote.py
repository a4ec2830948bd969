"""A language model behind an OpenAI-compatible server, asked like one in our own process.

It is off unless a person names a server. It is asked only on this machine or on hosts
that the person has allowed; see `inference.judges.vlm.remote_http`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from connectome.errors import ModelError, OfflineError, ProofdeskError
from inference.judges.vlm.process import Health, Patience, Pending
from inference.judges.vlm.protocol import Answered, Ask, Asked
from inference.judges.vlm.remote_http import RemoteAddress, UnsupportedError, Wire
from inference.judges.vlm.remote_wire import (
    Wish,
    Written,
    body_of,
    read_completion,
    votes_logit,
)

__all__ = ["RemoteModel", "RemoteSettings"]

_ATTEMPTS = 3


@dataclass(frozen=True)
class RemoteSettings:
    """Which server is asked, and how.

    Parameters
    ----------
    address : RemoteAddress
        An allowed server.
    model : str
        As the server calls it; the one that it has if empty.
    at_once : int
        Questions on their way at the same time.
    votes : int
        Sampled answers to a question where the server tells no probabilities.
    vote_temperature : float
        How free those are.
    timeout_s : float
        How long one answer may take.
    """

    address: RemoteAddress
    model: str = ""
    at_once: int = 4
    votes: int = 5
    vote_temperature: float = 0.7
    timeout_s: float = 120.0


class RemoteModel:
    """A `LanguageModel` behind a server."""

    def __init__(self, settings: RemoteSettings, *, patience: Patience | None = None) -> None:
        self._settings = settings
        self._patience = patience or Patience()
        self._wire = Wire(settings.address, settings.timeout_s)
        self._lock = threading.RLock()
        self._crew = ThreadPoolExecutor(settings.at_once, thread_name_prefix="vlm-remote")
        self._listeners: list[Callable[[], None]] = []
        self._waiting: list[Pending] = []
        self._open: dict[int, Pending] = {}
        self._next_id = 1
        self._closing = threading.Event()
        self._tells = True
        self._model = settings.model
        self.health = Health.STOPPED
        self.provider = ""
        self.trouble: ModelError | None = None
        self.retry_at: float | None = None

    @property
    def notice(self) -> str:
        """What a person must be told while this server is used."""
        return self._settings.address.notice

    def start(self) -> None:
        """Look for the server; returns at once. Does nothing where it answers already."""
        with self._lock:
            if self.health not in (Health.STOPPED, Health.GONE) or self._closing.is_set():
                return
            self.health, self.trouble = Health.STARTING, None
            threading.Thread(target=self._connect, daemon=True, name="vlm-connect").start()
        self._tell()

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
        with self._lock:
            pending = Pending(
                Ask(
                    id=self._next_id,
                    questions=tuple(questions),
                    reasons=reasons,
                    most_tokens=most_tokens,
                    temperature=temperature,
                    seed=seed,
                )
            )
            self._next_id += 1
            if self._closing.is_set() or self.health is Health.GONE:
                self._finish(pending, self.trouble or _stopped())
            elif self.health is Health.READY:
                self._send(pending)
            else:
                self._waiting.append(pending)
            return pending

    def cancel(self, pending: Pending) -> None:
        """Leave out what is still to be answered of a request."""
        with self._lock:
            if not pending.finished.is_set():
                pending.canceled = True
                self._finish(pending, None)
        self._tell()

    def listen(self, told: Callable[[], None]) -> None:
        """Call this, on any thread, whenever its health or an answer changed."""
        self._listeners.append(told)

    def close(self) -> None:
        """End it; requests on their way fail."""
        self._closing.set()
        self._wire.close()
        with self._lock:
            self.health = Health.STOPPED
            for pending in [*self._waiting, *self._open.values()]:
                self._finish(pending, _stopped())
        self._crew.shutdown(wait=True, cancel_futures=True)
        self._tell()

    # Connecting

    def _connect(self) -> None:
        """Look for the server until it answers, pausing longer each time."""
        pause = self._patience.first_pause_s
        for attempt in range(self._patience.most_losses):
            try:
                self._is_ready(self._served())
            except OfflineError as error:
                self._lost(error, pause, last=attempt + 1 == self._patience.most_losses)
            except ModelError as error:
                self._gone(error)
            if self.health is not Health.WAITING or self._closing.wait(pause):
                return
            pause = min(pause * 2, self._patience.longest_pause_s)

    def _served(self) -> str:
        """Return the name of the model, and make sure that the server has it.

        Raises
        ------
        OfflineError
            If it cannot be reached.
        ModelError
            If it has no such model, or several and none was named.
        """
        told = self._wire.get("/models")
        try:
            names = [str(entry["id"]) for entry in told["data"]]
        except (KeyError, TypeError) as error:
            raise ModelError(
                f"{self._settings.address.host} is no model server.", "Check its address."
            ) from error
        wanted = self._settings.model
        if wanted in names or (not wanted and len(names) == 1):
            return wanted or names[0]
        raise ModelError(
            f"The model server has no model {wanted!r}.", f"It has: {', '.join(names) or 'none'}."
        )

    def _is_ready(self, name: str) -> None:
        with self._lock:
            if self._closing.is_set():
                return
            self._model, self.health, self.retry_at = name, Health.READY, None
            self.provider = f"{name} at {self._settings.address.host}"
            self.trouble = None
            waiting, self._waiting = self._waiting, []
            for pending in waiting:
                self._send(pending)
        self._tell()

    def _lost(self, error: OfflineError, pause: float, *, last: bool) -> None:
        if last:
            self._gone(ModelError(error.message, error.hint))
            return
        with self._lock:
            self.health, self.retry_at = Health.WAITING, time.monotonic() + pause
            self.trouble = ModelError(error.message, error.hint)
        self._tell()

    def _gone(self, error: ModelError) -> None:
        with self._lock:
            self.health, self.trouble, self.retry_at = Health.GONE, error, None
            for pending in [*self._waiting, *self._open.values()]:
                self._finish(pending, error)
            self._waiting = []
        self._tell()

    # Asking

    def _send(self, pending: Pending) -> None:
        if pending.finished.is_set():
            return
        self._open[pending.ask.id] = pending
        if not pending.ask.questions:
            self._finish(pending, None)
        for place in range(len(pending.ask.questions)):
            self._crew.submit(partial(self._answer, pending, place))

    def _answer(self, pending: Pending, place: int) -> None:
        if pending.finished.is_set():
            return
        started = time.perf_counter()
        try:
            logit, written = self._asked(pending.ask, place)
        except ProofdeskError as error:
            with self._lock:
                self._finish(pending, ModelError(error.message, error.hint))
            self._tell()
            return
        answer = Answered(
            id=pending.ask.id,
            index=place,
            logit=logit,
            analysis=written.answer.analysis,
            confidence=written.answer.confidence,
            text=written.answer.text,
            latency_ms=(time.perf_counter() - started) * 1000,
        )
        with self._lock:
            if not pending.finished.is_set():
                pending.answers[place] = answer
                if len(pending.answers) == len(pending.ask.questions):
                    self._finish(pending, None)
        self._tell()

    def _asked(self, ask: Ask, place: int) -> tuple[float | None, Written]:
        """Return the likelihood of an answer: the server's own, or what votes say."""
        question = ask.questions[place]
        written = self._written(question, ask, ask.temperature, ask.seed + place)
        if written.logit is not None or written.answer.yes is None:
            return written.logit, written
        if ask.temperature > 0:
            return None, written  # One of several samples: whoever wanted them counts votes.
        votes: list[bool | None] = [
            self._written(
                question, ask, self._settings.vote_temperature, ask.seed + place + 7919 * vote
            ).answer.yes
            for vote in range(1, self._settings.votes + 1)
        ]
        return votes_logit(votes), written

    def _written(self, question: Asked, ask: Ask, temperature: float, seed: int) -> Written:
        wish = Wish(self._model, ask.reasons, ask.most_tokens, temperature, seed, self._tells)
        try:
            return self._completed(question, wish)
        except UnsupportedError:
            if not wish.logprobs:
                raise
        # Some servers refuse to tell probabilities; they are asked without from now on.
        self._tells = False
        return self._written(question, ask, temperature, seed)

    def _completed(self, question: Asked, wish: Wish) -> Written:
        pause = self._patience.first_pause_s
        for attempt in range(_ATTEMPTS):
            try:
                return read_completion(
                    self._wire.post("/chat/completions", body_of(question, wish))
                )
            except OfflineError:
                if attempt + 1 == _ATTEMPTS or self._closing.wait(pause):
                    raise
                pause *= 2
        raise AssertionError

    def _finish(self, pending: Pending, failure: ModelError | None) -> None:
        self._open.pop(pending.ask.id, None)
        pending.failure = failure
        pending.finished.set()

    def _tell(self) -> None:
        for told in list(self._listeners):
            told()


def _stopped() -> ModelError:
    return ModelError("The language model was stopped.", "Start it again to ask it.")
