"""One pair of segments is one question: answered once, undone together, true after edits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray

from app.services.answers import Answers, last_answer
from app.services.catalogue_follower import CatalogueFollower
from app.services.place import Place
from app.services.queue import Queue, Sight
from app.services.root_watch import RootWatch
from app.services.site_pairs import SitePairs
from app.services.tracker import Tracker
from app.services.worker.messages import CheckRoots, Command, FindRoots, Looked, RootsFound
from app.services.worker.roots import found_roots, replaced_roots
from connectome.graph import Graph, Ids
from ngplugin.viewer import SiteViewer
from proofreading.decisions import Answer, Decider
from proofreading.session import Session
from proofreading.sites import Site
from tests.unit.app.test_deciding import _site, _verdict


class View:
    """Takes what a viewer is told."""

    def __init__(self) -> None:
        self.aside: dict[str, bool] = {}
        self.answers: dict[str, Answer | None] = {}

    def set_aside(self, numbers: NDArray[np.uint64], aside: NDArray[np.bool_]) -> None:
        for number, value in zip(numbers.tolist(), aside.tolist(), strict=True):
            self.aside[f"{number:016x}"] = value

    def set_answers(self, ids: Sequence[str], answers: Sequence[Answer | None]) -> None:
        self.answers.update(zip(ids, answers, strict=True))

    def view_state(self) -> dict[str, object]:
        return {}

    def __getattr__(self, _name: str) -> Any:
        return lambda *_args: None


class Desk:
    """A window's services on three sites: two about the segments 1 and 2, one about 1 and 3."""

    def __init__(self, session: Session) -> None:
        self.session, self.view = session, View()
        self.queue, self.pairs = Queue(), SitePairs()
        self.sent: list[Command] = []
        self.sites = [_about(0, 1, 2), _about(1, 2, 1), _about(2, 1, 3)]
        session.catalogue.add_sites(self.sites)
        chances = (0.8, 0.6, 0.4)
        session.catalogue.add_verdicts(
            _verdict(site, chance) for site, chance in zip(self.sites, chances, strict=True)
        )
        self.follower = CatalogueFollower(
            session.catalogue, session.ledger, self.queue, self.view, self.pairs
        )
        while self.follower.follow():
            pass
        self.watch = RootWatch(self.queue, self.pairs, self.sent.append)
        viewer = cast("SiteViewer", self.view)
        self.answers = Answers(session, self.queue, viewer, self.pairs)

    def place(self, site: Site) -> Place:
        tracker = Tracker(lambda _look: None, self.session.catalogue)
        tracker.show(site)
        pair = tracker.present_roots()
        made = SimpleNamespace(
            site=site,
            tracker=tracker,
            elapsed_ms=1000,
            seen_pair=lambda: pair,
            asks_about_a_pair=lambda: True,
        )
        return cast("Place", made)

    def order(self) -> list[int]:
        names = [site.id for site in self.sites]
        return [names.index(self.queue.row(row).site_id) for row in range(len(self.queue))]


def _about(number: int, root: int, partner: int) -> Site:
    site = _site(number)
    return replace(site, root=root, partners=(replace(site.partners[0], root=partner),))


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    session = Session.open(
        tmp_path / "s.proofdesk", datastack_name="offline_x", datastack_address="/nowhere"
    )
    yield Desk(session)
    session.close()


def test_twins_are_shown_once_and_leave_the_viewer(desk: Desk) -> None:
    assert desk.order() == [0, 2]
    assert [i for i, aside in desk.view.aside.items() if aside] == [desk.sites[1].id]


def test_one_answer_settles_its_twins_and_is_undone_with_them(desk: Desk) -> None:
    first, twin, _other = desk.sites
    made = desk.answers.give(desk.place(first), Answer.ACCEPT, "")
    assert made is not None
    state = desk.session.ledger.state
    followed = state.decision(twin.id)
    assert followed is not None
    assert (followed.answer, followed.follows) == (Answer.ACCEPT, made.id)
    assert followed.decider is Decider.SAME_QUESTION
    assert followed.reason == f"same question as {first.id}"
    assert len(state.pending_edits()) == 1
    assert (state.decided, desk.queue.answered) == (1, 1)
    told = last_answer(state.last_undoable(), len(state.followers(made.id)))
    assert told is not None
    assert told.text == "accepted · 1 more of the same question"
    desk.session.ledger.undo()
    desk.answers.show(desk.answers.changed_by(made))
    assert state.decisions() == []
    assert desk.order() == [0, 2]
    desk.session.ledger.redo()
    desk.answers.show(desk.answers.changed_by(made))
    assert desk.view.answers[twin.id] is Answer.ACCEPT
    assert desk.order() == [2, 0]


def test_a_new_answer_at_a_twin_replaces_the_first_and_its_edit(desk: Desk) -> None:
    first, twin, _other = desk.sites
    desk.answers.give(desk.place(first), Answer.ACCEPT, "")
    desk.answers.give(desk.place(twin), Answer.REJECT, "")
    state = desk.session.ledger.state
    assert {d.answer for d in state.decisions()} == {Answer.REJECT}
    assert state.pending_edits() == []
    desk.session.ledger.undo()
    assert len(state.pending_edits()) == 1


def test_after_an_edit_pairs_are_looked_up_and_become_one_question(desk: Desk) -> None:
    a, b, c = desk.sites
    desk.watch.replaced({2})
    (asked,) = desk.sent
    assert isinstance(asked, FindRoots)
    assert set(asked.site_ids) == {a.id, b.id}
    # Segments 2 and 3 have become 7: all three sites ask about 1 and 7.
    partners = {site.partners[0].supervoxel: 7 for site in (a, c)}
    own = {site.partners[0].own_supervoxel: 1 for site in (a, c)}
    twin = {b.partners[0].supervoxel: 1, b.partners[0].own_supervoxel: 7}
    desk.watch.take(RootsFound((a.id, b.id, c.id), {**partners, **own, **twin}))
    assert desk.order() == [0]
    assert desk.queue.count(Sight.SAME) == 2


def test_a_picture_tells_of_the_edits_of_others(desk: Desk) -> None:
    first = desk.sites[0]
    desk.watch.looked(Looked(first.id, 0, 1, None, (9, 2)), first)
    (asked,) = desk.sent
    assert isinstance(asked, FindRoots)
    assert set(asked.site_ids) == {desk.sites[1].id, desk.sites[2].id}
    row = desk.queue.get(first.id)
    assert row is not None
    assert (row.root, row.partner_root) == (9, 2)
    desk.sent.clear()
    desk.watch.looked(Looked(first.id, 0, 2, None, (9, 2)), first)
    assert desk.sent == []


def test_the_worker_tells_stale_roots_and_finds_new_ones(desk: Desk) -> None:
    class Edited:
        def is_latest(self, roots: Ids) -> NDArray[np.bool_]:
            return np.asarray(roots != 2)

        def roots(self, supervoxels: Ids) -> Ids:
            return np.asarray(supervoxels + np.uint64(5000))

    graph = cast("Graph", Edited())
    desk.watch.check_all()
    (asked,) = desk.sent
    assert asked == CheckRoots((1, 2, 3))
    assert [reply.roots for reply in replaced_roots(graph, asked) if reply] == [(2,)]
    site = desk.sites[0]
    (found,) = found_roots(graph, desk.session.catalogue, FindRoots((site.id, "f" * 16)))
    assert found.site_ids == (site.id,)
    named = {site.partners[0].supervoxel, site.partners[0].own_supervoxel}
    assert found.roots == {s: s + 5000 for s in named}
