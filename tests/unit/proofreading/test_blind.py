"""First answers tell how well somebody works; second ones how far a verdict moves them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from proofreading.blind import blind_report, difference, is_hidden
from proofreading.decisions import Answer
from proofreading.history import History
from proofreading.intervals import share_of
from proofreading.ledger.codec import decode_event, encode_event
from proofreading.ledger.events import (
    DecisionMade,
    DecisionWithdrawn,
    Entry,
    Event,
    GoldAdded,
    SamplingChosen,
)
from proofreading.ledger.store import Ledger
from tests.unit.proofreading.decided import START, blind
from tests.unit.proofreading.played import GOLD, played

CHOSEN = SamplingChosen(blind=0.2, audit=0.05, gold=0.5, seed=1, author="tester")
SITES = [f"{number:016x}" for number in range(1000)]


def _history(*events: Event) -> History:
    return History.of(
        Entry(number, START + timedelta(seconds=number), event)
        for number, event in enumerate(events, 1)
    )


def test_a_share_of_the_sites_is_hidden_and_every_gold_and_audited_one() -> None:
    hidden = [is_hidden(s, CHOSEN, gold=False, audited=False) for s in SITES]
    assert np.mean(hidden) == pytest.approx(0.2, abs=0.05)
    assert hidden == [is_hidden(s, CHOSEN, gold=False, audited=False) for s in SITES]
    assert is_hidden(SITES[hidden.index(False)], CHOSEN, gold=True, audited=False)
    assert is_hidden(SITES[hidden.index(False)], CHOSEN, gold=False, audited=True)


def test_flips_are_counted_towards_and_away_also_through_undo() -> None:
    first = [blind(SITES[n], 0.9, Answer.REJECT) for n in range(4)]
    history = _history(
        *(DecisionMade(decision) for decision in first),
        # Changed to the judge's answer after an undo, changed without one, kept, and kept.
        DecisionWithdrawn(first[0].id),
        DecisionMade(blind(SITES[0], 0.9, Answer.ACCEPT, visible=True)),
        DecisionMade(blind(SITES[1], 0.9, Answer.ACCEPT, visible=True)),
        DecisionMade(blind(SITES[2], 0.9, Answer.REJECT, visible=True)),
        DecisionMade(blind(SITES[9], 0.9, Answer.ACCEPT)),
        DecisionMade(blind(SITES[9], 0.9, Answer.REJECT, visible=True)),
    )
    report = blind_report(history)
    assert (report.flips_to.hits, report.flips_to.count) == (2, 4)
    assert (report.flips_away.hits, report.flips_away.count) == (1, 1)
    assert (report.agree_blind.hits, report.agree_blind.count) == (1, 5)
    assert report.agree_shown.count == 0
    assert report.pull.value is None


def test_gold_is_judged_by_the_first_answer_and_the_partner() -> None:
    history = _history(
        GoldAdded(SITES[0], Answer.ACCEPT, "truth", 5),
        GoldAdded(SITES[1], Answer.ACCEPT, "truth", 5),
        GoldAdded(SITES[2], Answer.REJECT, "truth"),
        GoldAdded(SITES[3], Answer.REJECT, "truth"),
        DecisionMade(replace(blind(SITES[0], 0.9, Answer.ACCEPT), partner_supervoxel=5)),
        DecisionMade(replace(blind(SITES[1], 0.2, Answer.ACCEPT), partner_supervoxel=6)),
        DecisionMade(blind(SITES[2], 0.9, Answer.ACCEPT)),
        DecisionMade(blind(SITES[2], 0.9, Answer.REJECT)),
        DecisionMade(blind(SITES[3], None, Answer.REJECT)),
    )
    report = blind_report(history)
    assert (report.accuracy.hits, report.accuracy.count) == (2, 4)
    assert (report.found.hits, report.found.count) == (1, 2)
    assert (report.spared.hits, report.spared.count) == (1, 2)
    assert (report.judge_accuracy.hits, report.judge_accuracy.count) == (1, 3)


def test_the_interval_of_a_difference_holds_the_truth() -> None:
    rng = np.random.default_rng(0)
    inside = []
    for one, other in zip(rng.binomial(60, 0.8, 1500), rng.binomial(80, 0.65, 1500), strict=True):
        told = difference(share_of(int(one), 60), share_of(int(other), 80))
        inside.append(told.low <= 0.15 <= told.high)
    assert np.mean(inside) >= 0.945


def test_the_report_of_a_played_session_shows_what_was_played(tmp_path: Path) -> None:
    with played(tmp_path / "a.proofdesk") as session:
        report = blind_report(History.of(session.ledger.events()))
    assert report.accuracy.count == GOLD
    assert report.accuracy.low < 0.94 < report.accuracy.high
    assert report.flips_to.low < 0.3 < report.flips_to.high
    assert report.flips_away.hits == 0


@pytest.mark.parametrize("event", [CHOSEN, GoldAdded(SITES[0], Answer.ACCEPT, "truth", 2**63 + 1)])
def test_the_events_survive_the_ledger(tmp_path: Path, event: Event) -> None:
    assert decode_event(*encode_event(event)) == event
    with Ledger.open(tmp_path / "ledger.sqlite") as ledger:
        ledger.append(event)
    with Ledger.open(tmp_path / "ledger.sqlite") as ledger:
        kept = (ledger.state.sampling, *ledger.state.gold().values())
        assert event in kept
