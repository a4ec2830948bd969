"""Small sites, decisions, verdicts and edits for the tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from connectome.graph import GraphPoint
from proofreading.decisions import Answer, Decider, Decision
from proofreading.edits import MergeEdit
from proofreading.sites import Partner, Site, SiteKind
from proofreading.verdicts import FailedVerdict, Provenance, Task, Verdict

START = datetime(2026, 1, 1, tzinfo=UTC)
BIG = 2**64 - 1000
"""Ids start here: they must survive JSON, SQLite and JavaScript."""


def a_site(number: int, *, partners: int = 2, kind: SiteKind = SiteKind.ENDPOINT) -> Site:
    return Site(
        id=f"{number:016x}",
        kind=kind,
        datastack="offline_test",
        root=BIG + 1,
        supervoxel=BIG + 2,
        point_nm=(1.5 * number, 2.0, 3.0),
        radius_nm=80.0,
        detector="tips 1",
        direction=(0.0, 0.6, 0.8),
        partners=tuple(a_partner(100 + i) for i in range(partners)),
    )


def a_partner(number: int, *, own: int = 2) -> Partner:
    return Partner(
        root=BIG + number + 400,
        supervoxel=BIG + number,
        own_supervoxel=BIG + own,
        own_point_nm=(1.0, 2.0, 3.0),
        point_nm=(4.0, 5.0, 6.0),
        distance_nm=12.5,
        contact_area_nm2=2500.0,
        direction_agreement=0.75,
    )


def a_decision(
    number: int,
    site: int = 1,
    answer: Answer = Answer.ACCEPT,
    decider: Decider = Decider.PERSON,
    partner: int | None = BIG + 100,
) -> Decision:
    return Decision(
        id=f"decision-{number}",
        site_id=f"{site:016x}",
        task=Task.SPLIT_ERROR_CORRECTION,
        answer=answer,
        decider=decider,
        author="tester",
        decided_at=START + timedelta(seconds=number),
        elapsed_ms=4100,
        verdict_visible=True,
        probability=0.9,
        partner_supervoxel=partner,
        point_nm=(1.0, 2.0, 3.0) if answer is Answer.LATER else None,
        reason="weiß, 'quoted', \"again\"\nand a line",
        view={"position_nm": [1.0, 2.0, 3.0], "layout": "xy-3d"},
    )


def a_verdict(
    site: int,
    probability: float,
    *,
    partner: int | None = BIG + 100,
    at: int = 0,
    model: str = "m1",
    task: Task = Task.SPLIT_ERROR_CORRECTION,
) -> Verdict:
    provenance = Provenance(model, "ab" * 32, "cal", "spec", "0.1", "CPU", 3.5)
    made_at = START + timedelta(seconds=at)
    return Verdict(f"{site:016x}", task, partner, probability, 0.1, made_at, provenance)


def a_failure(site: int, *, partner: int | None = BIG + 100, at: int = 0) -> FailedVerdict:
    made_at = START + timedelta(seconds=at)
    task = Task.SPLIT_ERROR_CORRECTION
    return FailedVerdict(f"{site:016x}", task, partner, "no mesh", "Retry.", made_at)


def a_merge(number: int, a: int, b: int, roots: tuple[int, int] = (1, 2)) -> MergeEdit:
    return MergeEdit(
        f"edit-{number}",
        f"decision-{number}",
        f"{number:016x}",
        GraphPoint(a, (1.0, 2.0, 3.0)),
        GraphPoint(b, (4.0, 5.0, 6.0)),
        roots,
    )
