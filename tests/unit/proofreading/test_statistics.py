"""What a session adds up to."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from proofreading.confirmation import confirmation_of, own_blind
from proofreading.decisions import Answer, Decider
from proofreading.edits import EditState
from proofreading.ledger.events import DecisionMade, DecisionWithdrawn, Entry, Event
from proofreading.running import Running
from proofreading.statistics import (
    BREAK_AFTER,
    STOP_CHANCE,
    Breaks,
    calibration_bins,
    forecast,
)
from proofreading.triage import Lane, Standing, Tally
from tests.unit.proofreading.decided import START, blind
from tests.unit.proofreading.played import played
from tests.unit.proofreading.recount import audit_of


def _running(*events: Event) -> Running:
    return Running.of(Entry(number, START, event) for number, event in enumerate(events, 1))


def _answered(seconds: list[float], probability: float = 0.9) -> Running:
    return _running(
        *(
            DecisionMade(blind(f"{n:016x}", probability, Answer.ACCEPT, ms=int(s * 1000)))
            for n, s in enumerate(seconds)
        )
    )


def test_pauses_are_no_work() -> None:
    running = _answered([2, 4, 6, 3600, 8, 0])
    per_hour, median = running.pace
    assert per_hour == pytest.approx(4 / (20 / 3600))
    assert median == 5
    assert Running().pace == (None, None)
    pace = running.statistics({}, 0.01).pace
    assert pace.answers == 4
    assert pace.median_s == 5
    assert pace.per_hour == pytest.approx(4 / (20 / 3600))
    assert Running().statistics({}, 0.01).pace.per_hour is None


def test_only_what_stands_is_counted_and_machines_apart() -> None:
    taken_back = blind("1", 0.9, Answer.ACCEPT)
    running = _running(
        DecisionMade(taken_back),
        DecisionWithdrawn(taken_back.id),
        DecisionMade(blind("1", 0.9, Answer.REJECT, visible=True)),
        DecisionMade(blind("2", 0.9, Answer.ACCEPT, visible=True)),
        DecisionMade(blind("3", 0.99, Answer.ACCEPT, decider=Decider.AUTOMATIC)),
        DecisionMade(blind("4", 0.9, Answer.UNSURE)),
    )
    made = running.statistics({EditState.COMMITTED: 2}, 0.01)
    assert made.answers[Answer.ACCEPT] == made.answers[Answer.REJECT] == 1
    assert (made.answers[Answer.UNSURE], made.automatic, made.taken_back) == (1, 1, 1)
    assert (made.agreement.hits, made.agreement.count) == (1, 2)
    assert made.edits[EditState.COMMITTED] == 2


def test_a_site_that_follows_another_s_answer_was_not_looked_at() -> None:
    leader = blind("1", 0.9, Answer.ACCEPT)
    follower = replace(blind("2", 0.9, Answer.ACCEPT), follows=leader.id)
    running = _running(DecisionMade(leader), DecisionMade(follower), DecisionWithdrawn(leader.id))
    made = running.statistics({}, 0.01)
    assert made.pace.answers == 1
    assert (sum(made.answers.values()), made.automatic) == (0, 0)
    assert confirmation_of([leader, follower]).blind == 1
    assert audit_of([leader, follower], 0.2, seed=0, share=1.0).looked == 1


def test_a_long_time_without_an_answer_ends_a_sitting() -> None:
    times = [0, 30, 60, 60 + 601, 60 + 700]
    running = _running(
        *(DecisionMade(blind(f"{n:016x}", 0.9, Answer.ACCEPT, at_s=t)) for n, t in enumerate(times))
    )
    assert running.statistics({}, 0.01).sittings.answers == (3, 2)


def test_a_break_is_suggested_once_in_a_sitting() -> None:
    breaks = Breaks()
    moments = [START + timedelta(seconds=5 * n) for n in range(2 * BREAK_AFTER)]
    assert [n for n, at in enumerate(moments, 1) if breaks.take(at)] == [BREAK_AFTER]
    tomorrow = [at + timedelta(days=1) for at in moments]
    assert [n for n, at in enumerate(tomorrow, 1) if breaks.take(at)] == [BREAK_AFTER]


def test_calibration_bins_hold_every_blind_answer_once() -> None:
    answers = [
        blind(f"{n:016x}", n / 103, Answer.ACCEPT if n % 3 else Answer.REJECT) for n in range(103)
    ]
    bins = calibration_bins(own_blind(answers))
    assert sum(one.observed.count for one in bins) == 103
    assert [one.expected for one in bins] == sorted(one.expected for one in bins)
    assert calibration_bins([]) == ()
    assert sum(one.observed.count for one in calibration_bins(own_blind(answers[:3]))) == 3


def _tally() -> Tally:
    tally = Tally()
    for chance, count in ((0.999, 50), (0.9, 20), (0.5, 10), (0.06, 100), (0.002, 1000)):
        for _ in range(count):
            tally.add(tally.place(Standing(chance)))
    for _ in range(7):
        tally.add(tally.place(Standing(None)))
    return tally


def test_the_forecast_counts_hours_by_lane_and_what_a_stop_leaves() -> None:
    tally = _tally()
    counts = tally.at(0.01)
    quick, full = _answered([4.0] * 20, 0.9), _answered([12.0] * 20, 0.5)
    both = _running(
        *(
            DecisionMade(replace(d, site_id=d.id))
            for each in (quick, full)
            for d in each.history.made
        )
    )
    made = both.statistics({}, 0.01)
    locked = forecast(made, counts, tally.worth(STOP_CHANCE), locked=True, judge_ms=360_000.0)
    assert counts.automatic == 1050
    assert locked.sites == counts.open == 1187
    assert locked.hours == pytest.approx(((1050 + 120) * 4.0 + 17 * 12.0) / 3600)
    assert locked.machine_hours == pytest.approx(7 * 0.1)
    opened = forecast(made, counts, tally.worth(STOP_CHANCE), locked=False, judge_ms=None)
    assert opened.sites == 137
    assert opened.hours == pytest.approx((120 * 4.0 + 17 * 12.0) / 3600)
    assert opened.hours_low is not None
    assert opened.hours_high is not None
    assert opened.hours_low < (opened.hours or 0) < opened.hours_high
    assert opened.stop_looks == 50 + 20 + 10 + 100
    assert opened.errors_left == pytest.approx(2.0, abs=1e-6)
    assert opened.errors_open == pytest.approx(50 * 0.999 + 18 + 5 + 6 + 2, abs=1e-6)


def test_lanes_have_their_own_pace() -> None:
    made = _answered([3.0, 5.0], 0.9).statistics({}, 0.01)
    quick = next(one for one in made.lanes if one.lane is Lane.QUICK)
    assert (quick.answers, quick.mean_s) == (2, 4.0)
    assert next(one for one in made.lanes if one.lane is Lane.FULL).mean_s is None


def test_nothing_answered_is_no_forecast() -> None:
    tally = _tally()
    made = Running().statistics({}, 0.01)
    left = forecast(made, tally.at(0.01), tally.worth(0.05), locked=True, judge_ms=None)
    assert (left.hours, left.stop_hours, left.machine_hours) == (None, None, None)
    assert left.stop_looks == 180


def test_a_played_session_is_found_again(tmp_path: Path) -> None:
    with played(tmp_path / "a.proofdesk") as session:
        running = Running.of(session.ledger.events())
        made = running.statistics(session.ledger.state.edit_counts, 0.01)
        state = session.ledger.state
    assert sum(made.answers.values()) == state.decided == 420
    assert len(made.sittings.answers) == 2
    assert made.edits[EditState.COMMITTED] == state.edit_counts[EditState.COMMITTED]
