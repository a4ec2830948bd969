"""Triage follows catalogue and ledger."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.services.triage import Triage, triage_session
from connectome.errors import InputError
from proofreading.decisions import Answer
from proofreading.ledger.events import DecisionMade, SamplingChosen
from proofreading.session import Session
from proofreading.sites import SiteKind
from proofreading.verdicts import Verdict
from tests.unit.ledger.build import a_failure, a_site, a_verdict
from tests.unit.proofreading.decided import blind


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return Session.open(
        tmp_path / "a.proofdesk", datastack_name="offline_test", datastack_address="/nowhere"
    )


def _usual(model_id: str) -> float | None:
    return 10.0 if model_id == "m1" else None


def _unusual(verdict: Verdict, distance: float) -> Verdict:
    from dataclasses import replace

    return replace(verdict, provenance=replace(verdict.provenance, out_of_distribution=distance))


def _triage(session: Session) -> Triage:
    triage = Triage(session.catalogue, session.ledger, usual=_usual)
    triage.follow_all()
    return triage


def test_lanes_of_a_session(session: Session) -> None:
    with session:
        session.catalogue.add_sites([a_site(n) for n in range(1, 8)])
        session.catalogue.add_sites([a_site(8, kind=SiteKind.JUNCTION)])
        session.catalogue.add_verdicts(
            [
                a_verdict(1, 0.999),
                a_verdict(2, 0.001),
                a_verdict(3, 0.95),
                a_verdict(4, 0.5),
                _unusual(a_verdict(5, 0.999), 11.0),
                a_failure(6),
            ]
        )
        counts = _triage(session).view(0.01).counts
        assert (counts.accepted, counts.rejected, counts.quick) == (1, 1, 1)
        assert (counts.full, counts.unusual, counts.unjudged) == (5, 1, 3)


def test_answers_and_undone_answers_and_newer_verdicts_are_followed(session: Session) -> None:
    with session:
        session.catalogue.add_sites([a_site(n) for n in (1, 2, 3)])
        session.catalogue.add_verdicts([a_verdict(1, 0.999), a_verdict(2, 0.999)])
        triage = _triage(session)
        decision = blind(a_site(1).id, 0.999, Answer.ACCEPT)
        session.ledger.append(DecisionMade(decision))
        triage.mark(decision.site_id)
        assert (triage.view().counts.automatic, triage.view().counts.open) == (1, 2)
        session.catalogue.add_verdicts([a_verdict(1, 0.5, at=1), a_verdict(2, 0.5, at=1)])
        triage.follow_all()
        assert (triage.view().counts.automatic, triage.view().counts.full) == (0, 2)
        session.ledger.undo()
        triage.mark(decision.site_id)
        assert (triage.view().counts.full, triage.view().counts.open) == (3, 3)
        assert triage.view() == _triage(session).view()


def test_an_answer_about_a_site_without_verdict_leaves_the_open_ones(session: Session) -> None:
    with session:
        session.catalogue.add_sites([a_site(1), a_site(2)])
        triage = _triage(session)
        session.ledger.append(DecisionMade(blind(a_site(1).id, None, Answer.ACCEPT)))
        triage.mark(a_site(1).id)
        assert triage.view().counts.open == 1


def test_the_dial_is_recorded_and_a_locked_lane_is_looked_at(session: Session) -> None:
    with session:
        session.catalogue.add_sites([a_site(1)])
        session.catalogue.add_verdicts([a_verdict(1, 0.97)])
        triage = _triage(session)
        assert triage.error_rate == 0.01
        triage.accept(0.05)
        assert triage.error_rate == 0.05
        assert triage.view().lock is not None
        for number in range(100, 300):
            answer = Answer.ACCEPT if number % 10 else Answer.REJECT
            session.ledger.append(DecisionMade(blind(f"{number:016x}", 0.9, answer)))
        assert triage.view().lock is None
        with pytest.raises(InputError, match="outside the dial"):
            triage.accept(0.5)


def test_an_audit_that_fails_locks_again(session: Session) -> None:
    with session:
        session.ledger.append(SamplingChosen(1.0, 1.0, 0.0, 0, "tester"))
        for number in range(400):
            answer = Answer.REJECT if number < 9 else Answer.ACCEPT
            session.ledger.append(DecisionMade(blind(f"{number:016x}", 0.98, answer)))
        triage = _triage(session)
        assert triage.view(0.2).lock is None
        assert triage.view(0.02).lock is None
        for number in range(9, 25):
            session.ledger.append(DecisionMade(blind(f"{number:016x}", 0.998, Answer.REJECT)))
        lock = triage.view(0.02).lock
        assert lock is not None
        assert triage.view(0.02).audit.looked == 400


def test_another_sample_is_drawn_at_once(session: Session) -> None:
    with session:
        session.catalogue.add_sites([a_site(n) for n in range(1, 40)])
        session.catalogue.add_verdicts([a_verdict(n, 0.999) for n in range(1, 40)])
        triage = _triage(session)
        before = triage.view().counts.audited
        session.ledger.append(SamplingChosen(0.1, 1.0, 0.0, 0, "tester"))
        triage.follow_all()
        assert before < triage.view().counts.audited == 39


def test_the_command_reports_the_lanes(session: Session) -> None:
    with session:
        session.catalogue.add_sites([a_site(1), a_site(2)])
        session.catalogue.add_verdicts([a_verdict(1, 0.999)])
    report = triage_session(session.folder, 0.01)
    assert (report.open, report.automatic, report.without_verdict) == (2, 1, 1)
    assert (report.unlocked, report.missing) == (False, 100)
    with pytest.raises(InputError, match="outside the dial"):
        triage_session(session.folder, 0.5)
