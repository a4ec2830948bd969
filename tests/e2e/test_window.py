"""The real window on real Neuroglancer, offscreen: click, answer, export, come back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("PyQt6.QtWebEngineWidgets", reason="the gui extra is not installed")

from app.services.model import Phase
from app.services.opening import Opened
from app.ui.driver import Driver
from connectome.offline.datastack import OfflineDatastack
from proofreading.decisions import Answer
from proofreading.edits import EditState, MergeEdit
from proofreading.sites import Site

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(600),
]

FEW, ENOUGH = 4, 12
PROBABLE = 0.2
"""What is less probable may leave the viewer while it is being judged."""


def _ready(driver: Driver, judged: int = FEW) -> None:
    """Wait for paint, some judged sites, and the verdict and pictures on the screen."""
    bench = driver.workbench
    driver.until_painted()
    driver.until(lambda: bench.session.catalogue.counts().judged >= judged, "judged sites", 240)

    def shown() -> bool:
        current = bench.snapshot().current
        return current is not None and current.pictures_phase is Phase.READY

    driver.until(shown, "the pictures of the first site")


def _target(driver: Driver) -> Site:
    """Return an open site with a partner, of another segment than the one on the screen."""
    driver.until(lambda: _other_site(driver) is not None, "a second site to click", 240)
    site = _other_site(driver)
    assert site is not None
    return site


def _other_site(driver: Driver) -> Site | None:
    bench = driver.workbench
    current = bench.snapshot().current
    assert current is not None
    for index in range(len(bench.queue)):
        row = bench.queue.row(index)
        site = bench.session.catalogue.site(row.site_id)
        likely = row.probability is not None and row.probability >= PROBABLE
        askable = likely and row.answer is None and site is not None and site.partners
        if askable and site is not None and site.root != current.site.root:
            return site
    return None


def test_click_accept_export(judged: Opened, artifacts: Path) -> None:
    with Driver(judged) as driver:
        _ready(driver, ENOUGH)
        driver.grab(artifacts / "e2e-1-opened.png")
        site = _target(driver)
        driver.click_site(site.id)
        current = driver.workbench.snapshot().current
        assert current is not None
        chosen = current.site.partners[current.partner_index]
        pair = np.array([chosen.own_supervoxel, chosen.supervoxel], np.uint64)
        before = _server_roots(driver, pair)
        assert before[0] != before[1]

        driver.press("F")

        state = driver.workbench.session.ledger.state
        decision = state.decision(site.id)
        assert decision is not None
        assert decision.answer is Answer.ACCEPT
        assert decision.partner_supervoxel == chosen.supervoxel
        driver.until(lambda: _current_id(driver) != site.id, "the next site")
        driver.settle()
        driver.grab(artifacts / "e2e-2-accepted.png")

        driver.export()

        after = _server_roots(driver, pair)
        assert after[0] == after[1]
        assert after[0] not in before
        (record,) = state.edits(EditState.COMMITTED)
        assert isinstance(record.edit, MergeEdit)
        assert record.new_roots == (int(after[0]),)
        driver.settle()
        driver.grab(artifacts / "e2e-3-exported.png")
    _screenshots_show_something(artifacts)


def test_one_key_press_is_one_decision_wherever_the_focus_is(judged: Opened) -> None:
    with Driver(judged) as driver:
        _ready(driver)
        state = driver.workbench.session.ledger.state
        driver.window.web.view.setFocus()
        driver.press("D")
        driver.until(lambda: state.decided == 1, "the answer from the page")
        driver.window.queue.table.setFocus()
        driver.press("S")
        driver.until(lambda: state.decided == 2, "the answer from the queue")
        driver.settle()
        assert state.decided == 2
        driver.press("Z")
        driver.until(lambda: state.decided == 1, "the undo")
        driver.press("Shift+Z")
        driver.until(lambda: state.decided == 2, "the redo")


def test_undo_of_a_committed_edit_and_redo_of_it(judged: Opened) -> None:
    with Driver(judged) as driver:
        _ready(driver)
        driver.click_site(_target(driver).id)
        driver.press("F")
        driver.export()
        state = driver.workbench.session.ledger.state
        (record,) = state.edits(EditState.COMMITTED)
        assert isinstance(record.edit, MergeEdit)
        pair = np.array([record.edit.a.supervoxel, record.edit.b.supervoxel], np.uint64)
        driver.press("Z")
        driver.until(lambda: bool(state.edits(EditState.UNDONE)), "the undo on the server")
        one, two = _server_roots(driver, pair)
        assert one != two
        driver.press("Shift+Z")
        driver.until(lambda: len(state.pending_edits()) == 1, "the edit in the outbox again")
        driver.export()
        one, two = _server_roots(driver, pair)
        assert one == two


def test_closing_and_opening_again_comes_back_to_the_same_place(judged: Opened) -> None:
    with Driver(judged) as driver:
        _ready(driver)
        for key in "DSD":
            driver.press(key)
        driver.settle()
        place = _current_id(driver)
        decided = driver.workbench.session.ledger.state.decided
    with Driver(judged) as driver:
        driver.until(lambda: _current_id(driver) is not None, "the place")
        assert _current_id(driver) == place
        assert driver.workbench.snapshot().progress.decided == decided == 3


def _current_id(driver: Driver) -> str | None:
    current = driver.workbench.snapshot().current
    return None if current is None else current.site.id


def _server_roots(driver: Driver, supervoxels: np.ndarray) -> list[int]:
    """Ask the service itself, with the real caveclient."""
    datastack = OfflineDatastack(driver.workbench.datastack_address)
    try:
        return [int(root) for root in datastack.graph.roots(supervoxels)]
    finally:
        datastack.close()


def _screenshots_show_something(folder: Path) -> None:
    from PyQt6.QtGui import QImage

    for path in sorted(folder.glob("e2e-[1-3]-*.png")):
        image = QImage(str(path))
        colors = {image.pixel(x, y) for x in range(0, 1600, 16) for y in range(0, 1000, 16)}
        assert len(colors) > 200, path
