"""Exports, second looks and undo from the window, on the real offline service."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest

from app.services.export_desk import ExportDesk, JobEvent
from app.services.jobs import JobTable
from app.services.model import EditList, Fate, Phase, PlannedEdit, SecondLook
from app.services.undoing import Undoing
from app.services.worker.messages import JobDone, JobFailed
from connectome.cave import CaveDatastack
from connectome.datastack import Datastack
from connectome.graph import GraphPoint, MergeRequest, Permission, SplitRequest
from connectome.offline.datastack import OfflineDatastack
from connectome.offline.service import serve
from proofreading.decisions import Decision
from proofreading.edits import Edit, EditState, MergeEdit, Reason, SplitEdit
from proofreading.export.warnings import SOMATA, ObjectFacts
from proofreading.ledger.events import DecisionMade, EditChanged, EditQueued
from proofreading.session import Session
from proofreading.session_lock import person
from proofreading.verdicts import Task
from tests.contract.volumes import CUT, NAME, tube_point
from tests.unit.ledger.build import a_decision

SECONDS = 60.0


class Loop:
    """The owner's thread: what is posted runs when the test waits for something."""

    def __init__(self) -> None:
        self._posted: queue.Queue[Callable[[], None]] = queue.Queue()

    def post(self, action: Callable[[], None]) -> None:
        self._posted.put(action)

    def until(self, condition: Callable[[], object]) -> None:
        end = time.monotonic() + SECONDS
        while not condition():
            assert time.monotonic() < end, "nothing came"
            try:
                self._posted.get(timeout=0.1)()
            except queue.Empty:
                continue


@pytest.fixture
def session(tmp_path: Path, datastack: OfflineDatastack) -> Iterator[Session]:
    with Session.open(
        tmp_path / "monday.proofdesk", datastack_name=NAME, datastack_address=datastack.address
    ) as opened:
        yield opened


@pytest.fixture
def loop() -> Loop:
    return Loop()


class TwoBodies:
    """Every object has a cell body."""

    def somata(self, root: int) -> int | None:
        return 1

    def faces(self, root: int) -> frozenset[str] | None:
        return None


def two_bodies(_: Datastack) -> ObjectFacts:
    return TwoBodies()


@pytest.fixture
def desk(session: Session, datastack: OfflineDatastack, loop: Loop) -> Iterator[ExportDesk]:
    made = ExportDesk(session, datastack, loop.post)
    yield made
    made.close()


def place(datastack: OfflineDatastack, tube: int, x: int) -> tuple[GraphPoint, int]:
    position = tube_point(tube, x)
    supervoxel = datastack.supervoxel_at(position)
    (root,) = datastack.graph.roots(np.array([supervoxel], np.uint64)).tolist()
    return GraphPoint(supervoxel, position), root


def merge(datastack: OfflineDatastack, number: int, a: tuple[int, int], b: tuple[int, int]) -> Edit:
    (one, root), (other, there) = place(datastack, *a), place(datastack, *b)
    names = (f"edit-{number}", f"decision-{number}", f"{number:016x}")
    return MergeEdit(*names, one, other, (root, there))


def repair(datastack: OfflineDatastack, number: int, tube: int) -> Edit:
    return merge(datastack, number, (tube, CUT - 2), (tube, CUT + 2))


def cut(datastack: OfflineDatastack, number: int, tube: int) -> Edit:
    (one, root), (other, _) = place(datastack, tube, 12), place(datastack, tube, 60)
    names = (f"edit-{number}", f"decision-{number}", f"{number:016x}")
    return SplitEdit(*names, (one,), (other,), root)


def accept(session: Session, *edits: Edit) -> list[Decision]:
    made = []
    for edit in edits:
        task = Task.SPLIT_ERROR_CORRECTION
        if isinstance(edit, SplitEdit):
            task = Task.MERGE_ERROR_IDENTIFICATION
        number = int(edit.id.removeprefix("edit-"))
        decision = replace(a_decision(number, site=number), task=task)
        session.ledger.append_all([DecisionMade(decision), EditQueued(edit)])
        made.append(decision)
    return made


def listed(desk: ExportDesk, loop: Loop) -> list[EditList]:
    """Return both lists that the desk gives."""
    lists: list[EditList] = []
    desk.plan(lists.append)
    loop.until(lambda: lists and lists[-1].phase is not Phase.PARTIAL)
    return lists


def now(desk: ExportDesk, loop: Loop) -> dict[str, PlannedEdit]:
    return {edit.edit_id: edit for edit in listed(desk, loop)[-1].edits}


def export(desk: ExportDesk, loop: Loop) -> JobEvent:
    events: list[JobEvent] = []
    desk.export(events.append)
    loop.until(lambda: events and isinstance(events[-1], JobDone | JobFailed))
    return events[-1]


