"""The adaptive judge in a session: it learns from own answers, answers, and steps back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from app.services.learning.answers import EVERY, Learned, own_pair_answers
from app.services.learning.desk import LearningDesk
from app.services.learning.learner import Learner, versions_of
from app.services.learning.versions import adapt_session
from app.services.worker.messages import Learn, LearnedSo
from connectome.datastack import Datastack
from connectome.errors import InputError
from inference.adaptive.measured import MeasuredPairs
from proofreading.decisions import Answer, Decider
from proofreading.ledger.events import DecisionMade
from proofreading.session import Session
from proofreading.sites import Site
from tests.unit.app.test_deciding import NOW, _decision, _session, _site, _verdict

SITES = 160
BASE = ("m",)


class Blind:
    """A datastack without microscopy: nothing can be measured, only the base be corrected."""

    imagery = None
    graph = None


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    """Sites whose model says 0.5 of everything; the person accepts a quarter."""
    made = _session(tmp_path / "s.proofdesk", [0.5] * SITES)
    yield made
    made.close()


def _answers(session: Session, first: int, last: int) -> None:
    made = []
    for number in range(first, last):
        answer = Answer.ACCEPT if number % 4 == 0 else Answer.REJECT
        site = _site(number)
        decision = replace(
            _decision(number, 0.5, answer),
            site_id=site.id,
            partner_supervoxel=site.partners[0].supervoxel,
        )
        made.append(DecisionMade(decision))
    session.ledger.append_all(made)


def _learner(session: Session) -> Learner:
    return Learner(session, cast("Datastack", Blind()))


def _probability(session: Session, site: Site) -> float | None:
    return session.catalogue.score(site.id).probability


def test_nothing_is_learned_from_few_answers(session: Session) -> None:
    _answers(session, 0, EVERY - 1)
    with _learner(session) as learner:
        assert list(learner.learn(BASE)) == []
        assert learner.learned == Learned()


def test_a_better_version_answers_everywhere_beside_the_model(session: Session) -> None:
    _answers(session, 0, 120)
    with _learner(session) as learner:
        assert list(learner.learn(BASE))
        assert learner.learned == Learned(1, 120)
    far = _site(SITES - 1)
    learned = _probability(session, far)
    assert learned is not None
    assert learned < 0.4
    verdict = session.catalogue.best_verdict(far.id)
    assert verdict is not None
    assert verdict.provenance.model_id == "adaptive-v1"
    assert [part.model_id for part in verdict.parts] == ["m"]
    models = {v.provenance.model_id for v in session.catalogue.verdicts(far.id)}
    assert models == {"m", "adaptive-v1"}


def test_a_later_verdict_of_the_model_is_corrected_anew(session: Session) -> None:
    _answers(session, 0, 120)
    far = _site(SITES - 1)
    with _learner(session) as learner:
        list(learner.learn(BASE))
        soon = replace(_verdict(far, 0.9), made_at=NOW + timedelta(days=9999))
        session.catalogue.add_verdicts([soon])
        assert _probability(session, far) == pytest.approx(0.9)
        list(learner.learn(BASE))
    # Of a moment in the future; what was made now cannot be newer.
    assert _probability(session, far) == pytest.approx(0.9)


def test_going_back_lets_the_model_stand_again(session: Session) -> None:
    _answers(session, 0, 120)
    far = _site(SITES - 1)
    with _learner(session) as learner:
        list(learner.learn(BASE))
        changed = learner.use(0)
        assert far.id in changed
        assert _probability(session, far) == 0.5
        assert learner.learned == Learned()
        learner.use(1)
        list(learner.answer())
        assert _probability(session, far) != 0.5
        with pytest.raises(InputError, match="no version 7"):
            learner.use(7)
    assert versions_of(session).current() == 1


def test_what_was_learned_of_other_models_is_not_used(session: Session) -> None:
    _answers(session, 0, 120)
    with _learner(session) as learner:
        list(learner.learn(BASE))
    with _learner(session) as learner:
        list(learner.learn(("another",)))
        assert learner.learned.version == 2
        assert versions_of(session).read(2).base == ("another",)


def test_only_own_answers_about_pairs_count() -> None:
    yes = replace(_decision(1, 0.5, Answer.ACCEPT), partner_supervoxel=7)
    others = [
        replace(yes, site_id="b", decider=Decider.AUTOMATIC),
        replace(yes, site_id="c", decider=Decider.SAME_QUESTION, follows=yes.id),
        replace(yes, site_id="d", answer=Answer.SKIP),
        replace(yes, site_id="e", partner_supervoxel=None),
    ]
    assert own_pair_answers([yes, *others]) == {(yes.site_id, 7): True}


def test_the_window_asks_every_so_many_answers(session: Session) -> None:
    asked: list[Learn] = []
    desk = LearningDesk(session, asked.append)
    for number in range(2 * EVERY + 1):
        _answers(session, number, number + 1)
        desk.decided()
    assert len(asked) == 2
    desk.forget_requests()
    assert len(asked) == 3
    assert desk.learned.words == ""
    desk.take(LearnedSo(2, 50))
    assert desk.learned.words == "learned from 50 decisions · v2"


def test_measured_numbers_stay_as_first_measured(tmp_path: Path) -> None:
    key, path = ("a", 2**63), tmp_path / "pairs.sqlite"
    with MeasuredPairs(path, "spec") as pairs:
        pairs.add({key: np.array([1.0, np.nan], np.float32)})
        pairs.add({key: np.array([9.0, 9.0], np.float32)})
    with MeasuredPairs(path, "spec") as pairs:
        np.testing.assert_array_equal(pairs.rows([key]), [[1.0, np.nan]])
        assert len(pairs) == 1
    with MeasuredPairs(path, "another") as pairs:
        assert key not in pairs


def test_what_another_process_measured_is_looked_up(tmp_path: Path) -> None:
    key, path = ("a", 2**63), tmp_path / "pairs.sqlite"
    with MeasuredPairs(path, "spec") as mine, MeasuredPairs(path, "spec") as other:
        other.add({key: np.array([1.0, 2.0], np.float32)})
        assert key not in mine
        mine.look_up([key, ("b", 3)])
        np.testing.assert_array_equal(mine.rows([key]), [[1.0, 2.0]])
        assert len(mine) == 1


def test_the_command_tells_what_is_known_and_steps_back(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    _answers(session, 0, 120)
    with _learner(session) as learner:
        list(learner.learn(BASE))
    told = adapt_session(session.folder, None, learn=False)
    assert (told.versions, told.current, told.decisions) == ((1,), 1, 120)
    assert told.words == "learned from 120 decisions · v1"
    blind = SimpleNamespace(imagery=None, graph=None, close=lambda: None)
    monkeypatch.setattr("app.services.learning.versions.open_datastack", lambda _address: blind)
    back = adapt_session(session.folder, 0, learn=False)
    assert (back.current, back.versions) == (0, (1,))
    assert back.sites_changed == SITES
