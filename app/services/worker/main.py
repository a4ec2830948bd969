"""The child process: one loop that detects, draws and judges, the urgent things first.

Long jobs are iterators that are advanced one step at a time; between two steps the
loop looks for something urgent, such as the pictures of the site on the screen.
"""

from __future__ import annotations

import os
import queue
import threading
from collections import deque
from collections.abc import Iterator
from itertools import chain
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

from app.services.worker.looks import Looks
from app.services.worker.messages import (
    AskLanguage,
    Cancel,
    CheckRoots,
    Command,
    Consider,
    Detect,
    Explain,
    FindRoots,
    JobDone,
    JobFailed,
    JudgeAll,
    Learn,
    Look,
    LookAhead,
    LookBack,
    Reply,
    Stop,
    UseLanguage,
    Wake,
)
from connectome.errors import ProofdeskError

if TYPE_CHECKING:
    from app.services.worker.jobs import Shop
    from app.services.worker.process import Work

__all__ = ["Loop", "worker_main"]

UNJUDGED = 8
"""Sites that were drawn ahead and wait for their verdicts; older ones are judged when come to."""


def worker_main(connection: Connection, work: Work, niceness: int) -> None:
    """Run a worker until it is told to stop or the window is gone."""
    if hasattr(os, "nice"):
        os.nice(niceness)
    from app.services.worker.jobs import Shop

    commands: queue.SimpleQueue[Command] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(connection, commands), daemon=True).start()
    send_lock = threading.Lock()

    def send(reply: Reply) -> None:
        with send_lock:
            connection.send(reply)

    try:
        shop = Shop(work, send, lambda: commands.put(Wake()))
    except ProofdeskError as error:
        send(JobFailed("worker", error.message, error.hint))
        return
    try:
        Loop(commands, shop).run()
    finally:
        shop.close()


def _read(connection: Connection, commands: queue.SimpleQueue[Command]) -> None:
    while True:
        try:
            commands.put(connection.recv())
        except (EOFError, OSError):
            # The window is gone, perhaps killed. Everything written is in SQLite
            # already, so the process may end wherever it is.
            os._exit(0)


class Loop:
    """Does what is asked, the urgent first: pictures before verdicts, and both before jobs."""

    def __init__(self, commands: queue.SimpleQueue[Command], shop: Shop) -> None:
        self._commands = commands
        self._shop = shop
        self._looks = Looks()
        self._unjudged: deque[str] = deque(maxlen=UNJUDGED)
        self._jobs: dict[str, Iterator[None]] = {}
        self._stopping = False

    def run(self) -> None:
        """Go on until told to stop."""
        while not self._stopping:
            waits = self._looks or self._unjudged or self._jobs
            self._take(block=not (waits or self._shop.language.due))
            if self._stopping:
                return
            if self._looks:
                self._look()
            elif self._unjudged:
                self._judge(self._unjudged.popleft())
            else:
                self._advance()
            # The question about the site on the screen goes out before the next ones are drawn.
            if not self._looks.urgent:
                self._ask_language()

    def _take(self, *, block: bool) -> None:
        """Take in every waiting command, waiting for one if there is nothing to do."""
        try:
            command = self._commands.get(block=block)
            while True:
                self._accept(command)
                command = self._commands.get_nowait()
        except queue.Empty:
            return

    def _accept(self, command: Command) -> None:
        match command:
            case Stop():
                self._stopping = True
            case Look():
                self._shop.language.prefer(command.site_id)
                self._looks.show(command)
            case LookAhead():
                self._looks.come(command)
            case Detect():
                self._jobs.setdefault("detect", self._shop.detect())
            case JudgeAll():
                self._jobs.setdefault("judge", self._shop.judge_all(again=command.again))
            case UseLanguage():
                self._shop.language.use(command.words)
            case AskLanguage():
                self._shop.ask_language(command.site_id)
            case Consider():
                self._shop.language.consider_sites(command.site_ids)
            case LookBack():
                self._shop.language.recall()
            case Wake():
                pass  # The loop looks for itself what is new.
            case Learn():
                self._jobs["learn"] = chain(self._jobs.get("learn", ()), self._shop.learn())
            case Explain():
                # Only the newest question of this kind is still on the screen.
                self._jobs["explain"] = self._shop.explain(command)
            case CheckRoots() | FindRoots():
                waiting = self._jobs.get("roots", iter(()))
                self._jobs["roots"] = chain(waiting, self._shop.roots(command))
            case Cancel():
                if self._jobs.pop(command.job, None) is not None:
                    self._shop.send(JobDone(command.job, "cancelled"))

    def _look(self) -> None:
        """Draw a site; judge it at once only if it is on the screen, for others wait to be seen."""
        urgent, look = self._looks.urgent, self._looks.pop()
        self._shop.look(look)
        if urgent:
            self._judge(look.site_id)
        elif look.site_id not in self._unjudged:
            self._unjudged.append(look.site_id)

    def _judge(self, site_id: str) -> None:
        try:
            self._shop.judge(site_id)
        except ProofdeskError as error:
            self._shop.send(JobFailed("verdict", error.message, error.hint))

    def _advance(self) -> None:
        # A person waits for an explanation; other jobs go on after it.
        urgent = {n: j for n, j in self._jobs.items() if n == "explain"}
        for name, job in list((urgent or self._jobs).items()):
            try:
                next(job)
            except StopIteration:
                del self._jobs[name]
            except ProofdeskError as error:
                del self._jobs[name]
                self._shop.send(JobFailed(name, error.message, error.hint))

    def _ask_language(self) -> None:
        try:
            self._shop.language.step()
        except ProofdeskError as error:
            self._shop.send(JobFailed("language", error.message, error.hint))