def decide(desk: ExportDesk, loop: Loop, action: SecondLook, *edits: PlannedEdit) -> str:
    told: list[str] = []
    desk.look_again(action, edits, told.append)
    loop.until(lambda: told)
    return told[0]


def test_the_list_comes_twice(
    desk: ExportDesk, session: Session, datastack: OfflineDatastack, loop: Loop
) -> None:
    twice = merge(datastack, 2, (0, CUT + 2), (0, CUT - 2))
    accept(session, repair(datastack, 1, 0), twice, cut(datastack, 3, 1))
    first, last = listed(desk, loop)
    assert (first.phase, last.phase) == (Phase.PARTIAL, Phase.READY)
    assert {edit.fate for edit in first.edits} == {Fate.WAITING}
    assert [edit.fate for edit in last.edits] == [Fate.READY, Fate.NEEDLESS, Fate.READY]
    assert last.edits[2].outcome == "The preview of the cut separates the points."
    assert (last.person, last.may_send, last.text) == (person(), True, "")
    assert session.ledger.state.edit_counts[EditState.QUEUED] == 3


def test_nothing_to_send(desk: ExportDesk, loop: Loop) -> None:
    assert listed(desk, loop)[-1] == EditList(Phase.EMPTY, person=person())


def test_outcomes_are_listed_until_the_next_export(
    desk: ExportDesk, session: Session, datastack: OfflineDatastack, loop: Loop
) -> None:
    accept(session, repair(datastack, 1, 0))
    done = export(desk, loop)
    assert isinstance(done, JobDone)
    assert done.text == "1 of 1 edits applied."
    for _ in range(2):
        assert now(desk, loop)["edit-1"].fate is Fate.APPLIED
    export(desk, loop)
    assert now(desk, loop) == {}


def cut_by_others(datastack: OfflineDatastack, tube: int) -> None:
    """Let somebody else cut a tube's first half between 12 and 36."""
    points = [place(datastack, tube, x)[0] for x in (12, 36)]
    datastack.graph.split(SplitRequest((points[0],), (points[1],)))


def test_what_others_changed_is_told_with_who_and_when(
    desk: ExportDesk, session: Session, datastack: OfflineDatastack, loop: Loop
) -> None:
    edit = cut(datastack, 1, 0)
    assert isinstance(edit, SplitEdit)
    more = replace(edit, sources=(*edit.sources, place(datastack, 0, 36)[0]))
    accept(session, more)
    cut_by_others(datastack, 0)
    line = now(desk, loop)["edit-1"]
    assert (line.fate, line.reason, line.hopeless) == (Fate.LOOK, "changed", True)
    assert "2 objects" in line.outcome
    assert line.changes.startswith("Changed by one operation of user 1, the last on ")
    export(desk, loop)
    assert session.ledger.state.held_edits()
    held = now(desk, loop)["edit-1"]
    assert (held.fate, held.changes, held.hopeless) == (Fate.LOOK, line.changes, True)
    assert decide(desk, loop, SecondLook.DROP, held) == ""
    assert now(desk, loop) == {}
    record = session.ledger.state.edit("edit-1")
    assert record is not None
    assert (record.reason, record.message) == (Reason.DROPPED, f"Given up by {person()}.")


def strange(datastack: OfflineDatastack, number: int, tube: int) -> Edit:
    """Return a repair that expects an object which has nothing to do with it."""
    edit = repair(datastack, number, tube)
    assert isinstance(edit, MergeEdit)
    return replace(edit, expected_roots=(place(datastack, 5, 12)[1], edit.expected_roots[1]))


@pytest.mark.parametrize("run_first", [False, True])
def test_an_edit_is_approved_again_before_or_after_a_run(
    desk: ExportDesk, session: Session, datastack: OfflineDatastack, loop: Loop, *, run_first: bool
) -> None:
    accept(session, strange(datastack, 1, 0))
    if run_first:
        export(desk, loop)
    line = now(desk, loop)["edit-1"]
    assert (line.fate, line.hopeless) == (Fate.LOOK, False)
    assert decide(desk, loop, SecondLook.APPROVE, line) == ""
    assert now(desk, loop)["edit-1"].fate is Fate.READY
    export(desk, loop)
    assert now(desk, loop)["edit-1"].fate is Fate.APPLIED


def test_what_changed_once_more_is_not_approved(
    session: Session, datastack: OfflineDatastack, loop: Loop
) -> None:
    desk = ExportDesk(session, datastack, loop.post, two_bodies)
    accept(session, strange(datastack, 1, 0), repair(datastack, 2, 1))
    lines = now(desk, loop)
    assert [lines[f"edit-{n}"].fate for n in (1, 2)] == [Fate.LOOK, Fate.WARNED]
    # Shown was a change; what stands in the way now is a warning that nobody was shown.
    shown = replace(lines["edit-2"], reason="changed")
    assert "once more" in decide(desk, loop, SecondLook.APPROVE, shown)
    assert len(session.ledger.state.held_edits()) == 1
    other = replace(lines["edit-2"], warnings=("faces",))
    assert "these warnings only" in decide(desk, loop, SecondLook.OVERRIDE, other)
    assert len(session.ledger.state.held_edits()) == 1
    desk.close()


