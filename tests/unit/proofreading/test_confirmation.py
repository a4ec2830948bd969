"""When the person's own answers confirm a judge, and what keeps it locked."""

from __future__ import annotations

import numpy as np
import pytest

from proofreading.confirmation import (
    BLIND_NEEDED,
    Confirmation,
    LockReason,
    confirmation_of,
    lock_of,
)
from proofreading.decisions import Answer, Decider, Decision
from tests.unit.proofreading.decided import blind


def _answers(count: int, probability: float, accepted: int) -> list[Decision]:
    return [
        blind(f"{number:016x}", probability, Answer.ACCEPT if number < accepted else Answer.REJECT)
        for number in range(count)
    ]


def _reason(confirmed: Confirmation, unusual: float = 0.0) -> LockReason | None:
    lock = lock_of(confirmed, unusual)
    return None if lock is None else lock.reason


def test_it_says_how_many_are_missing() -> None:
    lock = lock_of(confirmation_of(_answers(BLIND_NEEDED - 37, 0.9, 57)))
    assert lock is not None
    assert (lock.reason, lock.missing) == (LockReason.MISSING, 37)
    assert str(BLIND_NEEDED) in lock.text
    assert lock_of(confirmation_of([])) is not None


def test_answers_as_expected_unlock() -> None:
    assert _reason(confirmation_of(_answers(100, 0.9, 90))) is None


def test_another_share_of_yes_locks() -> None:
    assert _reason(confirmation_of(_answers(100, 0.9, 80))) is LockReason.GAP


def test_mistakes_where_it_was_sure_lock_although_the_shares_agree() -> None:
    # As many yes as expected, but half of them where it said no and the reverse.
    yes = _answers(60, 0.99, 57)
    no = [
        blind(f"{900 + n:016x}", 0.01, Answer.ACCEPT if n < 3 else Answer.REJECT) for n in range(60)
    ]
    confirmed = confirmation_of([*yes, *no])
    assert confirmed.mistakes == 6
    assert _reason(confirmed) is LockReason.MISTAKES


def test_too_many_unusual_sites_lock_again() -> None:
    assert _reason(confirmation_of(_answers(100, 0.9, 90)), 0.5) is LockReason.UNUSUAL


@pytest.mark.parametrize(
    "decision",
    [
        blind("1", 0.9, Answer.ACCEPT, visible=True),
        blind("1", None, Answer.ACCEPT),
        blind("1", 0.9, Answer.UNSURE),
        blind("1", 0.9, Answer.ACCEPT, decider=Decider.AUTOMATIC),
    ],
)
def test_only_blind_answers_of_the_person_count(decision: Decision) -> None:
    assert confirmation_of([decision]).blind == 0


def test_the_surprise_is_the_chance_of_so_many_mistakes() -> None:
    confirmed = confirmation_of(_answers(50, 0.9, 41))
    drawn = np.random.default_rng(0).binomial(50, 0.1, 200_000)
    assert confirmed.mistakes == 9
    assert confirmed.surprise == pytest.approx((drawn >= 9).mean(), abs=0.005)


@pytest.mark.parametrize(("count", "accepted"), [(400, 350), (4000, 3570), (4000, 400)])
def test_many_answers_are_told_as_few_are(count: int, accepted: int) -> None:
    confirmed = confirmation_of(_answers(count, 0.9, accepted))
    drawn = np.random.default_rng(0).binomial(count, 0.1, 200_000)
    expected = (drawn >= confirmed.mistakes).mean()
    assert confirmed.surprise == pytest.approx(expected, abs=0.01)
