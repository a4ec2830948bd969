"""An answer that a sure judge contradicts is asked about once more, once for a site."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.services.second_look import IMPROBABLE, SecondLooks
from proofreading.decisions import Answer
from proofreading.ledger.store import Ledger
from tests.unit.ledger.build import a_verdict

SITE = f"{1:016x}"


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "ledger.sqlite") as opened:
        yield opened


def _looks(ledger: Ledger) -> SecondLooks:
    looks = SecondLooks(ledger)
    looks.wanted = True
    return looks


def test_once_for_a_site_and_recorded(ledger: Ledger) -> None:
    looks = _looks(ledger)
    assert looks.asks(SITE, Answer.ACCEPT, a_verdict(1, 0.03))
    assert looks.doubt is not None
    assert looks.doubt.answer is Answer.ACCEPT
    assert not looks.asks(SITE, Answer.ACCEPT, a_verdict(1, 0.03)), "the same answer counts now"
    assert looks.doubt is None
    assert ledger.state.was_asked_twice(SITE)
    assert not _looks(ledger).asks(SITE, Answer.ACCEPT, a_verdict(1, 0.03)), "nor tomorrow"


@pytest.mark.parametrize(
    ("answer", "probability", "asked"),
    [
        (Answer.ACCEPT, IMPROBABLE / 2, True),
        (Answer.ACCEPT, 2 * IMPROBABLE, False),
        (Answer.REJECT, 1 - IMPROBABLE / 2, True),
        (Answer.REJECT, IMPROBABLE / 2, False),
        (Answer.UNSURE, 0.001, False),
        (Answer.LATER, 0.999, False),
    ],
)
def test_only_answers_that_contradict_a_sure_judge(
    ledger: Ledger, answer: Answer, probability: float, asked: bool
) -> None:
    assert _looks(ledger).asks(SITE, answer, a_verdict(1, probability)) is asked


def test_a_hidden_verdict_is_not_told_by_asking_and_nobody_is_asked_who_does_not_want_it(
    ledger: Ledger,
) -> None:
    looks = _looks(ledger)
    assert not looks.asks(SITE, Answer.ACCEPT, None)
    looks.wanted = False
    assert not looks.asks(SITE, Answer.ACCEPT, a_verdict(1, 0.001))
    assert not ledger.state.was_asked_twice(SITE)
