"""The real window on the bundled demo: how long a person waits, and whether it stands still."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.demo import ingested_demo, quiet
from benchmarks.measured import Measured

if TYPE_CHECKING:
    from app.ui.driver import Driver
    from proofreading.catalogue import Catalogue
    from proofreading.sites import Site

__all__ = ["window_rows"]

WARM, ANSWERS = 8, 60
STREAMED, BATCH = 50_000, 500
PATIENCE_S = 30.0
TICK_MS = 5
_READY = "!!(window.viewer && window.viewer.isReady())"


def window_rows() -> Iterator[Measured]:
    """Open the window offscreen on a demo of its own, answer sites, and stream sites in."""
    from app.services.detecting import detect_into
    from app.services.judging import judge_session
    from app.services.opening import Opened
    from app.ui.driver import Driver

    with tempfile.TemporaryDirectory(prefix="proofdesk-bench-") as scratch:
        session = Path(scratch) / "s.proofdesk"
        out = ingested_demo(Path(scratch) / "datastack")
        detect_into(str(out), session, report=quiet)
        judge_session(session, report=quiet)
        with Driver(Opened(session, str(out))) as driver:
            yield Measured("first painted slice", driver.until_painted(), "s", "< 5")
            driver.until(lambda: driver.workbench.snapshot().current is not None, "a site")
            yield from _decisions(driver)
            yield from _streaming(driver)


def _decisions(driver: Driver) -> Iterator[Measured]:
    """Answer sites one after the other, as soon as each is shown."""
    commits, shown = [], []
    for number in range(WARM + ANSWERS):
        if not _shown(driver, PATIENCE_S):
            break
        committed, drawn = _answer(driver)
        if number >= WARM and drawn is not None:
            commits.append(committed)
            shown.append(drawn)
    count = len(shown)
    if not count:
        yield Measured("key to next site shown, p95", None, "ms", "< 300", note="none was shown")
        return
    commit, late = 1e3 * _quantile(commits, 0.99), 1e3 * _quantile(shown, 0.95)
    yield Measured("key to ledger, p99", commit, "ms", "< 20", commit < 20, count)
    yield Measured("key to next site shown, median", 1e3 * _quantile(shown, 0.5), "ms", n=count)
    yield Measured(
        "key to next site shown, p95",
        late,
        "ms",
        "< 300",
        late < 300,
        count,
        "slice, meshes, pictures, verdict",
    )


def _answer(driver: Driver) -> tuple[float, float | None]:
    """Reject the current site; return seconds to the ledger, and until the next is shown."""
    bench = driver.workbench
    current = bench.snapshot().current
    assert current is not None
    before = bench.session.ledger.state.last_number
    # The guard against double presses ends before the clock begins.
    driver.rest(0.2)
    began = time.perf_counter()
    driver.tap("D")
    driver.until(lambda: bench.session.ledger.state.last_number > before, "the ledger")
    committed = time.perf_counter() - began
    moved = _shown(driver, PATIENCE_S, other_than=current.site.id)
    return committed, time.perf_counter() - began if moved else None


def _shown(driver: Driver, seconds: float, other_than: str = "") -> bool:
    """Wait until a site is there with everything; tell whether it came."""
    from app.services.model import Phase

    def there() -> bool:
        current = driver.workbench.snapshot().current
        return (
            current is not None
            and current.site.id != other_than
            and current.verdict_phase is not Phase.LOADING
            and current.pictures_phase is not Phase.LOADING
            and driver.evaluate(_READY) is True
        )

    try:
        driver.until(there, "the next site", seconds, step_ms=5)
    except TimeoutError:
        return False
    return True


def _streaming(driver: Driver) -> Iterator[Measured]:
    """Let sites stream in from another thread while the window lives."""
    gaps: list[float] = []
    with _Ticker(gaps):
        driver.rest(2.0)
        idle = max(gaps, default=0.0)
        gaps.clear()
        bench = driver.workbench
        post = driver.window.dispatcher.post
        writer = threading.Thread(
            target=_write_sites,
            args=(bench.session.folder, lambda: post(bench.follow)),
            daemon=True,
        )
        began = time.perf_counter()
        writer.start()
        wanted = bench.session.catalogue.counts().sites + STREAMED
        driver.until(
            lambda: not writer.is_alive() and bench.queue.total >= wanted,
            "the streamed sites",
            300,
        )
        seconds = time.perf_counter() - began
        driver.rest(1.0)
    worst = 1e3 * max(gaps, default=0.0)
    yield Measured("event loop, longest pause at rest", 1e3 * idle, "ms")
    yield Measured(
        "event loop, longest pause while sites stream in",
        worst,
        "ms",
        "< 50",
        worst < 50,
        len(gaps),
        f"{STREAMED:,} sites in {seconds:.1f} s",
    )
    share = 100 * float(np.mean(np.array(gaps) > 0.05)) if gaps else 0.0
    yield Measured("event loop, turns longer than 50 ms", share, "%", n=len(gaps))


class _Ticker:
    """Notes how long each turn of the event loop takes, while entered."""

    def __init__(self, gaps: list[float]) -> None:
        from PyQt6.QtCore import QTimer

        self._gaps = gaps
        self._last = time.perf_counter()
        self._timer = QTimer()
        self._timer.setInterval(TICK_MS)
        self._timer.timeout.connect(self._tick)

    def _tick(self) -> None:
        now = time.perf_counter()
        self._gaps.append(max(0.0, now - self._last - TICK_MS / 1e3))
        self._last = now

    def __enter__(self) -> None:
        self._last = time.perf_counter()
        self._timer.start()

    def __exit__(self, *_: object) -> None:
        self._timer.stop()


def _write_sites(folder: Path, tell: Callable[[], None]) -> None:
    """Add sites as a detecting worker does: by its own handle, in batches, each told of."""
    from proofreading.catalogue import Catalogue

    with Catalogue.open(folder / "catalogue.sqlite") as catalogue:
        patterns = [site for site in catalogue.sites() if site.partners][:200]
        for begin in range(0, STREAMED, BATCH):
            _add(catalogue, patterns, begin)
            tell()


def _add(catalogue: Catalogue, patterns: Sequence[Site], begin: int) -> None:
    from dataclasses import replace

    sites = []
    for number in range(begin, begin + BATCH):
        pattern = patterns[number % len(patterns)]
        x, y, z = pattern.point_nm
        moved = (x + number % 97, y + number % 89, z + number % 83)
        sites.append(replace(pattern, id=f"{number + 1:016x}", point_nm=moved))
    catalogue.add_sites(sites)


def _quantile(values: list[float], q: float) -> float:
    return float(np.quantile(values, q))
