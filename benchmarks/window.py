"""The real window on the bundled demo: how long a person waits, and whether it stands still."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.measured import Measured
from benchmarks.window_decisions import Wait, answer, until_shown
from benchmarks.window_session import judged_session

if TYPE_CHECKING:
    from app.ui.driver import Driver
    from benchmarks.pauses import Pauses

__all__ = ["window_rows"]

WARM, ANSWERS, THINKING_S = 8, 100, 1.5
STREAMED, PER_SECOND = 50_000, 2_000
STREAM_SECONDS = 300
_STAGES = {
    "pictures": "its pictures are drawn",
    "verdict": "its verdict is there",
    "docks": "the docks show both",
    "moved": "the page stands at it",
    "loaded": "slice and meshes are loaded",
    "page": "the page has drawn them",
}


def window_rows() -> Iterator[Measured]:
    """Open the window offscreen on a demo of its own, answer sites, and stream sites in."""
    from app.ui.driver import Driver
    from app.ui.steady import keep_steady
    from benchmarks.pauses import Pauses

    with tempfile.TemporaryDirectory(prefix="proofdesk-bench-") as scratch:
        opened = judged_session(Path(scratch))
        load = f"load {os.getloadavg()[0]:.1f} before"
        with Driver(opened) as driver, Pauses() as pauses:
            keep_steady()
            painted = driver.until_painted()
            yield Measured("first painted slice", painted, "s", "< 5", painted < 5, note=load)
            driver.workbench.cancel("judge")
            until_shown(driver)
            yield from _decisions(driver, pauses)
            yield from _streaming(driver, pauses)


def _decisions(driver: Driver, pauses: Pauses) -> Iterator[Measured]:
    """Answer one site after the other, each after a look as long as a quick person's."""
    waits: list[Wait] = []
    for number in range(WARM + ANSWERS):
        driver.rest(THINKING_S)
        if number == WARM:
            pauses.clear()
        waits.append(answer(driver))
    waits = waits[WARM:]
    shown = [wait.shown for wait in waits]
    yield from _quantiles(
        "key to next site shown", shown, "< 300", "slice, meshes, pictures, verdict"
    )
    yield from _by_verdict(waits)
    for stage, told in _STAGES.items():
        yield from _quantiles(f"  of it until {told}", [w.stages[stage] for w in waits])
    yield from _quantiles(
        "  of it the key's own turn of the event loop", [w.handled for w in waits]
    )
    commits = [wait.ledger for wait in waits]
    late = _ms(commits, 0.99)
    yield Measured("key to ledger, p50", _ms(commits, 0.5), "ms", n=len(commits))
    yield Measured("key to ledger, p99", late, "ms", "< 20", late < 20, len(commits))
    yield from _pauses("while answering", pauses)


def _by_verdict(waits: Sequence[Wait]) -> Iterator[Measured]:
    """Tell the waits for sites that were judged before apart from those that had to be judged."""
    for told, judged in (("had its verdict", True), ("had to be judged", False)):
        shown = [wait.shown for wait in waits if wait.judged is judged]
        if shown:
            yield from _quantiles(f"  where it {told}", shown)


def _streaming(driver: Driver, pauses: Pauses) -> Iterator[Measured]:
    """Let judged sites stream in from another process while the window lives."""
    from benchmarks.window_stream import Stream

    bench, post = driver.workbench, driver.window.dispatcher.post
    driver.rest(2.0)
    pauses.clear()
    wanted = bench.session.catalogue.counts().sites + STREAMED
    stream = Stream(bench.session.folder, STREAMED, PER_SECOND, lambda: post(bench.follow_soon))
    seconds = driver.until(
        lambda: not stream.running and bench.queue.total >= wanted,
        "the streamed sites",
        STREAM_SECONDS,
    )
    driver.rest(1.0)
    note = f"{STREAMED:,} judged sites in {seconds:.0f} s"
    yield from _pauses("while sites stream in", pauses, note)


def _pauses(when: str, pauses: Pauses, note: str = "") -> Iterator[Measured]:
    longest, count = pauses.longest_ms, len(pauses.seconds)
    told = "; ".join(filter(None, [note, *pauses.culprits()]))
    yield Measured(f"event loop {when}, longest pause", longest, "ms", "< 50", longest < 50, count)
    yield Measured(
        f"event loop {when}, longest turn, own computing", pauses.busiest_ms, "ms", n=count
    )
    unqueued = pauses.longest_unqueued_ms
    yield Measured(
        f"event loop {when}, longest pause but for waiting for a core", unqueued, "ms", n=count
    )
    yield Measured(f"event loop {when}, p99", pauses.p99_ms, "ms", n=count)
    yield Measured(f"event loop {when}, pauses over 50 ms", pauses.long, "", n=count, note=told)


def _quantiles(
    measure: str, seconds: Sequence[float], goal: str = "", note: str = ""
) -> Iterator[Measured]:
    for name, q in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99)):
        value = _ms(seconds, q)
        aim = goal if name == "p95" else ""
        ok = value < 300 if aim else None
        yield Measured(f"{measure}, {name}", value, "ms", aim, ok, len(seconds), note)


def _ms(seconds: Sequence[float], q: float) -> float:
    return 1e3 * float(np.quantile(seconds, q))
