"""The automatic lane: locked until the person's own blind decisions confirm the judge."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.services.deciding import decide_automatically
from app.services.timing import pace
from connectome.errors import InputError
from proofreading.decisions import Answer, Decider, Decision
from proofreading.session import Session
from proofreading.sites import Partner, Site, SiteKind, make_site_id
from proofreading.verdicts import Provenance, Task, Verdict

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
    partner = Partner(2, 200 + number, 100 + number, point, point, 0.0, 1.0, 1.0)
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


def test_pace_leaves_pauses_and_machines_out() -> None:
    assert pace([]) == (None, None)
    decisions = [
        _decision(1, 0.5, Answer.ACCEPT, ms=2000),
        _decision(2, 0.5, Answer.REJECT, ms=4000),
    ]
    per_hour, median = pace([*decisions, _decision(3, 0.5, Answer.REJECT, ms=600_000)])
    assert per_hour == pytest.approx(1200)
    assert median == pytest.approx(3.0)
