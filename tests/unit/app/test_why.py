"""Reasons are asked for once, when they are wanted, and never for a hidden verdict."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import pytest

from app.services.dashboard import Dashboard
from app.services.why import WhyDesk, learnt_of, strange_of
from app.services.worker.messages import Explain, Explained
from proofreading.verdicts import Verdict
from tests.unit.ledger.build import a_verdict

SITE = f"{1:016x}"


class _NoAnswers:
    def calibration(self) -> tuple[()]:
        return ()


@pytest.fixture
def sent() -> list[Explain]:
    return []


@pytest.fixture
def desk(sent: list[Explain]) -> WhyDesk:
    return WhyDesk(sent.append, cast(Dashboard, _NoAnswers()))


def test_asked_once_for_a_site_and_only_when_it_is_wanted(
    desk: WhyDesk, sent: list[Explain]
) -> None:
    seen = a_verdict(1, 0.9)
    assert not desk.view(SITE, 0, seen).waits
    assert sent == []
    desk.toggle_overlay()
    assert desk.view(SITE, 0, seen).waits
    assert desk.view(SITE, 0, seen).waits
    assert sent == [Explain(SITE, 0)]
    reply = Explained(SITE, 0, message="No pictures.")
    desk.take(reply)
    assert desk.view(SITE, 0, seen).explained is reply
    assert len(sent) == 1
    desk.view(SITE, 1, seen)
    assert sent[1:] == [Explain(SITE, 1)]
    desk.forget()
    desk.view(SITE, 0, seen)
    assert sent[2:] == [Explain(SITE, 0)]


def test_a_hidden_verdict_is_not_explained(desk: WhyDesk, sent: list[Explain]) -> None:
    desk.toggle_overlay()
    assert not desk.view(SITE, 0, None).waits
    assert sent == []


def _measured(model_id: str, distance: float | None, by: str | None = None) -> Verdict:
    made = a_verdict(1, 0.9)
    where = replace(
        made.provenance, model_id=model_id, out_of_distribution=distance, measured_by=by
    )
    return replace(made, provenance=where)


def test_the_badge_is_about_what_95_percent_stay_within() -> None:
    found = strange_of(_measured("trees-pairs-fib25-low", 14.46))
    assert found is not None
    assert found.times == pytest.approx(2.0, abs=0.01)
    assert strange_of(_measured("trees-pairs-fib25-low", 5.0)) is None
    assert strange_of(_measured("trees-pairs-fib25-low", None)) is None
    assert strange_of(_measured("nobody knows it", 99.0)) is None
    assert strange_of(_measured("adaptive-v2", 14.46, "trees-pairs-fib25-low")) == found


def test_how_a_model_was_calibrated_comes_from_its_manifest() -> None:
    learnt = learnt_of("ensemble-pairs-fib25-low")
    assert learnt is not None
    assert learnt.samples > 1000
    assert learnt.gap is not None
    assert learnt.gap < 0.05
    assert list(learnt.curve) == sorted(learnt.curve)
    assert learnt_of("nobody knows it") is None
