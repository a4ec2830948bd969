"""Lanes: every site in one, by its own chance of being decided wrongly."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proofreading.decisions import Answer
from proofreading.sampling import Purpose, is_drawn
from proofreading.triage import (
    QUICK_LIMIT,
    STEPS,
    Lane,
    Standing,
    Tally,
    lane_of,
    step_below,
)
from tests.unit.proofreading.decided import blind
from tests.unit.proofreading.recount import audit_of

standings = st.builds(
    Standing,
    probability=st.none() | st.floats(0, 1),
    unusual=st.booleans(),
    decidable=st.booleans(),
    drawn=st.booleans(),
)


def _tally(sites: list[Standing]) -> Tally:
    tally = Tally()
    for site in sites:
        tally.add(tally.place(site))
    return tally


@given(st.lists(standings, max_size=60), st.sampled_from(STEPS))
def test_the_tally_counts_what_the_lanes_are(sites: list[Standing], rate: float) -> None:
    counts = _tally(sites).at(rate)
    lanes = [lane_of(site, rate) for site in sites]
    assert counts.automatic == lanes.count(Lane.AUTOMATIC)
    assert counts.quick == lanes.count(Lane.QUICK)
    assert counts.full == lanes.count(Lane.FULL)
    automatic = [s for s, lane in zip(sites, lanes, strict=True) if lane is Lane.AUTOMATIC]
    assert counts.audited == sum(site.drawn for site in automatic)
    assert counts.wrong.value == pytest.approx(sum(s.risk or 0.0 for s in automatic), abs=1e-6)
    assert counts.wrong.value <= counts.automatic * rate + 1e-6


@given(st.lists(standings, max_size=40), st.data())
def test_what_is_taken_out_leaves_nothing_behind(
    sites: list[Standing], data: st.DataObject
) -> None:
    tally = _tally(sites)
    gone = data.draw(st.sets(st.integers(0, max(0, len(sites) - 1)))) if sites else set()
    for number in gone:
        tally.remove(tally.place(sites[number]))
    kept = [site for number, site in enumerate(sites) if number not in gone]
    for rate in (STEPS[0], STEPS[10], STEPS[-1]):
        assert tally.at(rate) == _tally(kept).at(rate)


@given(standings)
def test_accepting_more_never_makes_work(site: Standing) -> None:
    order = [Lane.FULL, Lane.QUICK, Lane.AUTOMATIC]
    places = [order.index(lane_of(site, rate)) for rate in STEPS]
    assert places == sorted(places)


def test_the_borders_belong_to_the_lane_below_whichever_way_they_are_computed() -> None:
    assert lane_of(Standing(0.99), 0.01) is Lane.AUTOMATIC
    assert lane_of(Standing(0.01), 0.01) is Lane.AUTOMATIC
    assert lane_of(Standing(0.989), 0.01) is Lane.QUICK
    assert lane_of(Standing(1 - QUICK_LIMIT), 0.01) is Lane.QUICK
    assert lane_of(Standing(0.74), 0.2) is Lane.FULL


def test_only_a_person_decides_what_is_unusual_unjudged_or_has_no_edit() -> None:
    assert lane_of(Standing(1.0, unusual=True), 0.2) is Lane.FULL
    assert lane_of(Standing(None), 0.2) is Lane.FULL
    assert lane_of(Standing(1.0, decidable=False), 0.2) is Lane.QUICK


def test_a_step_never_accepts_more_than_was_asked() -> None:
    assert all(step_below(step) == step for step in STEPS)
    for asked in (0.0013, 0.0099, 0.011, 0.19):
        assert step_below(asked) < asked
    assert step_below(0.9) == STEPS[-1]


def test_the_audit_counts_blind_answers_about_drawn_sites_of_the_lane() -> None:
    sites = [f"{number:016x}" for number in range(400)]
    drawn = [site for site in sites if is_drawn(Purpose.AUDIT, 7, site, 0.25)]
    decisions = [blind(site, 0.995, Answer.ACCEPT) for site in sites]
    decisions[sites.index(drawn[0])] = blind(drawn[0], 0.995, Answer.REJECT)
    decisions[sites.index(drawn[1])] = blind(drawn[1], 0.9, Answer.REJECT)
    decisions[sites.index(drawn[2])] = blind(drawn[2], 0.995, Answer.REJECT, visible=True)
    decisions[sites.index(drawn[3])] = blind(drawn[3], 0.995, Answer.UNSURE)
    audit = audit_of(decisions, 0.01, seed=7, share=0.25)
    assert (audit.looked, audit.error.hits) == (len(drawn) - 3, 1)
    assert not audit.exceeds(0.01)
    wrong = [blind(site, 0.995, Answer.REJECT) for site in drawn]
    assert audit_of(wrong, 0.01, seed=7, share=0.25).exceeds(0.2)
