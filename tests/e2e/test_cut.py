"""A merge error taken apart in the real window: points, preview, cut, export, undo."""

from __future__ import annotations

import math
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("PyQt6.QtWebEngineWidgets", reason="the gui extra is not installed")

from app.services.detecting import DETECTED
from app.services.opening import Opened
from app.ui.driver import Driver
from connectome.graph import GraphPoint, SplitRequest
from connectome.offline.datastack import OfflineDatastack
from proofreading.decisions import Answer
from proofreading.edits import EditState, SplitEdit
from proofreading.session import Session
from proofreading.sites import Partner, Site, SiteKind
from tests.contract.volumes import CUT, NAME, ingest_tubes, tube_point

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

TUBE = 7
SITE, PAIR = "00000000000000aa", "00000000000000bb"


@pytest.fixture
def opened(tmp_path: Path) -> Opened:
    """A session with one site: half a tube, to be cut in the middle."""
    folder, home = ingest_tubes(tmp_path / "tubes"), tmp_path / "cut.proofdesk"
    datastack = OfflineDatastack(folder)
    site = _site(datastack)
    datastack.close()
    with Session.open(home, datastack_name=NAME, datastack_address=str(folder)) as session:
        session.catalogue.add_sites([site])
        session.artifacts.mkdir(exist_ok=True)
        (session.artifacts / DETECTED).touch()
    return Opened(home, str(folder))


def _site(datastack: OfflineDatastack) -> Site:
    one, other = (
        GraphPoint(datastack.supervoxel_at(tube_point(TUBE, x)), tube_point(TUBE, x))
        for x in (12, 60)
    )
    (root,) = datastack.graph.roots(np.array([one.supervoxel], np.uint64)).tolist()
    return Site(
        id=SITE,
        kind=SiteKind.BOTTLENECK,
        datastack=NAME,
        root=root,
        supervoxel=one.supervoxel,
        point_nm=tube_point(TUBE, 36),
        radius_nm=40.0,
        detector="test 1",
        proposed_cut=SplitRequest((one,), (other,)),
    )


def _pair(datastack: OfflineDatastack) -> Site:
    """Return the question whether the half tube and the other half are one."""
    whole, mine = _site(datastack), tube_point(TUBE, CUT - 2)
    other = GraphPoint(
        datastack.supervoxel_at(tube_point(TUBE, CUT + 2)), tube_point(TUBE, CUT + 2)
    )
    (root,) = datastack.graph.roots(np.array([other.supervoxel], np.uint64)).tolist()
    own = datastack.supervoxel_at(mine)
    partner = Partner(
        root, other.supervoxel, own, mine, other.position_nm, 0.0, 1000.0, direction_agreement=1.0
    )
    return replace(
        whole,
        id=PAIR,
        kind=SiteKind.CONTACT,
        point_nm=mine,
        partners=(partner,),
        proposed_cut=None,
    )


def _looks_at(driver: Driver, x: int) -> bool:
    at = driver.workbench.viewer.view_state().get("position_nm")
    return isinstance(at, list) and math.dist(at, tube_point(TUBE, x)) < 1.0


def _phase(driver: Driver) -> str:
    view = driver.workbench.snapshot().cut
    return "" if view is None else view.phase.value


def test_a_cut_from_the_first_point_to_the_undo(opened: Opened, artifacts: Path) -> None:
    with Driver(opened) as driver:
        bench = driver.workbench
        state = bench.session.ledger.state
        driver.until_painted()
        driver.until(lambda: bench.snapshot().current is not None, "the site")
        driver.press("E")
        driver.until(lambda: _phase(driver) == "partial", "the suggested points")
        driver.press("Return")
        assert state.decided == 0  # nothing is cut unseen
        driver.press("P")
        driver.until(lambda: _phase(driver) == "ready", "the preview")
        driver.settle()
        driver.grab(artifacts / "e2e-cut-preview.png")
        driver.press("Return")
        driver.until(lambda: state.decided == 1, "the answer")
        decision = state.decision(SITE)
        assert decision is not None
        assert decision.answer is Answer.ACCEPT
        (record,) = state.edits(EditState.QUEUED)
        assert isinstance(record.edit, SplitEdit)

        driver.export()
        (record,) = state.edits(EditState.COMMITTED)
        assert len(record.new_roots) == 2
        assert _roots(driver, record.edit)[0] != _roots(driver, record.edit)[1]

        driver.press("Z")
        driver.until(lambda: bool(state.edits(EditState.UNDONE)), "the undo on the server")
        one, other = _roots(driver, record.edit)
        assert one == other
        assert state.decided == 0


