"""What events add up to; replaying gives what the window showed."""

from __future__ import annotations

import tempfile
from copy import deepcopy
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from proofreading.decisions import Answer, Decider
from proofreading.edits import EditState, Reason, VerdictRow
from proofreading.ledger.events import (
    CursorMoved,
    DecisionMade,
    DecisionRestored,
    DecisionWithdrawn,
    EditChanged,
    EditQueued,
    EditReleased,
    Entry,
    Event,
    RowIntended,
    RowSettled,
    UndoSubmitted,
)
from proofreading.ledger.fold import LedgerState, apply
from proofreading.ledger.store import Ledger
from tests.unit.ledger.build import START, a_decision, a_merge

SOME = st.integers(0, 9)
DECISIONS = st.builds(
    lambda i, site, answer, decider: DecisionMade(a_decision(i, site, answer, decider)),
    SOME,
    st.integers(0, 3),
    st.sampled_from(Answer),
    st.sampled_from(Decider),
)
CHANGES = st.builds(
    EditChanged,
    SOME.map("edit-{}".format),
    st.sampled_from(EditState),
    st.none() | st.integers(1, 9),
    st.just(()) | st.just((5,)),
    st.just(""),
    st.just(()) | st.just((7, 8)),
    st.sampled_from(Reason),
    st.booleans(),
    st.just(()) | st.just(("somata",)),
)
RELEASES = st.builds(
    EditReleased, SOME.map("edit-{}".format), st.just("ann"), st.just((3, 4)), st.just(("faces",))
)


def a_row(number: int) -> VerdictRow:
    places = ((1.0, 2.0, 3.0), (4.0, 5.0, 6.0))
    return VerdictRow(f"edit-{number}", "table", "bound_2tag", "merge:accept", places, f"{number}")


EVENTS: st.SearchStrategy[list[Event]] = st.lists(
    st.one_of(
        DECISIONS,
        SOME.map(lambda i: DecisionWithdrawn(f"decision-{i}")),
        SOME.map(lambda i: DecisionRestored(f"decision-{i}")),
        SOME.map(lambda i: EditQueued(a_merge(i, 1, 2))),
        CHANGES,
        RELEASES,
        SOME.map(lambda i: UndoSubmitted(f"edit-{i}")),
        SOME.map(lambda i: RowIntended(a_row(i))),
        st.builds(RowSettled, SOME.map(str), st.none() | SOME),
        st.just(CursorMoved("x")),
    ),
    max_size=60,
)


def fold(events: list[Event]) -> LedgerState:
    state = LedgerState()
    for number, event in enumerate(events, start=1):
        state = apply(state, Entry(number, START + timedelta(seconds=number), event))
    return state


@settings(max_examples=40, deadline=None)
@given(EVENTS, st.data())
def test_replay_equals_the_live_state(events: list[Event], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(events)))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.sqlite"
        with Ledger.open(path) as ledger:
            for event in events[:cut]:
                ledger.append(event)
            ledger.append_all(events[cut:])
            with Ledger.open(path, read_only=True) as again:
                assert again.state == ledger.state


class Slow:
    """The same meaning, thought through again from all events at every question."""

    def __init__(self, events: list[Event]) -> None:
        self.made: dict[str, DecisionMade] = {}
        self.standing: list[str] = []
        self.redo: list[str] = []
        for event in events:
            if isinstance(event, DecisionMade):
                self.make(event)
            elif isinstance(event, DecisionWithdrawn) and event.decision_id in self.standing:
                self.standing.remove(event.decision_id)
                if self.person(event.decision_id):
                    self.redo.append(event.decision_id)
            elif isinstance(event, DecisionRestored):
                self.restore(event.decision_id)

    def make(self, event: DecisionMade) -> None:
        if event.decision.id in self.made:
            return
        self.made[event.decision.id] = event
        self.standing.append(event.decision.id)
        if self.person(event.decision.id):
            self.redo = []

    def restore(self, decision_id: str) -> None:
        if decision_id in self.made and decision_id not in self.standing:
            self.standing.append(decision_id)
            self.redo = [other for other in self.redo if other != decision_id]

    def person(self, decision_id: str) -> bool:
        return self.made[decision_id].decision.decider is Decider.PERSON

    def answers(self) -> dict[str, str]:
        return {self.made[i].decision.site_id: i for i in self.standing}


