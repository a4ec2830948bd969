"""How far a scan is: numbers, and a page that anyone may look at while it runs."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

from app.services.scan_units import Outcome
from proofreading.files import write_atomically
from proofreading.scan.record import ScanRecord

__all__ = ["Board", "Stage"]

PAGE = "index.html"
_EVERY_SECONDS = 2.0

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --ink: #0072b2; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 56rem; margin: 3rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: right; padding: .35rem .6rem; border-bottom: 1px solid var(--line); }
th:first-child, td:first-child { text-align: left; }
progress { width: 100%; accent-color: var(--ink); }
.faint { opacity: .7; } .bad { color: #c0392b; }
"""

NAMES = {
    "touching": "contacts: reading the volume",
    "join contacts": "contacts: joining blocks",
    "contacts": "contacts: finding points",
    "links": "weak cuts: reading the volume",
    "join cuts": "weak cuts: joining blocks",
    "cuts": "weak cuts: finding points",
    "traced": "skeletons: looking along them",
    "kept": "skeletons: one site a pair",
    "judged": "verdicts",
}


@dataclass
class Stage:
    """One kind of task: how many there are, were there already, are done, have failed."""

    total: int = 0
    found: int = 0
    done: int = 0
    failed: int = 0
    rows: int = 0
    busy_seconds: float = 0.0


@dataclass
class Board:
    """Follows a scan and writes its page.

    Parameters
    ----------
    folder : Path
        Where the page goes.
    record : ScanRecord
        What is scanned.
    report : callable
        Told what is being done and how far.
    dashboard : str
        Address of Dask's own page.
    on_tick : callable
        Called whenever the page is written anew.
    """

    folder: Path
    record: ScanRecord
    report: Callable[[str, float | None], None]
    dashboard: str = ""
    on_tick: Callable[[], None] = lambda: None
    stages: dict[str, Stage] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    workers: Counter[int] = field(default_factory=Counter)
    sites: int = 0
    _began: float = field(default_factory=time.monotonic)
    _written: float = 0.0

    @property
    def page(self) -> Path:
        """The page."""
        return self.folder / PAGE

    def begin(self, task: str, total: int, found: int) -> None:
        """Begin a kind of task of which so many are there already."""
        self.stages[task] = Stage(total, found)
        self._tick(force=True)

    def take(self, outcome: Outcome) -> None:
        """Count a task that ended."""
        stage = self.stages[outcome.unit.task]
        stage.busy_seconds += outcome.seconds
        if outcome.problem:
            stage.failed += 1
            self.problems.append(outcome.problem)
        else:
            stage.done += 1
            stage.rows += outcome.count
            self.workers[outcome.worker] += 1
        self.report(NAMES[outcome.unit.task], (stage.found + stage.done) / max(stage.total, 1))
        self._tick()

    def end(self, *, complete: bool) -> None:
        """Write the page for the last time."""
        self._write(running=False, complete=complete)

    def _tick(self, *, force: bool = False) -> None:
        if force or time.monotonic() - self._written > _EVERY_SECONDS:
            self.on_tick()
            self._write(running=True, complete=False)
            self._written = time.monotonic()

    def _write(self, *, running: bool, complete: bool) -> None:
        write_atomically(self.page, self._page(running=running, complete=complete))

    def _page(self, *, running: bool, complete: bool) -> str:
        seconds = time.monotonic() - self._began
        state = "running" if running else ("complete" if complete else "stopped; run it again")
        refresh = '<meta http-equiv="refresh" content="3">' if running else ""
        link = (
            f'<p class="faint">Workers: <a href="{escape(self.dashboard)}">Dask\'s page</a></p>'
            if running and self.dashboard
            else ""
        )
        rows = "".join(_row(NAMES[task], stage) for task, stage in self.stages.items())
        problems = "".join(
            f'<li class="bad">{escape(text)}</li>' for text in dict.fromkeys(self.problems[-20:])
        )
        return (
            f'<!doctype html><html lang="en"><meta charset="utf-8">{refresh}'
            f"<title>Scan of {escape(self.record.datastack)}</title><style>{_STYLE}</style>"
            f"<h1>Scan of {escape(self.record.datastack)}</h1>"
            f"<p>{state} · {seconds / 60:,.1f} minutes · {self.sites:,} sites</p>{link}"
            "<table><tr><th>what</th><th>tasks</th><th>there before</th><th>done</th>"
            "<th>failed</th><th>rows</th><th>rows a second, each worker</th><th></th></tr>"
            f"{rows}</table><ul>{problems}</ul></html>\n"
        )


def _row(name: str, stage: Stage) -> str:
    rate = f"{stage.rows / stage.busy_seconds:,.1f}" if stage.busy_seconds else "–"
    bar = f'<progress max="{max(stage.total, 1)}" value="{stage.found + stage.done}"></progress>'
    bad = f'<span class="bad">{stage.failed:,}</span>' if stage.failed else "0"
    return (
        f"<tr><td>{escape(name)}</td><td>{stage.total:,}</td><td>{stage.found:,}</td>"
        f"<td>{stage.done:,}</td><td>{bad}</td><td>{stage.rows:,}</td><td>{rate}</td>"
        f"<td>{bar}</td></tr>"
    )