def test_a_merge_error_seen_at_a_pair_is_cut_and_the_question_stays_open(opened: Opened) -> None:
    session = Session.open(opened.session, datastack_name=NAME, datastack_address=opened.address)
    with session, closing(OfflineDatastack(opened.address)) as datastack:
        session.catalogue.add_sites([_pair(datastack)])
    with Driver(opened) as driver:
        bench = driver.workbench
        state = bench.session.ledger.state
        driver.until_painted()
        driver.until(lambda: bench.queue.get(PAIR) is not None, "the sites")
        bench.select(PAIR)
        for key, x in (("E", 12), ("Shift+E", 60)):
            bench.viewer.look_at(tube_point(TUBE, x))
            driver.until(lambda x=x: _looks_at(driver, x), "the move")  # type: ignore[misc]
            driver.press(key)
            driver.until(lambda: _phase(driver) in ("empty", "partial"), "the point")
        driver.until(lambda: _phase(driver) == "partial", "both points")
        view = bench.snapshot().cut
        assert view is not None
        assert (view.of, view.aside) == ("A", True)
        driver.press("P")
        driver.until(lambda: _phase(driver) == "ready", "the preview")
        driver.press("Return")
        driver.until(lambda: bool(state.edits(EditState.QUEUED)), "the cut")
        (record,) = state.edits(EditState.QUEUED)
        assert isinstance(record.edit, SplitEdit)
        current = bench.snapshot().current
        assert current is not None
        assert (current.site.id, current.answer, _phase(driver)) == (PAIR, None, "")
        seen = bench.session.catalogue.site(record.edit.site_id)
        assert seen is not None
        assert (seen.kind, seen.root) == (SiteKind.BOTTLENECK, current.site.root)
        driver.until(lambda: bench.queue.get(seen.id) is not None, "its row")

        driver.export()
        assert len(state.edits(EditState.COMMITTED)) == 1
        driver.press("Z")
        driver.until(lambda: bool(state.edits(EditState.UNDONE)), "the undo on the server")
        assert state.decided == 0


def test_later_keeps_the_points_over_a_restart(opened: Opened) -> None:
    with Driver(opened) as driver:
        bench = driver.workbench
        driver.until(lambda: driver.window.web.is_ready, "the page")
        driver.until(lambda: bench.snapshot().current is not None, "the site")
        driver.press("E")
        driver.until(lambda: _phase(driver) == "partial", "the suggested points")
        driver.press("A")
        driver.until(lambda: bench.session.ledger.state.decided == 1, "the answer")
    with Driver(opened) as driver:
        bench = driver.workbench
        driver.until(lambda: bench.snapshot().current is not None, "the site")
        driver.until(lambda: _phase(driver) == "partial", "the points that were kept")
        view = bench.snapshot().cut
        assert view is not None
        assert [point.position_nm for point in view.points] == [
            tube_point(TUBE, 12),
            tube_point(TUBE, 60),
        ]


def _roots(driver: Driver, edit: object) -> list[int]:
    assert isinstance(edit, SplitEdit)
    both = np.array([edit.sources[0].supervoxel, edit.sinks[0].supervoxel], np.uint64)
    datastack = OfflineDatastack(driver.workbench.datastack_address)
    try:
        return [int(root) for root in datastack.graph.roots(both)]
    finally:
        datastack.close()
