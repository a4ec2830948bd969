"""How long a person waits from an answer to the next site, in the real window."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.services.model import Current
    from app.ui.driver import Driver
    from proofreading.sites import Site

__all__ = ["Wait", "answer", "until_shown"]

PATIENCE_S = 30.0
STEP_MS = 2

_PAGE = """(() => {
  const viewer = window.viewer;
  if (!viewer || !window.proofdesk || !window.proofdesk.settled) return null;
  const group = viewer.layerManager.getLayerByName('segmentation')
    .layer.displayState.segmentationGroupState.value;
  const drawn = viewer.display.updatePending === null || viewer.display.updatePending === undefined;
  return {
    loaded: viewer.isReady(),
    drawn: drawn,
    position: Array.from(viewer.position.value),
    segments: [...group.visibleSegments].map(String),
  };
})()"""


STAGES = ("pictures", "verdict", "docks", "moved", "loaded", "page")
"""What is waited for: pictures and verdict are there, and then painted; the page stands at the
site with its segments, has loaded what belongs to it, and has drawn it."""


@dataclass(frozen=True)
class Wait:
    """Seconds from the key to: the ledger, the key's end, and each of `STAGES`.

    `judged` tells whether the next site had its verdict when the key was pressed.
    """

    ledger: float
    handled: float
    stages: dict[str, float]
    judged: bool

    @property
    def docks(self) -> float:
        """Until pictures and verdict are on the screen."""
        return self.stages["docks"]

    @property
    def page(self) -> float:
        """Until the page shows everything."""
        return self.stages["page"]

    @property
    def shown(self) -> float:
        """Until everything is there."""
        return max(self.docks, self.page)


def answer(driver: Driver) -> Wait:
    """Answer as the judge does, and wait until the next site is shown with everything.

    Against a sure judge the window would ask back, which is no part of what is measured.

    Raises
    ------
    TimeoutError
        If it never is.
    """
    current = driver.workbench.snapshot().current
    assert current is not None
    pressed_at = datetime.now(UTC)
    with _committing(driver) as committed:
        began = time.perf_counter()
        driver.tap(_key(current))
        handled = time.perf_counter()
    at = until_shown(driver, other_than=current.site.id)
    stages = {stage: at[stage] - began for stage in STAGES}
    now = driver.workbench.snapshot().current
    # What is shown without a verdict has none that was waited for: it is hidden.
    judged = now is None or now.verdict is None or now.verdict.made_at < pressed_at
    return Wait(committed[0] - began, handled - began, stages, judged)


def until_shown(driver: Driver, *, other_than: str = "") -> dict[str, float]:
    """Wait until a site is shown; return when each of `STAGES` was reached."""
    at: dict[str, float] = {}

    def there() -> bool:
        current = driver.workbench.snapshot().current
        if current is None or current.site.id == other_than:
            return False
        if "docks" not in at:
            _note(at, _docks_reached(driver, current))
        if "page" not in at:
            _note(at, _page_reached(driver, current))
        return "docks" in at and "page" in at

    try:
        driver.until(there, "the next site", PATIENCE_S, step_ms=STEP_MS)
    except TimeoutError as error:
        current = driver.workbench.snapshot().current
        found = (driver.evaluate(_PAGE), _roots(driver), current and current.pictures_phase)
        msg = f"{error}: shown so far in {sorted(at) or 'nothing'}, {found}"
        raise TimeoutError(msg) from error
    return at


def _note(at: dict[str, float], reached: Iterator[str]) -> None:
    for stage in reached:
        at.setdefault(stage, time.perf_counter())


def _key(current: Current) -> str:
    if current.verdict is None:
        return "S"
    return "F" if current.verdict.probability >= 0.5 else "D"


@contextmanager
def _committing(driver: Driver) -> Iterator[list[float]]:
    """Note when the ledger has written."""
    ledger = driver.workbench.session.ledger
    written: list[float] = []
    name = "append_all"

    def timed(append: Callable[..., list[int]]) -> Callable[..., list[int]]:
        def call(*given: object) -> list[int]:
            numbers = append(*given)
            written.append(time.perf_counter())
            return numbers

        return call

    setattr(ledger, name, timed(ledger.append_all))
    try:
        yield written
    finally:
        delattr(ledger, name)


def _docks_reached(driver: Driver, current: Current) -> Iterator[str]:
    """Yield how far pictures and verdict have come, to the screen in the end."""
    from app.services.model import Phase

    dock = driver.window.verdict
    judged = current.verdict_phase is not Phase.LOADING
    if judged:
        yield "verdict"
    if current.pictures is None:
        return
    yield "pictures"
    first = next(iter(current.pictures.views.values()))
    shown = dock.pictures.tiles[0].picture is first and dock.question.text() == current.question
    if judged and shown:
        yield "docks"


def _page_reached(driver: Driver, current: Current) -> Iterator[str]:
    """Yield how far the page has come."""
    found = driver.evaluate(_PAGE)
    if not isinstance(found, dict):
        return
    wanted = {str(root) for root in _roots(driver) if root is not None}
    if not _is_at(driver, current.site, found["position"]) or set(found["segments"]) != wanted:
        return
    yield "moved"
    if found["loaded"] is True:
        yield "loaded"
        if found["drawn"] is True:
            yield "page"


def _roots(driver: Driver) -> tuple[int, ...]:
    return driver.workbench.viewer.shown_roots


def _is_at(driver: Driver, site: Site, position: list[float]) -> bool:
    voxel = driver.workbench.viewer.voxel_nm
    return all(abs(p * v - s) < v for p, v, s in zip(position, voxel, site.point_nm, strict=True))