def test_an_override_is_recorded_and_lets_the_edit_go(
    session: Session, datastack: OfflineDatastack, loop: Loop
) -> None:
    desk = ExportDesk(session, datastack, loop.post, two_bodies)
    accept(session, repair(datastack, 1, 0), repair(datastack, 2, 1))
    lines = now(desk, loop)
    assert {line.fate for line in lines.values()} == {Fate.WARNED}
    assert lines["edit-1"].warnings == (SOMATA,)
    export(desk, loop)
    held = now(desk, loop)
    assert {line.fate for line in held.values()} == {Fate.WARNED}
    assert decide(desk, loop, SecondLook.OVERRIDE, held["edit-1"]) == ""
    export(desk, loop)
    fates = {edit_id: line.fate for edit_id, line in now(desk, loop).items()}
    assert fates == {"edit-1": Fate.APPLIED, "edit-2": Fate.WARNED}
    record = session.ledger.state.edit("edit-1")
    assert record is not None
    assert record.overridden == (SOMATA,)
    desk.close()


def test_a_refused_edit_is_tried_again_or_given_up(
    desk: ExportDesk, session: Session, datastack: OfflineDatastack, loop: Loop
) -> None:
    accept(session, repair(datastack, 1, 0), repair(datastack, 2, 1))
    for number in (1, 2):
        refused = EditChanged(f"edit-{number}", EditState.FAILED, reason=Reason.REFUSED)
        session.ledger.append(refused)
    lines = now(desk, loop)
    assert {line.fate for line in lines.values()} == {Fate.FAILED}
    assert decide(desk, loop, SecondLook.RETRY, lines["edit-1"]) == ""
    assert decide(desk, loop, SecondLook.DROP, lines["edit-2"]) == ""
    assert {n: line.fate for n, line in now(desk, loop).items()} == {"edit-1": Fate.READY}
    assert "does not wait" in decide(desk, loop, SecondLook.DROP, lines["edit-2"])


def test_without_a_server_the_edits_wait(
    session: Session, datastack: OfflineDatastack, loop: Loop, tmp_path: Path
) -> None:
    accept(session, repair(datastack, 1, 0), repair(datastack, 2, 1))
    datastack.close()
    with serve(tmp_path / "tubes") as running:
        remote = CaveDatastack(NAME, running.url, running.token)
        desk = ExportDesk(session, remote, loop.post)
        assert {line.fate for line in now(desk, loop).values()} == {Fate.READY}
    last = listed(desk, loop)[-1]
    assert last.phase is Phase.OFFLINE
    assert last.text == "No connection: 2 edits wait and go out later."
    assert "does not answer" in last.remedy
    assert {line.fate for line in last.edits} == {Fate.WAITING}
    done = export(desk, loop)
    assert isinstance(done, JobDone)
    assert "2 edits wait" in done.text
    assert len(session.ledger.state.pending_edits()) == 2
    desk.close()
    remote.close()


def test_when_a_token_ends_the_edits_wait_for_a_new_one(
    session: Session, datastack: OfflineDatastack, loop: Loop, tmp_path: Path
) -> None:
    accept(session, repair(datastack, 1, 0))
    datastack.close()
    with serve(tmp_path / "tubes") as running:
        old = CaveDatastack(NAME, running.url, running.token)
        port = urlsplit(running.url).port or 0
    with serve(tmp_path / "tubes", port) as running:
        ended = ExportDesk(session, old, loop.post)
        told = export(ended, loop)
        assert isinstance(told, JobFailed)
        assert "token" in told.message
        assert len(session.ledger.state.pending_edits()) == 1
        new = CaveDatastack(NAME, running.url, running.token)
        renewed = ExportDesk(session, new, loop.post)
        assert isinstance(export(renewed, loop), JobDone)
        assert len(session.ledger.state.edits(EditState.COMMITTED)) == 1
        for part in (ended, renewed, old, new):
            part.close()