@settings(max_examples=200, deadline=None)
@given(EVENTS)
def test_decisions_agree_with_a_slow_reading(events: list[Event]) -> None:
    state, slow = fold(events), Slow(events)
    answers = {decision.site_id: decision.id for decision in state.decisions()}
    assert answers == slow.answers()
    assert state.decided == len(answers)
    for answer in Answer:
        assert state.counts[answer] == sum(d.answer is answer for d in state.decisions())
    undoable = [i for i in slow.standing if slow.person(i)]
    undo, redo = state.last_undoable(), state.last_redoable()
    assert (undo.id if undo else None) == (undoable[-1] if undoable else None)
    assert (redo.id if redo else None) == (slow.redo[-1] if slow.redo else None)


@settings(max_examples=100, deadline=None)
@given(EVENTS)
def test_edits_agree_with_their_last_change(events: list[Event]) -> None:
    state = fold(events)
    queued = {e.edit.id for e in events if isinstance(e, EditQueued)}
    assert {record.edit.id for record in state.edits()} == queued
    assert sum(state.edit_counts.values()) == len(queued)
    for record in state.edits():
        assert record in state.edits(record.state)
    for record in state.pending_edits():
        assert record.state in (EditState.QUEUED, EditState.PREVIEWED)
        assert state.stands(record.edit.decision_id)
    for record in state.held_edits():
        assert record.state is EditState.CONFLICT
        assert state.stands(record.edit.decision_id)


@settings(max_examples=100, deadline=None)
@given(EVENTS)
def test_rows_are_open_until_they_are_settled(events: list[Event]) -> None:
    state = fold(events)
    last: dict[str, RowIntended | RowSettled] = {}
    for event in events:
        if isinstance(event, RowIntended):
            last[event.row.key] = event
        elif isinstance(event, RowSettled) and event.key in last:
            last[event.key] = event
    intended = {key for key, event in last.items() if isinstance(event, RowIntended)}
    assert {record.row.key for record in state.open_rows()} == intended
    for key, event in last.items():
        record = state.row(key)
        assert record is not None
        assert record.settled is isinstance(event, RowSettled)
        assert record.row_id == (event.row_id if isinstance(event, RowSettled) else None)


@settings(max_examples=25, deadline=None)
@given(st.lists(DECISIONS, max_size=20))
def test_undo_and_redo_without_limit(decisions: list[DecisionMade]) -> None:
    with tempfile.TemporaryDirectory() as folder, Ledger.open(Path(folder) / "l.sqlite") as ledger:
        ledger.append_all(decisions)
        before = deepcopy(ledger.state)
        undone = 0
        while ledger.undo() is not None:
            undone += 1
        assert ledger.state.last_undoable() is None
        assert not any(d.decider is Decider.PERSON for d in ledger.state.decisions())
        for _ in range(undone):
            assert ledger.redo() is not None
        assert ledger.redo() is None
        assert ledger.state._undo == before._undo
        assert ledger.state.last_undoable() == before.last_undoable()


def test_undoing_a_second_answer_brings_the_first_back() -> None:
    first, second = a_decision(1, site=5), a_decision(2, site=5, answer=Answer.REJECT)
    events: list[Event] = [DecisionMade(first), DecisionMade(second)]
    assert fold(events).decision(first.site_id) == second
    events.append(DecisionWithdrawn(second.id))
    assert fold(events).decision(first.site_id) == first
    events.append(DecisionWithdrawn(first.id))
    assert fold(events).decision(first.site_id) is None


