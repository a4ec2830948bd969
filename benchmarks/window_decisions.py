"""How long a person waits from an answer to the next site, in the real window."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
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
    ready: viewer.isReady() && drawn,
    position: Array.from(viewer.position.value),
    segments: [...group.visibleSegments].map(String),
  };
})()"""


@dataclass(frozen=True)
class Wait:
    """Seconds from the key to: the ledger, the key's end, docks with everything, the page too."""

    ledger: float
    handled: float
    docks: float
    page: float

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
    with _committing(driver) as committed:
        began = time.perf_counter()
        driver.tap(_key(current))
        handled = time.perf_counter()
    docks, page = until_shown(driver, other_than=current.site.id)
    return Wait(committed[0] - began, handled - began, docks - began, page - began)


def until_shown(driver: Driver, *, other_than: str = "") -> tuple[float, float]:
    """Wait until a site is shown; return when the docks and when the page showed it."""
    at: dict[str, float] = {}

    def there() -> bool:
        current = driver.workbench.snapshot().current
        if current is None or current.site.id == other_than:
            return False
        if "docks" not in at and _docks_show(driver, current):
            at["docks"] = time.perf_counter()
        if "page" not in at and _page_shows(driver, current):
            at["page"] = time.perf_counter()
        return len(at) == 2

    try:
        driver.until(there, "the next site", PATIENCE_S, step_ms=STEP_MS)
    except TimeoutError as error:
        current = driver.workbench.snapshot().current
        found = (driver.evaluate(_PAGE), _roots(driver), current and current.pictures_phase)
        msg = f"{error}: shown so far in {sorted(at) or 'nothing'}, {found}"
        raise TimeoutError(msg) from error
    return at["docks"], at["page"]


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


def _docks_show(driver: Driver, current: Current) -> bool:
    """Tell whether the pictures and the verdict on the screen are this site's."""
    from app.services.model import Phase

    dock = driver.window.verdict
    waits = Phase.LOADING in (current.verdict_phase, current.pictures_phase)
    if waits or current.pictures is None:
        return False
    first = next(iter(current.pictures.views.values()))
    return dock.pictures.tiles[0].picture is first and dock.question.text() == current.question


def _page_shows(driver: Driver, current: Current) -> bool:
    """Tell whether the page stands at the site with everything loaded and drawn."""
    found = driver.evaluate(_PAGE)
    if not isinstance(found, dict) or found["ready"] is not True:
        return False
    wanted = {str(root) for root in _roots(driver) if root is not None}
    return _is_at(driver, current.site, found["position"]) and set(found["segments"]) == wanted


def _roots(driver: Driver) -> tuple[int, ...]:
    return driver.workbench.viewer.shown_roots


def _is_at(driver: Driver, site: Site, position: list[float]) -> bool:
    voxel = driver.workbench.viewer.voxel_nm
    return all(abs(p * v - s) < v for p, v, s in zip(position, voxel, site.point_nm, strict=True))