def test_an_account_that_may_not_edit_is_told_before_the_export(
    desk: ExportDesk,
    session: Session,
    datastack: OfflineDatastack,
    loop: Loop,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    refusal = Permission(False, "You may see but not edit.", "Ask for it.")
    monkeypatch.setattr(datastack, "may_edit", lambda: refusal)
    accept(session, repair(datastack, 1, 0))
    last = listed(desk, loop)[-1]
    assert (last.phase, last.may_send) == (Phase.READY, False)
    assert (last.text, last.remedy) == (refusal.message, refusal.hint)
    done = export(desk, loop)
    assert isinstance(done, JobFailed)
    assert len(session.ledger.state.pending_edits()) == 1


class Undo:
    """`Undoing` with a record of what it tells."""

    def __init__(self, session: Session, desk: ExportDesk) -> None:
        self.withdrawn: list[Decision] = []
        self.told: list[JobEvent] = []
        self.jobs = JobTable()
        self.undoing = Undoing(
            session.ledger,
            desk,
            self.jobs,
            withdrawn=self.withdrawn.append,
            told=self.told.append,
            changed=lambda: None,
        )


def test_an_answer_whose_edit_was_not_sent_is_taken_back_at_once(
    desk: ExportDesk, session: Session, datastack: OfflineDatastack
) -> None:
    (decision,) = accept(session, repair(datastack, 1, 0))
    undo = Undo(session, desk)
    undo.undoing.undo(decision)
    assert undo.withdrawn == [decision]
    assert not undo.undoing.busy


def test_an_edit_on_which_nothing_depends_is_just_undone(
    desk: ExportDesk, session: Session, datastack: OfflineDatastack, loop: Loop
) -> None:
    (decision,) = accept(session, repair(datastack, 1, 0))
    export(desk, loop)
    undo = Undo(session, desk)
    undo.undoing.undo(decision)
    assert undo.undoing.busy
    assert undo.withdrawn == []
    loop.until(lambda: undo.told)
    assert undo.undoing.question is None
    assert undo.withdrawn == [decision]
    record = session.ledger.state.edit("edit-1")
    assert record is not None
    assert record.state is EditState.UNDONE


def test_the_person_is_asked_where_others_have_built_on_an_edit(
    desk: ExportDesk, session: Session, datastack: OfflineDatastack, loop: Loop
) -> None:
    (decision,) = accept(session, repair(datastack, 1, 0))
    export(desk, loop)
    cut_by_others(datastack, 0)
    undo = Undo(session, desk)
    undo.undoing.undo(decision)
    loop.until(lambda: undo.undoing.question)
    question = undo.undoing.question
    assert question is not None
    assert question.on_server
    assert question.text == "One later operation builds on this edit."
    assert question.lines[0].startswith("Operation 2, by 1, ")
    assert undo.withdrawn == []
    undo.undoing.answer(confirmed=False)
    assert not undo.undoing.busy
    assert undo.withdrawn == []
    undo.undoing.undo(decision)
    loop.until(lambda: undo.undoing.question)
    undo.undoing.answer(confirmed=True)
    loop.until(lambda: undo.told)
    assert undo.withdrawn == [decision]


def test_an_undo_leaves_what_others_have_done(
    desk: ExportDesk, session: Session, datastack: OfflineDatastack, loop: Loop
) -> None:
    (decision,) = accept(session, repair(datastack, 1, 0))
    export(desk, loop)
    theirs = [place(datastack, 1, x) for x in (CUT - 2, CUT + 2)]
    datastack.graph.merge(MergeRequest(theirs[0][0], theirs[1][0]))
    undo = Undo(session, desk)
    undo.undoing.undo(decision)
    loop.until(lambda: undo.told)
    assert place(datastack, 0, CUT - 2)[1] != place(datastack, 0, CUT + 2)[1]
    assert place(datastack, 1, CUT - 2)[1] == place(datastack, 1, CUT + 2)[1]


def test_what_others_have_taken_back_needs_no_undo(
    desk: ExportDesk, session: Session, datastack: OfflineDatastack, loop: Loop
) -> None:
    (decision,) = accept(session, repair(datastack, 1, 0))
    export(desk, loop)
    ends = [place(datastack, 0, x)[0] for x in (CUT - 2, CUT + 2)]
    datastack.graph.split(SplitRequest((ends[0],), (ends[1],)))
    undo = Undo(session, desk)
    undo.undoing.undo(decision)
    loop.until(lambda: undo.undoing.question)
    question = undo.undoing.question
    assert question is not None
    assert not question.on_server
    assert "nothing is left to undo" in question.text
    undo.undoing.answer(confirmed=True)
    assert undo.withdrawn == [decision]
    assert undo.told == []


def test_an_undo_that_cannot_be_looked_at_changes_nothing(
    desk: ExportDesk, session: Session, datastack: OfflineDatastack, loop: Loop
) -> None:
    (decision,) = accept(session, repair(datastack, 1, 0))
    session.ledger.append(EditChanged("edit-1", EditState.COMMITTED))
    undo = Undo(session, desk)
    undo.undoing.undo(decision)
    loop.until(lambda: undo.undoing.question)
    question = undo.undoing.question
    assert question is not None
    assert (question.on_server, undo.withdrawn) == (False, [])
    assert "which operation" in question.text
    assert not undo.jobs.running("undo")