def test_an_edit_waits_only_while_its_decision_stands() -> None:
    events: list[Event] = [DecisionMade(a_decision(1)), EditQueued(a_merge(1, 1, 2))]
    assert [r.edit.id for r in fold(events).pending_edits()] == ["edit-1"]
    events.append(DecisionWithdrawn("decision-1"))
    assert fold(events).pending_edits() == []
    events.append(DecisionRestored("decision-1"))
    assert [r.edit.id for r in fold(events).pending_edits()] == ["edit-1"]


def test_a_change_keeps_what_it_does_not_name() -> None:
    events: list[Event] = [
        EditQueued(a_merge(1, 1, 2, (3, 4))),
        EditChanged("edit-1", EditState.SUBMITTED, expected_roots=(5, 6)),
        EditChanged("edit-1", EditState.COMMITTED, 7, (9,)),
        EditChanged("edit-1", EditState.UNDONE, message="undone"),
    ]
    record = fold(events).edit("edit-1")
    assert record is not None
    assert (record.operation_id, record.new_roots, record.message) == (7, (9,), "undone")
    assert record.edit == a_merge(1, 1, 2, (5, 6))


def test_a_release_lets_only_held_edits_go() -> None:
    release = EditReleased("edit-1", "ann", (5, 6), ("somata",))
    held = EditChanged("edit-1", EditState.CONFLICT, reason=Reason.WARNED, warnings=("somata",))
    events: list[Event] = [DecisionMade(a_decision(1)), EditQueued(a_merge(1, 1, 2, (3, 4))), held]
    assert [record.warnings for record in fold(events).held_edits()] == [("somata",)]
    record = fold([*events, release]).edit("edit-1")
    assert record is not None
    assert (record.state, record.reason) == (EditState.QUEUED, Reason.NONE)
    assert (record.overridden, record.warnings) == (("somata",), ())
    assert (record.edit.seen_roots, record.message) == ((5, 6), "Released by ann.")
    sent: list[Event] = [*events[:2], EditChanged("edit-1", EditState.COMMITTED, 7, (9,)), release]
    record = fold(sent).edit("edit-1")
    assert record is not None
    assert (record.state, record.message) == (EditState.COMMITTED, "")
    assert record.edit.seen_roots == (3, 4)


def test_an_operation_leads_to_its_edit() -> None:
    events: list[Event] = [
        EditQueued(a_merge(1, 1, 2)),
        EditChanged("edit-1", EditState.COMMITTED, 7, (9,)),
        EditChanged("edit-1", EditState.UNDONE),
        EditChanged("edit-1", EditState.COMMITTED, 9, (11,)),
    ]
    state = fold(events)
    for operation in (7, 9):
        record = state.edit_of_operation(operation)
        assert record is not None
        assert record.edit.id == "edit-1"
    assert state.edit_of_operation(8) is None


def test_undoing_fifty_thousand_answers_stays_quick() -> None:
    # Quadratic work here would take minutes, and the test's time limit would end it.
    events: list[Event] = [DecisionMade(a_decision(i, site=i)) for i in range(50_000)]
    state = fold(events)
    for number in range(len(events), 0, -1):
        newest = state.last_undoable()
        assert newest is not None
        state = apply(state, Entry(2 * len(events) - number, START, DecisionWithdrawn(newest.id)))
    assert state.decided == 0


def test_followers_stand_and_fall_with_the_answer_they_follow(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "l.sqlite") as ledger:
        leader = a_decision(1, site=1)
        follower = replace(a_decision(2, site=2), decider=Decider.SAME_QUESTION, follows=leader.id)
        ledger.append_all([DecisionMade(leader), DecisionMade(follower)])
        state = ledger.state
        assert state.followers(leader.id) == [follower.site_id]
        assert (state.decided, len(state.decisions())) == (1, 2)
        assert state.last_undoable() == leader
        assert ledger.undo() == leader
        assert state.decisions() == []
        assert ledger.redo() == leader
        assert state.decision(follower.site_id) == follower
        own = a_decision(3, site=2)
        ledger.append(DecisionMade(own))
        assert (state.decided, state.last_undoable()) == (2, own)
        ledger.undo()
        assert state.decision(follower.site_id) == follower
