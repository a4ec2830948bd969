"""A scripted day in the real window, with what goes wrong on a bad one.

Keys are pressed by a seeded plan in a window of its own process. Meanwhile its page's renderer
is killed, the window is killed (``kill -9``) and opened again, and the service that it works
with is ended in the middle of an export and started anew. After each of these the ledger must say
exactly what the window had shown as done; and at the end the service's own log must hold every
edit exactly once.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread

from benchmarks.day_check import difference, ledger_answers, sent_wrongly
from benchmarks.day_plan import ANSWERS, CUT, SENT, UNDO, Journal, plan
from benchmarks.day_service import Service, served
from benchmarks.day_window import DONE, RENDERER, SERVICE_DOWN, SERVICE_LOST, SERVICE_UP
from benchmarks.measured import Measured
from benchmarks.window_session import judged_session
from connectome.errors import ProofdeskError

__all__ = ["KILL", "Day", "Outcome", "day_rows", "faults_in"]

KILL = "kill -9"
DECISIONS, CUTS, SENT_AND_UNDONE = 300, 3, 4
PATIENCE_S = 900.0
_ROOT = Path(__file__).parents[1]
_FAULTS = (
    (0.15, RENDERER),
    (0.30, KILL),
    (0.45, SERVICE_LOST),
    (0.52, RENDERER),
    (0.60, SERVICE_UP),
    (0.75, KILL),
    (0.90, RENDERER),
)


@dataclass
class Outcome:
    """What came of a day: by fault, what the ledger and the window disagreed on."""

    seed: int
    seconds: float = 0.0
    answers: int = 0
    undone: int = 0
    cuts: int = 0
    sent: int = 0
    faults: list[tuple[str, list[str]]] = field(default_factory=list)

    @property
    def wrong(self) -> list[str]:
        """Everything that ledger and window disagreed on."""
        return [each for _, differing in self.faults for each in differing]


class Day:
    """One day: a plan, the faults in it, and the processes.

    Parameters
    ----------
    session, address
        What the window opens.
    faults : mapping of int to str
        What goes wrong, by the step before (`KILL`: at) which it does.
    service : Service, optional
        What serves the datastack, if it is to be lost.
    home : Path, optional
        The home of the person at the window, if not the present one's.
    """

    def __init__(
        self,
        session: Path,
        address: str,
        seed: int,
        size: tuple[int, int, int],
        faults: Mapping[int, str],
        service: Service | None = None,
        home: Path | None = None,
    ) -> None:
        self._home = home
        self._session = session
        self._address = address
        self._seed = seed
        self._size = size
        self._faults = dict(faults)
        self._service = service
        self.journal = Journal(session.with_suffix(".journal"))

    def run(self) -> Outcome:
        """Open the window as often as it takes, until the plan is done.

        Raises
        ------
        ProofdeskError
            If a window ends without being killed.
        """
        began = time.monotonic()
        outcome = Outcome(self._seed)
        kills = sorted(step for step, fault in self._faults.items() if fault == KILL)
        for kill in [*kills, None]:
            self._window(kill)
            if kill is not None:
                found = difference(self._session, self.journal, killed=True)
                outcome.faults.append((KILL, found))
                self._settle()
        outcome.faults.append(("end", difference(self._session, self.journal)))
        if self._service is not None:
            self._service.stop()
            outcome.faults.append(("sent", sent_wrongly(self._session, self._service.folder)))
        outcome.seconds = time.monotonic() - began
        self._count(outcome)
        return outcome

    def _count(self, outcome: Outcome) -> None:
        for entry in self.journal.entries():
            if entry.what == "back":
                outcome.faults.append((entry.key, [entry.answer] if entry.answer else []))
            elif entry.what == "shown":
                outcome.answers += entry.answer is not None and entry.key in (*ANSWERS, CUT)
                outcome.undone += entry.key == UNDO
                outcome.sent += entry.key == SENT
                outcome.cuts += entry.key == CUT and entry.answer == "accept"

    def _settle(self) -> None:
        """Let the journal take over a key that was in flight when the window was killed."""
        last = self.journal.last
        if last is not None and last.what == "pressing":
            answer = ledger_answers(self._session).get(last.site)
            self.journal.add(replace(last, what="shown", answer=answer))

    def _window(self, kill: int | None) -> None:
        """Run a window to the end of the plan, or until it is killed at a step."""
        inside = [f"{s}:{f}" for s, f in self._faults.items() if f != KILL]
        size = "+".join(map(str, self._size))
        command = [sys.executable, "-m", "benchmarks.day_window", str(self._session)]
        command += [self._address, str(self.journal.path), str(self._seed), size, *inside]
        log = self._session.with_suffix(".log").open("a")
        with (
            log,
            subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=_ROOT,
                env=self._environment(),
            ) as window,
        ):
            said: SimpleQueue[str] = SimpleQueue()
            Thread(target=_listen, args=(window, said), daemon=True).start()
            try:
                self._attend(window, said, kill)
            finally:
                window.kill()

    def _environment(self) -> dict[str, str]:
        if self._home is None:
            return dict(os.environ)
        return os.environ | {"HOME": str(self._home), "PROOFDESK_HOME": str(self._home / "data")}

    def _attend(
        self, window: subprocess.Popen[str], said: SimpleQueue[str], kill: int | None
    ) -> None:
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            last = self.journal.last
            if kill is not None and last is not None and last.step >= kill:
                # Somewhere in the step: before the key, after it, or while it is written.
                time.sleep(random.Random(self._seed * 1000 + kill).uniform(0.0, 0.4))
                return
            try:
                line = said.get(timeout=0.02)
            except Empty:
                continue
            if line in (SERVICE_DOWN, SERVICE_UP) and self._service is not None:
                self._service.obey(line)
                assert window.stdin is not None
                window.stdin.write("\n")
                window.stdin.flush()
            elif line == DONE:
                break
        if window.wait(60) != 0 or kill is not None:
            raise ProofdeskError(
                f"The window of day {self._seed} ended at {self.journal.last}.",
                f"See {self._session.with_suffix('.log')}.",
            )


def day_rows(seeds: Sequence[int] = (1, 2, 3)) -> Iterator[Measured]:
    """Live through a day for each seed, with a served datastack, and compare after each fault."""
    for seed in seeds:
        with tempfile.TemporaryDirectory(prefix="proofdesk-day-") as scratch:
            outcome = _lived(Path(scratch), seed)
        told = [
            f"{fault}: {'equal' if not wrong else '; '.join(wrong)}"
            for fault, wrong in outcome.faults
        ]
        done = f"{outcome.undone} undone, {outcome.cuts} cuts, {outcome.sent} undone on the server"
        note = f"{done}; {', '.join(told)}"
        agree = not outcome.wrong
        yield Measured(f"day {seed}, decisions shown as done", outcome.answers, "", note=note)
        yield Measured(
            f"day {seed}, differences between ledger and window",
            len(outcome.wrong),
            "",
            "0",
            agree,
            len(outcome.faults),
        )
        yield Measured(f"day {seed}, took", outcome.seconds, "s")


def _lived(scratch: Path, seed: int) -> Outcome:
    size = (DECISIONS, CUTS, SENT_AND_UNDONE)
    faults = faults_in(plan(seed, *size), _FAULTS)
    with served(judged_session(scratch), scratch / "home") as (opened, service):
        home = scratch / "home"
        return Day(opened.session, opened.address, seed, size, faults, service, home).run()


def faults_in(keys: Sequence[str], faults: Sequence[tuple[float, str]]) -> dict[int, str]:
    """Return what goes wrong at which step of a plan, given at which part of the day.

    Only where two plain answers follow: an undo would be about what an export has just sent.
    """
    plain = [
        step for step in range(len(keys) - 1) if keys[step] in ANSWERS and keys[step + 1] in ANSWERS
    ]
    return {_first_from(plain, round(part * len(keys))): fault for part, fault in faults}


def _first_from(steps: Sequence[int], wanted: int) -> int:
    return next((step for step in steps if step >= wanted), steps[-1])


def _listen(window: subprocess.Popen[str], said: SimpleQueue[str]) -> None:
    assert window.stdout is not None
    for line in window.stdout:
        said.put(line.strip())
    said.put(DONE)
