"""The program's side of the language model's process: start, ask, cancel, mend.

A crash, an end for want of memory and a hang are states, not exceptions of the program:
the process is started again after a pause that doubles, and what was being answered is
asked again once. A request that ends the process twice is given up.
"""

from __future__ import annotations

import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import IO

from connectome.errors import ModelError
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
    read_reply,
)

__all__ = ["Health", "Patience", "Pending", "VlmProcess"]


class Health(StrEnum):
    """How the process is."""

    STOPPED = "stopped"
    STARTING = "starting"
    READY = "ready"
    WAITING = "waiting"
    """Lost, and to be started again after a pause."""
    GONE = "gone"
    """Could not be loaded, or was lost too often; `VlmProcess.start` tries once more."""


@dataclass(frozen=True)
class Patience:
    """How long the program waits, in seconds."""

    silence_s: float = 30.0
    """Without a sign of life, the process counts as hanging and is ended."""
    first_pause_s: float = 1.0
    longest_pause_s: float = 60.0
    most_losses: int = 6
    """Losses in a row, with no model loaded in between, after which it is gone."""
    stop_s: float = 5.0


@dataclass
class Pending:
    """A request on its way; `answers` grows while answers come.

    Parameters
    ----------
    finished : threading.Event
        Set when every answer has come, or none will.
    failure : ModelError or None
        Why no more answers come.
    """

    ask: Ask
    answers: dict[int, Answered] = field(default_factory=dict)
    failure: ModelError | None = None
    finished: threading.Event = field(default_factory=threading.Event)
    canceled: bool = False
    losses: int = 0


class _Outbox:
    """Writes lines to a process on a thread of its own.

    A process that hangs reads nothing, and a question is larger than a pipe: whoever wrote
    it while holding the lock would keep the watch from ending that process.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._pipe = process.stdin
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        threading.Thread(target=self._write, daemon=True, name="vlm-writer").start()

    def put(self, line: str) -> None:
        """Write a line soon; to a lost process it is dropped, since all is asked again anew."""
        self._lines.put(line)

    def close(self) -> None:
        """Close the process's input after what waits; a process that ended ends the thread."""
        self._lines.put(None)

    def _write(self) -> None:
        if self._pipe is None:
            return
        # What was still to be written to a process that has ended cannot be written.
        with suppress(OSError, ValueError):
            while (line := self._lines.get()) is not None:
                self._pipe.write(line)
                self._pipe.flush()
        with suppress(OSError):
            self._pipe.close()


