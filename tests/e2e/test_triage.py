"""Lanes, the second look and the judge's reasons in the real window, on judged sites."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("PyQt6.QtWebEngineWidgets", reason="the gui extra is not installed")

from app.services.model import Phase, QueueRow
from app.services.opening import Opened
from app.services.second_look import IMPROBABLE
from app.services.through import QueueOrder
from app.ui.driver import Driver
from proofreading.decisions import Answer
from proofreading.ledger.events import SecondLookAsked
from proofreading.triage import Lane, Standing, lane_of

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


def test_a_lane_a_second_look_and_the_reasons(judged: Opened, artifacts: Path) -> None:
    with Driver(judged) as driver:
        bench, menus = driver.workbench, driver.window.top.through
        driver.until(lambda: bench.queue.in_lane(Lane.QUICK) > 0, "judged sites")
        menus.lanes[Lane.QUICK].trigger()
        menus.orders[QueueOrder.VALUE].trigger()
        # Verdicts that are hidden leave the lane as soon as triage has heard of them.
        driver.until(lambda: all(r.probability is not None for r in _rows(driver)), "triage")
        rows = _rows(driver)
        assert rows
        assert {lane_of(Standing(row.probability), 0.01) for row in rows} == {Lane.QUICK}
        worth = [row.value * (2 - (row.probability or 0)) * (row.probability or 0) for row in rows]
        assert worth == sorted(worth, reverse=True)

        unlikely = next(i for i, r in enumerate(rows) if (r.probability or 1) <= IMPROBABLE)
        driver.click_row(unlikely)
        driver.until(lambda: _shown(driver), "verdict and pictures")
        site_id = rows[unlikely].site_id
        driver.press("V")
        driver.until(lambda: _explained(driver), "where the judge looked")
        driver.settle()
        driver.grab(artifacts / "where-it-looked.png")
        assert driver.window.verdict.pictures.tiles[3].heat is not None
        driver.press("V")

        driver.press("F")
        state = bench.session.ledger.state
        assert state.decision(site_id) is None
        driver.until(lambda: "Press F again" in driver.window.bottom.last.text(), "the question")
        driver.grab(artifacts / "second-look.png")
        driver.press("F")
        made = state.decision(site_id)
        assert made is not None
        assert made.answer is Answer.ACCEPT
        asked = [e.event for e in bench.session.ledger.events(0)]
        assert [e.site_id for e in asked if isinstance(e, SecondLookAsked)] == [site_id]
        kept = driver.window.preferences
        assert (kept.lane, kept.order) == ("quick", QueueOrder.VALUE)


def _rows(driver: Driver) -> list[QueueRow]:
    queue = driver.workbench.queue
    return [queue.row(index) for index in range(len(queue))]


def _shown(driver: Driver) -> bool:
    current = driver.workbench.snapshot().current
    if current is None or current.pictures_phase is Phase.LOADING:
        return False
    return current.verdict_phase is Phase.READY


def _explained(driver: Driver) -> bool:
    why = driver.workbench.snapshot().why
    known = None if why is None else why.explained
    return known is not None and known.saliency is not None
