"""A million sites in one window: opening, colours, new sites, scrolling, sorting, memory."""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.measured import Measured
from benchmarks.scale_session import Cost, add_sites, make_session

if TYPE_CHECKING:
    from app.services.opening import Opened
    from app.ui.driver import Driver

__all__ = ["scale_rows"]

STEPS = (10_000, 100_000, 1_000_000)
RECOLOURED, ADDED = 10_000, 20_000
SCROLLS, REPEATS = 60, 5
PATIENCE_S = 120.0
_GIB = 2**30

_HELD = """(() => {
  const layer = window.viewer.layerManager.getLayerByName('sites')?.layer;
  const source = layer?.annotationStates?.states?.[0]?.source;
  const held = {};
  (source?.spatiallyIndexedSources ?? []).forEach((cells) => {
    const level = /\\/spatial(\\d+)\\/$/.exec(cells.parameters.url)[1];
    for (const [key, chunk] of cells.chunks) {
      const sites = chunk.data?.serializedAnnotations.typeToIds[0];
      if (sites) held[`${level},${key}`] = sites.length;
    }
  });
  return held;
})()"""
"""How many sites of each cell the page holds."""


def scale_rows(steps: tuple[int, ...] = STEPS) -> Iterator[Measured]:
    """Open the window offscreen on a session of a million sites of its own."""
    from app.services.demo import ensure_demo
    from app.services.opening import Opened

    with tempfile.TemporaryDirectory(prefix="proofdesk-bench-") as scratch:
        opened = Opened(Path(scratch) / "s.proofdesk", ensure_demo().address)
        yield from _curve(make_session(opened.session, opened.address, steps))
        yield from window_rows(opened, steps[-1])


def window_rows(opened: Opened, sites: int) -> Iterator[Measured]:
    """Measure the window on a session that has so many sites."""
    from app.ui.driver import Driver

    load = f"load {os.getloadavg()[0]:.1f} before"
    with Driver(opened) as driver:
        # What is measured is the window; judges would take both cores.
        driver.workbench.cancel("judge")
        yield _opening(driver, sites, load)
        yield _counting(driver)
        _leave_roots(driver)
        yield from _memory()
        yield from _recolouring(driver)
        yield from _adding(driver, opened, sites)
        yield from _table(driver)
        yield from _memory()


def _curve(costs: list[Cost]) -> Iterator[Measured]:
    for cost in costs:
        yield Measured(f"a site more at {cost.sites:,}", cost.added, "µs", n=cost.sites)
        yield Measured(f"a verdict more at {cost.sites:,}", cost.judged, "µs", n=cost.sites)
    first, last = costs[0], costs[-1]
    growth = last.added / first.added
    note = "flat is 1; ids lie anywhere in their index, so each page of it is written more often"
    yield Measured(
        f"cost of a site at {last.sites:,} to that at {first.sites:,}",
        growth,
        "×",
        "< 2",
        growth < 2,
        note=note,
    )


def _opening(driver: Driver, sites: int, load: str) -> Measured:
    """Wait until the page is drawn, all sites are listed, and the first is on the screen."""
    bench, table = driver.workbench, driver.window.queue.model
    painted = driver.until_painted()

    def there() -> bool:
        return (
            bench.queue.total >= sites
            and table.rowCount() == len(bench.queue)
            and bench.snapshot().current is not None
        )

    driver.until(there, "all sites", PATIENCE_S)
    seconds = time.monotonic() - driver.started
    note = f"first slice after {painted:.1f} s; {load}"
    return Measured("window opens, all sites listed", seconds, "s", "< 5", seconds < 5, sites, note)


def _counting(driver: Driver) -> Measured:
    """Wait until the lanes know every site, which is counted while the window is in use."""
    bench = driver.workbench
    known = bench.session.catalogue.counts()
    without = known.sites - known.judged
    driver.until(lambda: bench.quality.lanes().counts.unjudged <= without, "the lanes", PATIENCE_S)
    seconds = time.monotonic() - driver.started
    return Measured("lanes of all sites counted", seconds, "s", note="in the background")


def _leave_roots(driver: Driver) -> None:
    """Stop looking up the present roots of sites: nobody has the segments that these name."""
    for _ in range(3):
        # Replies that are under way already are answered with further questions.
        driver.workbench.cancel("roots")
        driver.rest(1.0)


