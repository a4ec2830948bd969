"""Late answers never overwrite what is on the screen."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from app.services.model import JudgeStatus, Phase
from app.services.tracker import VEILED, Tracker
from app.services.worker.messages import Look, LookAhead, Looked
from proofreading.catalogue import Catalogue
from rendering.picture import Picture, PictureState
from rendering.pictures import SitePictures
from tests.unit.app.test_deciding import NOW, _site, _verdict

READY = JudgeStatus(Phase.READY, "m", "CPU")
PICTURES = SitePictures({}, {})


Asked = list[Look | LookAhead]


@pytest.fixture
def asked() -> Asked:
    return []


@pytest.fixture
def tracker(tmp_path: Path, asked: Asked) -> Tracker:
    catalogue = Catalogue.open(tmp_path / "catalogue.sqlite")
    catalogue.add_sites([_site(1), _site(2)])
    return Tracker(asked.append, catalogue)


def test_a_late_picture_is_kept_but_not_shown(tracker: Tracker, asked: Asked) -> None:
    tracker.show(_site(1))
    tracker.show(_site(2))
    assert not tracker.take(Looked(_site(1).id, 0, 1, PICTURES))
    current = tracker.current(None, READY)
    assert current is not None
    assert current.pictures_phase is Phase.LOADING
    tracker.show(_site(1))
    assert len(asked) == 2
    current = tracker.current(None, READY)
    assert current is not None
    assert current.pictures is PICTURES


def test_a_failed_picture_is_a_state_with_its_reason(tracker: Tracker) -> None:
    tracker.show(_site(1))
    assert tracker.take(Looked(_site(1).id, 0, 1, None, message="The disk is gone."))
    current = tracker.current(None, READY)
    assert current is not None
    assert (current.pictures_phase, current.pictures_text) == (Phase.FAILED, "The disk is gone.")


def test_verdict_phases(tracker: Tracker) -> None:
    tracker.show(_site(1))
    loading = tracker.current(None, READY)
    assert loading is not None
    assert loading.verdict_phase is Phase.LOADING
    broken = tracker.current(None, JudgeStatus(Phase.FAILED, "", "", "No model."))
    assert broken is not None
    assert (broken.verdict_phase, broken.verdict_text) == (Phase.FAILED, "No model.")
    tracker.catalogue.add_verdicts([_verdict(_site(1), 0.75)])
    tracker.heard()
    ready = tracker.current(None, READY)
    assert ready is not None
    assert ready.verdict is not None
    assert ready.partners[0].probability == pytest.approx(0.75)


def test_what_has_not_changed_is_the_same_object(tracker: Tracker) -> None:
    tracker.show(_site(1))
    tracker.catalogue.add_verdicts([_verdict(_site(1), 0.75)])
    first = tracker.current(None, READY)
    tracker.heard()
    assert tracker.current(None, READY) is first
    tracker.take(Looked(_site(1).id, 0, 1, PICTURES))
    drawn = tracker.current(None, READY)
    assert drawn is not None
    assert drawn.pictures is PICTURES
    assert tracker.current(None, READY) is drawn
    later = replace(_verdict(_site(1), 0.25), made_at=NOW + timedelta(minutes=1))
    tracker.catalogue.add_verdicts([later])
    tracker.heard()
    judged = tracker.current(None, READY)
    assert judged is not None
    assert judged.verdict is not None
    assert judged.verdict.probability == pytest.approx(0.25)


def test_a_site_that_comes_next_is_asked_for_once_until_a_worker_is_lost(
    tracker: Tracker, asked: Asked
) -> None:
    tracker.show(_site(1))
    tracker.prefetch([(_site(2).id, 0)])
    tracker.show(_site(2))
    here, ahead, now_here = asked
    assert isinstance(ahead, LookAhead)
    # It is the same request, so that a worker that has begun does not begin again.
    assert ahead.looks == (now_here,)
    assert now_here != here
    tracker.prefetch([(_site(1).id, 0)])
    assert asked[-1] == LookAhead((here,))  # type: ignore[arg-type]  # it is a Look
    tracker.forget_requests()
    assert isinstance(asked[-1], Look)
    assert asked[-1].site_id == _site(2).id
    assert asked[-1] != now_here


def test_what_is_there_is_not_asked_for(tracker: Tracker, asked: Asked) -> None:
    tracker.take(Looked(_site(2).id, 0, 1, PICTURES))
    tracker.prefetch([(_site(2).id, 0)])
    tracker.show(_site(2))
    assert asked == [LookAhead(())]


def test_veiled_nothing_a_model_said_is_told(tracker: Tracker) -> None:
    tracker.catalogue.add_verdicts([_verdict(_site(1), 0.93)])
    tracker.show(_site(1))
    open_ = tracker.current(None, READY)
    assert open_ is not None
    assert open_.verdict is not None
    veiled = tracker.current(None, READY, veiled=True)
    assert veiled is not None
    assert veiled.verdict is None
    assert veiled.failed_beside is None
    assert [partner.probability for partner in veiled.partners] == [None] * len(veiled.partners)
    assert (veiled.verdict_phase, veiled.verdict_text) == (Phase.READY, VEILED)
    # It is recorded with the answer all the same, as one that was not seen.
    verdict = tracker.verdict()
    assert verdict is not None
    assert verdict.probability == 0.93


def test_a_reply_tells_when_the_graphics_were_lost() -> None:
    lost = Picture(None, "front", 1.0, PictureState.DEVICE_LOST, "gone")
    assert Looked("s", 0, 1, SitePictures({"front": lost}, {})).lost_graphics
    absent = Picture(None, "front", 1.0, PictureState.NO_GRAPHICS, "none")
    assert not Looked("s", 0, 1, SitePictures({"front": absent}, {})).lost_graphics
    assert not Looked("s", 0, 1, None).lost_graphics