class VlmProcess:
    """One language model in a process of its own.

    Parameters
    ----------
    load : Load
        The model; it is loaded again after every restart.
    on_change : callable, optional
        Called on a thread of this object whenever its health or an answer changed; more
        can be added with `listen`.
    command : sequence of str, optional
        What starts the process.
    """

    def __init__(
        self,
        load: Load,
        *,
        on_change: Callable[[], None] | None = None,
        patience: Patience | None = None,
        command: Sequence[str] | None = None,
    ) -> None:
        self._load = load
        self._listeners = [] if on_change is None else [on_change]
        self._patience = patience or Patience()
        self._command = list(command or (sys.executable, "-m", "inference.judges.vlm.serving"))
        self._lock = threading.RLock()
        self._process: subprocess.Popen[str] | None = None
        self._outbox: _Outbox | None = None
        self._pending: dict[int, Pending] = {}
        self._next_id = 1
        self._pause_s = self._patience.first_pause_s
        self._losses = 0
        self._watched = False
        self._heard = 0.0
        self._closing = threading.Event()
        self._unloaded = threading.Event()
        self.health = Health.STOPPED
        self.provider = ""
        self.memory_bytes = 0
        self.trouble: ModelError | None = None
        self.retry_at: float | None = None

    @property
    def load(self) -> Load:
        """The model."""
        return self._load

    @property
    def pid(self) -> int | None:
        """Process id, None while there is none."""
        with self._lock:
            return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Start the process and load the model; returns at once.

        Does nothing where it runs already; one that is gone is tried once more.
        """
        with self._lock:
            if self.health not in (Health.STOPPED, Health.GONE) or self._closing.is_set():
                return
            self._losses, self.trouble = 0, None
            if self._process is None:
                self._start()
            else:
                self.health = Health.STARTING
                self._send(self._load.line())
            if not self._watched:
                self._watched = True
                threading.Thread(target=self._watch, daemon=True, name="vlm-watch").start()
        self._tell()

    def listen(self, told: Callable[[], None]) -> None:
        """Call this too, on a thread of this object, whenever something changed."""
        self._listeners.append(told)

    def _tell(self) -> None:
        for told in list(self._listeners):
            told()

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
            request = Ask(
                id=self._next_id,
                questions=tuple(questions),
                reasons=reasons,
                most_tokens=most_tokens,
                temperature=temperature,
                seed=seed,
            )
            self._next_id += 1
            pending = Pending(request)
            self._pending[request.id] = pending
            if self.health is Health.READY:
                self._send(request.line())
            elif self.health is Health.GONE or self._closing.is_set():
                self._finish(pending, failure=self.trouble or _stopped())
            return pending

    def cancel(self, pending: Pending) -> None:
        """Leave out what is still to be answered of a request."""
        with self._lock:
            self._send(Cancel(id=pending.ask.id).line())

    def unload(self, timeout_s: float) -> int | None:
        """Give the model's memory back; return the bytes still held, None if no word came."""
        with self._lock:
            self._unloaded.clear()
            self._send(Unload().line())
        return self.memory_bytes if self._unloaded.wait(timeout_s) else None

    def close(self) -> None:
        """End the process; requests on their way fail."""
        self._closing.set()
        with self._lock:
            process, self._process = self._process, None
            outbox, self._outbox = self._outbox, None
            self.health = Health.STOPPED
        if process is not None and outbox is not None:
            _end(process, outbox, self._patience.stop_s)
        self._give_up(_stopped())

    def _start(self) -> None:
        self.health, self.retry_at = Health.STARTING, None
        self._heard = time.monotonic()
        process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
        )
        self._process, self._outbox = process, _Outbox(process)
        arguments = (process, self._outbox)
        threading.Thread(target=self._read, args=arguments, daemon=True, name="vlm-reader").start()
        self._send(self._load.line())

    def _send(self, line: str) -> None:
        if self._outbox is not None:
            self._outbox.put(line)

    def _read(self, process: subprocess.Popen[str], outbox: _Outbox) -> None:
        output: IO[str] | None = process.stdout
        assert output is not None
        for line in output:
            try:
                self._take(process, read_reply(line))
            except ModelError as error:
                self.trouble = error
                process.kill()
                break
        output.close()
        process.wait()
        outbox.close()
        self._lost(process)

    def _take(
        self,
        process: subprocess.Popen[str],
        reply: Hello | Loaded | Unloaded | Answered | Done | Failed | Alive,
    ) -> None:
        with self._lock:
            if process is not self._process:
                return
            self._heard = time.monotonic()
            if isinstance(reply, Hello) and reply.version != VERSION:
                raise ModelError(
                    f"The language model's process speaks version {reply.version}, "
                    f"this program version {VERSION}.",
                    "Install both from one version of Proofdesk.",
                )
            if isinstance(reply, Loaded):
                self._is_ready(reply)
            elif isinstance(reply, Unloaded):
                self.memory_bytes = reply.memory_bytes
                self._unloaded.set()
            elif isinstance(reply, Answered) and reply.id in self._pending:
                self._pending[reply.id].answers[reply.index] = reply
            elif isinstance(reply, Done) and reply.id in self._pending:
                self._finish(self._pending[reply.id], canceled=reply.canceled)
            elif isinstance(reply, Failed):
                self._has_failed(reply)
        if not isinstance(reply, Alive):
            self._tell()

    def _is_ready(self, reply: Loaded) -> None:
        self.health, self.provider, self.trouble = Health.READY, reply.provider, None
        self.memory_bytes = reply.memory_bytes
        self._pause_s, self._losses = self._patience.first_pause_s, 0
        for pending in list(self._pending.values()):
            self._send(pending.ask.line())

    def _has_failed(self, reply: Failed) -> None:
        error = ModelError(reply.reason, reply.hint)
        if reply.id is None:
            # A model that cannot be loaded will not load the next time either.
            self.trouble, self.health = error, Health.GONE
            self._give_up(error)
        elif reply.id in self._pending:
            self._finish(self._pending[reply.id], failure=error)

    def _finish(
        self, pending: Pending, *, failure: ModelError | None = None, canceled: bool = False
    ) -> None:
        self._pending.pop(pending.ask.id, None)
        pending.failure, pending.canceled = failure, canceled
        pending.finished.set()

    def _give_up(self, error: ModelError) -> None:
        with self._lock:
            for pending in list(self._pending.values()):
                self._finish(pending, failure=error)
        self._tell()

    def _lost(self, process: subprocess.Popen[str]) -> None:
        with self._lock:
            if process is not self._process or self._closing.is_set():
                return
            self._process = self._outbox = None
            self._count_losses()
            pause = self._pause_s
            self._pause_s = min(pause * 2, self._patience.longest_pause_s)
            self._losses += 1
            if self._losses >= self._patience.most_losses:
                self.trouble = self.trouble or _lost_too_often()
                self.health = Health.GONE
                self._give_up(self.trouble)
                return
            self.health, self.retry_at = Health.WAITING, time.monotonic() + pause
        self._tell()
        if self._closing.wait(pause):
            return
        with self._lock:
            if not self._closing.is_set():
                self._start()
        self._tell()

    def _count_losses(self) -> None:
        """Give up what has ended the process twice."""
        for pending in list(self._pending.values()):
            pending.losses += 1
            if pending.losses > 1:
                reason = "The language model ended twice while it answered this."
                hint = "Try a smaller model, or answer this site without it."
                self._finish(pending, failure=ModelError(reason, hint))

    def _watch(self) -> None:
        """End a process that gives no sign of life; its reader then starts another."""
        while not self._closing.wait(min(1.0, self._patience.silence_s / 4)):
            with self._lock:
                process, silent = self._process, time.monotonic() - self._heard
            if process is not None and silent > self._patience.silence_s:
                process.kill()


def _stopped() -> ModelError:
    return ModelError("The language model was stopped.", "Start it again to ask it.")


def _lost_too_often() -> ModelError:
    return ModelError(
        "The language model's process ended several times.",
        "Try a smaller model, or see what else uses the memory; then start it again.",
    )


def _end(process: subprocess.Popen[str], outbox: _Outbox, patience_s: float) -> None:
    """Let a process end by itself when its input ends; else end it."""
    outbox.close()
    try:
        process.wait(patience_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