def _recolouring(driver: Driver) -> Iterator[Measured]:
    """Give sites that the page holds other verdicts; the page has them when it answers."""
    viewer, queue = driver.workbench.viewer, driver.workbench.queue
    whole, own = [], []
    for repeat in range(REPEATS):
        snapshot = viewer.store.snapshot
        held = np.array(viewer.store.on_page(snapshot.numbers[: snapshot.count]), np.uint64)
        numbers = np.unique(np.random.default_rng(repeat).permutation(held)[:RECOLOURED])
        chances = np.random.default_rng(repeat).random(numbers.size)
        failed = np.zeros(numbers.size, np.bool_)
        driver.rest(0.5)
        before, busy = _count(driver, "patched"), _count(driver, "patching")
        began = time.perf_counter()
        queue.set_scores(numbers, chances, failed)
        viewer.set_scores(numbers, chances, failed)
        sent = time.perf_counter() - began
        driver.until(lambda: _count(driver, "patched") >= before + numbers.size, "them", step_ms=1)  # noqa: B023
        whole.append(time.perf_counter() - began)
        own.append(sent + (_count(driver, "patching") - busy) / 1e3)
    name = f"{numbers.size:,} verdicts recoloured"
    took = 1e3 * float(np.median(own))
    note = "queue, script, and the page's cells: what the program itself does"
    yield Measured(name, took, "ms", "< 100", took < 100, REPEATS, note)
    took = 1e3 * float(np.median(whole))
    note = "with the frame that the page is drawing when they come"
    yield Measured("the same, until the page answers", took, "ms", n=REPEATS, note=note)


def _count(driver: Driver, name: str) -> float:
    """Return what the page has counted, 0 if it has not begun."""
    counted = driver.evaluate(f"window.proofdesk.counts.{name}")
    return counted if isinstance(counted, int | float) else 0.0


def _adding(driver: Driver, opened: Opened, sites: int) -> Iterator[Measured]:
    """Let another process add sites; they are visible when the table and the page have them."""
    bench = driver.workbench
    writer = threading.Thread(target=add_sites, args=(opened.session, opened.address, sites, ADDED))
    writer.start()
    driver.until(lambda: not writer.is_alive(), "the writer", PATIENCE_S)
    began = time.perf_counter()
    bench.follow_soon()
    listed = sites + ADDED
    driver.until(lambda: bench.queue.total >= listed, "the new sites", step_ms=1)
    in_table = time.perf_counter() - began
    driver.until(lambda: _page_is_complete(driver), "the new sites in the page", step_ms=5)
    seconds = time.perf_counter() - began
    yield Measured(f"{ADDED:,} new sites listed", in_table, "s", n=ADDED)
    yield Measured(
        f"{ADDED:,} new sites visible",
        seconds,
        "s",
        "< 1",
        seconds < 1,
        ADDED,
        "in the table, and in every cell that the page shows",
    )


def _page_is_complete(driver: Driver) -> bool:
    """Tell whether every cell that the page holds has all its sites."""
    store = driver.workbench.viewer.store
    held = driver.evaluate(_HELD)
    if not isinstance(held, dict) or not held:
        return False
    snapshot = store.snapshot
    filled = np.bincount(snapshot.cells[: snapshot.count], minlength=store.grid.size)
    return all(filled[_code(driver, name)] == count for name, count in held.items())


def _code(driver: Driver, name: str) -> int:
    from ngplugin.grid import CellKey

    level, x, y, z = map(int, name.split(","))
    return driver.workbench.viewer.store.grid.code(CellKey(level, x, y, z))


def _table(driver: Driver) -> Iterator[Measured]:
    """Scroll anywhere, sort by everything, filter; each until the table is painted."""
    from app.services.queue_view import QueueOrder, QueueView

    dock, queue = driver.window.queue, driver.workbench.queue
    bar = dock.table.verticalScrollBar()
    assert bar is not None
    places = np.random.default_rng(0).integers(0, bar.maximum(), SCROLLS).tolist()
    scrolled = [_painted(driver, partial(bar.setValue, place)) for place in places]
    yield _slowest("scrolling the table, p95", scrolled)
    orders = (QueueOrder.RANDOM, QueueOrder.VALUE, QueueOrder.PROBABILITY) * 2
    sorted_ = [
        _painted(driver, partial(queue.show_view, QueueView(order=order))) for order in orders
    ]
    yield _slowest("sorting the table, p95", sorted_)
    words = (">0.9", "<0.5", "contact", "")
    narrowed = [_painted(driver, partial(queue.set_filter, word)) for word in words]
    yield _slowest("filtering the table, p95", narrowed)


def _painted(driver: Driver, change: Callable[[], object]) -> float:
    """Return the seconds that a change takes until the table shows it."""
    dock = driver.window.queue
    began = time.perf_counter()
    change()
    dock.model.refresh()
    viewport = dock.table.viewport()
    assert viewport is not None
    viewport.repaint()
    return time.perf_counter() - began


def _slowest(name: str, seconds: list[float]) -> Measured:
    took = 1e3 * float(np.quantile(seconds, 0.95))
    return Measured(name, took, "ms", "< 100", took < 100, len(seconds))


def _memory() -> Iterator[Measured]:
    """Return what the window's process holds, which is Linux's to tell."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        yield Measured("memory of the main process", None, "GiB", "< 1.5", note="not Linux")
        return
    lines = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    for name, label in (("VmRSS", "memory of the main process"), ("VmHWM", "the same, at most")):
        held = int(lines[name].split()[0]) * 1024 / _GIB
        yield Measured(label, held, "GiB", "< 1.5", held < 1.5)
