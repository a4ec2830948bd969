"""The automatic lane: locked until the person's own blind decisions confirm the judge."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.services.deciding import chosen_thresholds, decide_automatically
from app.services.present_roots import now, successors
from app.services.triage import Triage
from connectome.errors import InputError
from connectome.graph import GraphPoint
from proofreading.decisions import Answer, Decider, Decision
from proofreading.edits import EditState, MergeEdit
from proofreading.ledger.events import DecisionMade, EditChanged, EditQueued, SamplingChosen
from proofreading.session import Session
from proofreading.sites import Partner, Site, SiteKind, make_site_id
from proofreading.verdicts import Part, Provenance, Task, Verdict

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def _decision(
    number: int, probability: float, answer: Answer, *, visible: bool = False, ms: int = 3000
) -> Decision:
    return Decision(
        id=f"d{number}",
        site_id=f"{number:016x}",
        task=Task.SPLIT_ERROR_CORRECTION,
        answer=answer,
        decider=Decider.PERSON,
        author="someone",
        decided_at=NOW,
        elapsed_ms=ms,
        verdict_visible=visible,
        probability=probability,
    )


def _session(folder: Path, probabilities: list[float]) -> Session:
    session = Session.open(folder, datastack_name="offline_x", datastack_address="/nowhere")
    for number, probability in enumerate(probabilities):
        site = _site(number)
        session.catalogue.add_sites([site])
        session.catalogue.add_verdicts([_verdict(site, probability)])
    return session


def _site(number: int) -> Site:
    point = (float(number) * 1000, 0.0, 0.0)
    partner = Partner(1000 + number, 200 + number, 100 + number, point, point, 0.0, 1.0, 1.0)
    return Site(
        id=make_site_id("offline_x", SiteKind.ENDPOINT, [number], point, "t/1"),
        kind=SiteKind.ENDPOINT,
        datastack="offline_x",
        root=1,
        supervoxel=100 + number,
        point_nm=point,
        radius_nm=1.0,
        detector="t/1",
        partners=(partner,),
    )


def _verdict(site: Site, probability: float) -> Verdict:
    where = Provenance("m", "0" * 64, "c", "p", "1", "CPU", 1.0)
    return Verdict(
        site.id,
        Task.SPLIT_ERROR_CORRECTION,
        site.partners[0].supervoxel,
        probability,
        0.0,
        NOW,
        where,
    )


def test_locked_without_unlock_and_recorded_as_automatic_with_it(tmp_path: Path) -> None:
    folder = tmp_path / "s.proofdesk"
    _session(folder, [0.95, 0.5, 0.01]).close()
    with pytest.raises(InputError, match="locked"):
        decide_automatically(folder, accept_above=0.9, reject_below=0.1, unlock=False)
    summary = decide_automatically(folder, accept_above=0.9, reject_below=0.1, unlock=True)
    assert (summary.accepted, summary.rejected, summary.left_open) == (1, 1, 1)
    with Session.open(folder) as session:
        decisions = session.ledger.state.decisions()
        assert {d.decider for d in decisions} == {Decider.AUTOMATIC}
        assert len(session.ledger.state.pending_edits()) == 1
    again = decide_automatically(folder, accept_above=0.9, reject_below=0.1, unlock=True)
    assert (again.accepted, again.rejected) == (0, 0)


def test_crossing_thresholds_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="above"):
        decide_automatically(tmp_path / "s", accept_above=0.2, reject_below=0.8, unlock=True)


def _pair_session(folder: Path) -> tuple[Session, list[Site]]:
    """Three sites, the first two about one pair of segments."""
    session = Session.open(folder, datastack_name="offline_x", datastack_address="/nowhere")
    sites = [
        replace(site, partners=(replace(site.partners[0], root=2),))
        for site in (_site(0), _site(1), replace(_site(2), root=5))
    ]
    session.catalogue.add_sites(sites)
    session.catalogue.add_verdicts([_verdict(site, 0.95) for site in sites])
    return session, sites


def test_a_pair_that_a_person_answered_is_not_decided_at_its_other_site(tmp_path: Path) -> None:
    session, sites = _pair_session(tmp_path / "s.proofdesk")
    answer = replace(
        _decision(9, 0.95, Answer.REJECT),
        site_id=sites[0].id,
        partner_supervoxel=sites[0].partners[0].supervoxel,
    )
    session.ledger.append(DecisionMade(answer))
    session.close()
    summary = decide_automatically(
        tmp_path / "s.proofdesk", accept_above=0.9, reject_below=0.1, unlock=True
    )
    assert (summary.accepted, summary.same_pair) == (1, 1)


def test_what_own_merges_joined_is_one_pair(tmp_path: Path) -> None:
    session, _ = _pair_session(tmp_path / "s.proofdesk")
    # Segments 1 and 5 have become 7, so that all three sites ask about 7 and 2.
    decision = replace(_decision(9, 0.9, Answer.ACCEPT), site_id="f" * 16)
    merge = MergeEdit(
        "e", decision.id, "f" * 16, GraphPoint(1, (0, 0, 0)), GraphPoint(5, (1, 0, 0)), (1, 5)
    )
    session.ledger.append_all(
        [
            DecisionMade(decision),
            EditQueued(merge),
            EditChanged("e", EditState.COMMITTED, operation_id=1, new_roots=(7,)),
        ]
    )
    present = successors(session.ledger.state)
    assert {now(root, present) for root in (1, 5, 7)} == {7}
    assert now(2, present) == 2
    session.close()
    summary = decide_automatically(
        tmp_path / "s.proofdesk", accept_above=0.9, reject_below=0.1, unlock=True
    )
    assert (summary.accepted, summary.same_pair) == (1, 2)


def test_either_thresholds_or_an_error() -> None:
    assert chosen_thresholds(0.9, None, None) == (0.9, 0.0)
    assert chosen_thresholds(None, 0.2, None) == (1.0, 0.2)
    assert chosen_thresholds(None, None, 0.01) == (0.99, 0.01)
    for both in ((0.9, None, 0.01), (None, None, None)):
        with pytest.raises(InputError, match="not clear"):
            chosen_thresholds(*both)


def test_the_sample_of_the_audit_is_left_to_the_person(tmp_path: Path) -> None:
    folder = tmp_path / "s.proofdesk"
    with _session(folder, [0.95, 0.5, 0.01]) as session:
        session.ledger.append(SamplingChosen(0.0, 1.0, 0.0, 0, "tester"))
    summary = decide_automatically(folder, accept_above=0.9, reject_below=0.1, unlock=True)
    assert (summary.accepted, summary.rejected) == (0, 0)
    assert (summary.left_for_audit, summary.left_open) == (2, 1)


@pytest.mark.parametrize(
    ("model", "measured_by", "distance", "unusual"),
    [
        ("adaptive-v3", "trees-pairs-fib25-low", 8.0, True),
        ("adaptive-v3", "trees-pairs-fib25-low", 6.0, False),
        ("ensemble-pairs-fib25-low", None, 1.2, True),
        ("ensemble-pairs-fib25-low", None, 0.9, False),
    ],
)
def test_what_is_unusual_is_measured_by_who_handed_the_distance_on(
    tmp_path: Path, model: str, measured_by: str | None, distance: float, unusual: bool
) -> None:
    folder = tmp_path / "s.proofdesk"
    with _session(folder, []) as session:
        site = _site(0)
        session.catalogue.add_sites([site])
        said = _verdict(site, 0.99)
        where = replace(
            said.provenance,
            model_id=model,
            measured_by=measured_by,
            out_of_distribution=distance,
        )
        # The members of an ensemble have limits of their own, in units of their own.
        parts = (Part("trees-pairs-fib25-low", "0" * 64, 0.9, 2.0),)
        session.catalogue.add_verdicts([replace(said, provenance=where, parts=parts)])
        triage = Triage(session.catalogue, session.ledger)
        triage.follow_all()
        assert (triage.view(0.02).counts.unusual == 1) is unusual
    summary = decide_automatically(folder, accept_above=0.9, reject_below=0.1, unlock=True)
    assert (summary.left_unusual, summary.accepted) == ((1, 0) if unusual else (0, 1))
