"""What a window asks and tells while somebody works."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.services.quality import BREAK_TEXT, Quality
from proofreading.decisions import Answer
from proofreading.evidence import bundle_of
from proofreading.ledger.events import DecisionMade, GoldAdded, SamplingChosen
from proofreading.session import Session
from tests.unit.app.test_evidence import _pictures
from tests.unit.ledger.build import a_site, a_verdict
from tests.unit.proofreading.decided import blind
from tests.unit.proofreading.played import played


@pytest.fixture
def session(tmp_path: Path) -> Session:
    made = Session.open(
        tmp_path / "a.proofdesk", datastack_name="offline_test", datastack_address="/nowhere"
    )
    made.catalogue.add_sites([a_site(number) for number in range(1, 60)])
    made.catalogue.add_verdicts([a_verdict(number, 0.998) for number in range(1, 30)])
    made.catalogue.add_verdicts([a_verdict(number, 0.6) for number in range(30, 60)])
    return made


def _hidden(quality: Quality) -> list[int]:
    while quality.follow():
        pass
    return [n for n in range(1, 60) if quality.hides(a_site(n).id)]


def test_only_what_is_drawn_gold_or_audited_is_hidden(session: Session) -> None:
    with session, Quality(session) as quality:
        session.ledger.append(SamplingChosen(0.0, 0.0, 0.0, 0, "tester"))
        assert _hidden(quality) == []
        session.ledger.append(GoldAdded(a_site(41).id, Answer.REJECT, "test"))
        assert _hidden(quality) == [41]
        session.ledger.append(SamplingChosen(0.0, 1.0, 0.0, 0, "tester"))
        # The audit looks at the automatic lane, and at nothing else.
        assert _hidden(quality) == [*range(1, 30), 41]
        quality.accept_error(0.001)
        assert _hidden(quality) == [41]
        session.ledger.append(SamplingChosen(1.0, 0.0, 0.0, 0, "tester"))
        assert _hidden(quality) == list(range(1, 60))


def test_an_answer_uncovers_the_verdict_also_after_an_undo(session: Session) -> None:
    with session, Quality(session) as quality:
        session.ledger.append(SamplingChosen(1.0, 0.0, 0.0, 0, "tester"))
        assert quality.hides(a_site(1).id)
        decision = blind(a_site(1).id, 0.998, Answer.REJECT)
        session.ledger.append(DecisionMade(decision))
        quality.answered(decision, None)
        assert not quality.hides(a_site(1).id)
        session.ledger.undo()
        quality.changed([decision.site_id])
        assert not quality.hides(a_site(1).id)
        assert quality.hides(a_site(2).id)


def test_an_answer_reaches_lanes_figures_and_evidence(tmp_path: Path) -> None:
    with played(tmp_path / "b.proofdesk", answers=60) as session:
        with Quality(session) as quality:
            while quality.follow():
                pass
            before = quality.lanes().counts.open
            record = session.ledger.state.edits()[0]
            decision = session.ledger.state.decision(record.edit.site_id)
            assert decision is not None
            assert quality.answered(decision, _pictures()) == ""
            new = blind(a_site(100).id, 0.9, Answer.REJECT, at_s=1e5)
            session.ledger.append(DecisionMade(new))
            quality.answered(new, _pictures())
            assert quality.lanes().counts.open == before - 1
            assert sum(quality.figures().made.answers.values()) == 61
        assert "pictures/front.png" in bundle_of(session, record.edit.id)
        assert len(list((session.folder / "evidence" / "seen").iterdir())) == 1


def test_a_break_is_suggested_once(session: Session) -> None:
    with session, Quality(session) as quality:
        said = []
        for number in range(1, 310):
            decision = blind(f"{number:016x}", 0.9, Answer.REJECT, at_s=4.0 * number)
            session.ledger.append(DecisionMade(decision))
            said.append(quality.answered(decision, None))
        assert [n for n, text in enumerate(said, 1) if text] == [300]
        assert said[299] == BREAK_TEXT


def test_gold_sites_that_wait_are_asked_in_a_random_order(session: Session) -> None:
    with session, Quality(session) as quality:
        gold = [a_site(n).id for n in range(50, 60)]
        assert quality.gold_to_ask() == []
        session.ledger.append_all(
            [
                SamplingChosen(0.0, 0.0, 1.0, 0, "tester"),
                *(GoldAdded(a_site(n).id, Answer.REJECT, "test") for n in range(50, 60)),
            ]
        )
        asked = quality.gold_to_ask()
        assert sorted(asked) == gold != asked
        session.ledger.append(DecisionMade(blind(asked[0], 0.9, Answer.REJECT)))
        assert quality.gold_to_ask() == asked[1:]
