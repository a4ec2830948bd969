"""Figures that are kept up to date are those that looking at everything again would give."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proofreading.blind import blind_report
from proofreading.confirmation import ConfirmationTally, confirmation_of, own_blind
from proofreading.decisions import Answer, Decider, Decision
from proofreading.ledger.events import (
    DecisionMade,
    DecisionRestored,
    DecisionWithdrawn,
    Entry,
    Event,
    GoldAdded,
    SamplingChosen,
)
from proofreading.ledger.fold import LedgerState, apply
from proofreading.running import Running
from tests.unit.proofreading.decided import START, blind
from tests.unit.proofreading.recount import audit_of

_SITES = [f"{number:016x}" for number in range(5)]
_CHANCES = st.sampled_from([None, 0.0005, 0.04, 0.3, 0.5, 0.8, 0.97, 0.999])


@st.composite
def _events(draw: st.DrawFn) -> list[Event]:
    events: list[Event] = []
    made: list[Decision] = []
    for _ in range(draw(st.integers(1, 30))):
        kind = draw(st.sampled_from(["answer"] * 4 + ["follow", "back", "again", "gold", "sample"]))
        site_id = draw(st.sampled_from(_SITES))
        if kind == "answer" or not made:
            decision = blind(
                site_id,
                draw(_CHANCES),
                draw(st.sampled_from(list(Answer))),
                visible=draw(st.booleans()),
                decider=draw(st.sampled_from([Decider.PERSON, Decider.PERSON, Decider.AUTOMATIC])),
            )
            made.append(decision)
            events.append(DecisionMade(decision))
        elif kind == "follow":
            leader = draw(st.sampled_from(made))
            twin = blind(site_id, None, leader.answer, decider=Decider.SAME_QUESTION)
            events.append(DecisionMade(replace(twin, follows=leader.id)))
        elif kind == "back":
            events.append(DecisionWithdrawn(draw(st.sampled_from(made)).id))
        elif kind == "again":
            events.append(DecisionRestored(draw(st.sampled_from(made)).id))
        elif kind == "gold":
            answer = draw(st.sampled_from([Answer.ACCEPT, Answer.REJECT]))
            events.append(GoldAdded(site_id, answer, "test"))
        else:
            events.append(SamplingChosen(0.1, draw(st.sampled_from([0.3, 1.0])), 0.0, 4, "t"))
    return events


@given(_events())
def test_a_running_figure_is_that_of_looking_again(events: list[Event]) -> None:
    running = Running()
    for number, event in enumerate(events, 1):
        running.take(Entry(number, START, event))
    standing = running.history.standing
    expected = confirmation_of(standing)
    now = running.confirmation
    assert (now.blind, now.expected, now.observed) == (
        expected.blind,
        expected.expected,
        expected.observed,
    )
    assert (now.sure, now.mistakes) == (expected.sure, expected.mistakes)
    assert now.surprise == pytest.approx(expected.surprise, abs=1e-9)
    chosen = [event for event in events if isinstance(event, SamplingChosen)]
    share = chosen[-1].audit if chosen else 0.05
    seed = chosen[-1].seed if chosen else 0
    assert running.audit(0.1) == audit_of(standing, 0.1, seed=seed, share=share)
    assert running.blind_report() == blind_report(running.history)
    made = running.statistics({}, 0.01)
    own = [d for d in standing if d.decider is Decider.PERSON]
    assert sum(made.answers.values()) == len(own)
    assert sum(one.observed.count for one in made.calibration) == len(own_blind(standing))
    assert sum(pace.answers for pace in made.lanes) == made.pace.answers
    per_hour, median = running.pace
    assert per_hour == (pytest.approx(made.pace.per_hour) if made.pace.per_hour else None)
    assert median == (pytest.approx(made.pace.median_s) if made.pace.median_s else None)


def test_an_answer_taken_back_with_its_leader_gives_way_to_the_own_one_before() -> None:
    own = blind("2", 0.9, Answer.REJECT)
    leader = blind("1", 0.9, Answer.ACCEPT)
    follower = replace(
        blind("2", None, Answer.ACCEPT, decider=Decider.SAME_QUESTION), follows=leader.id
    )
    events: list[Event] = [DecisionMade(d) for d in (own, leader, follower)]
    running, state = Running(), LedgerState()
    for number, event in enumerate([*events, DecisionWithdrawn(leader.id)], 1):
        running.take(Entry(number, START, event))
        state = apply(state, Entry(number, START, event))
    assert running.history.standing_at("2") is own is state.decision("2")
    assert running.statistics({}, 0.01).answers[Answer.REJECT] == 1


def test_taking_back_thousands_of_answers_leaves_the_surprise_of_the_rest() -> None:
    kept = own_blind([blind(f"{n:016x}", 0.9, Answer.ACCEPT) for n in range(50)])
    kept += own_blind([blind(f"{n:016x}", 0.97, Answer.REJECT) for n in range(50, 54)])
    passing = own_blind([blind(f"{n:016x}", 0.8, Answer.REJECT) for n in range(3000)])
    tally = ConfirmationTally()
    for one in (*kept, *passing):
        tally.add(one)
    for one in passing:
        tally.remove(one)
    alone = ConfirmationTally()
    for one in kept:
        alone.add(one)
    assert tally.confirmation().surprise == pytest.approx(alone.confirmation().surprise, abs=1e-6)
    assert 0 < alone.confirmation().surprise < 1
