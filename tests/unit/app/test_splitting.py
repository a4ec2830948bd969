"""Points of a cut, their preview, and what an answer takes along; no Qt, no page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from app.services.model import Phase
from app.services.splitting import PREVIEW_FIRST, Splitting
from app.services.splitting_desk import Previewed, Resolved
from app.services.splitting_model import (
    SAME,
    SUGGESTED,
    CutPoint,
    CutSide,
    CutView,
    kept_points,
)
from app.services.splitting_picture import CutPicture
from connectome.graph import GraphPoint, SplitRequest
from connectome.space import PointNm
from ngplugin.after import AfterPicture
from ngplugin.points import Mark
from proofreading.decisions import Answer, Decision
from proofreading.edits import SplitEdit
from proofreading.sites import Site, SiteKind
from tests.unit.ledger.build import a_decision
from tests.unit.ngplugin.sites import site as a_site

ROOT, OTHER = 77, 88
HERE: PointNm = (100.0, 100.0, 100.0)
THERE: PointNm = (300.0, 100.0, 100.0)
CUT = SplitRequest((GraphPoint(1, HERE),), (GraphPoint(2, THERE),))
PICTURE = CutPicture(AfterPicture(np.ones((1, 1, 1), np.uint8), (0, 0, 0), ()), (8.0, 2.0))
LEGAL = Previewed(legal=True, shown=PICTURE)

Done = Callable[[Resolved], None]
Shown = Callable[[Previewed], None]


@dataclass
class Desk:
    """Keeps the questions; the test answers them when it likes."""

    wanted: tuple[int, ...] = ()
    resolving: list[tuple[PointNm, Done]] = field(default_factory=list)
    previewing: list[tuple[SplitRequest, Shown]] = field(default_factory=list)

    def resolve(self, roots: Sequence[int], point_nm: PointNm, done: Done) -> None:
        self.wanted = tuple(roots)
        self.resolving.append((point_nm, done))

    def preview(self, root: int, request: SplitRequest, done: Shown) -> None:
        self.wanted = (root,)
        self.previewing.append((request, done))

    def found(self, supervoxel: int, root: int = ROOT) -> None:
        point, done = self.resolving.pop(0)
        done(Resolved(GraphPoint(supervoxel, point), root=root))


@dataclass
class Page:
    """Remembers what it shows."""

    marks: list[Mark] = field(default_factory=list)
    asked: list[int] = field(default_factory=list)
    after: AfterPicture | None = None

    def show(self, marks: Sequence[Mark]) -> None:
        self.marks = list(marks)

    def ask(self, side: int) -> None:
        self.asked.append(side)

    def show_after(self, picture: AfterPicture | None) -> None:
        self.after = picture


@dataclass
class World:
    """A splitting at one merge-error site without a proposed cut."""

    desk: Desk = field(default_factory=Desk)
    page: Page = field(default_factory=Page)
    stale: list[int] = field(default_factory=list)
    site: Site = field(default_factory=lambda: _fused(1))
    roots: tuple[int, ...] = (ROOT,)

    def __post_init__(self) -> None:
        self.splitting = Splitting(
            self.desk,
            self.page,
            self.page.show_after,
            changed=lambda: None,
            stale=self.stale.append,
        )
        self.go(self.site)

    def go(self, site: Site | None, kept: list[CutPoint] | None = None) -> None:
        self.splitting.follow(site, self.roots, lambda _site_id: [] if kept is None else kept)

    @property
    def view(self) -> CutView:
        view = self.splitting.view()
        assert view is not None
        return view

    def two_points(self) -> None:
        for side, at, supervoxel in ((0, HERE, 1), (1, THERE, 2)):
            self.splitting.add(tuple(CutSide)[side])
            self.splitting.pointed(side, at)
            self.desk.found(supervoxel)


def _fused(number: int, cut: SplitRequest | None = None) -> Site:
    made = a_site(number, HERE, SiteKind.BOTTLENECK, ROOT)
    return replace(made, partners=(), proposed_cut=cut)


@pytest.fixture
def world() -> World:
    return World()


def test_the_first_point_is_asked_of_the_page_and_shown_before_it_is_resolved(
    world: World,
) -> None:
    world.splitting.add(CutSide.SINK)
    assert world.page.asked == [1]
    assert world.view.phase.value == "empty"
    world.splitting.pointed(1, THERE)
    assert [(m.side, m.position_nm) for m in world.page.marks] == [(1, THERE)]
    assert world.view.phase is Phase.LOADING
    world.desk.found(2)
    assert world.view.on(CutSide.SINK)[0].supervoxel == 2
    assert "E puts a blue point" in world.view.text


def test_a_proposed_cut_is_suggested_once_and_then_points_are_added(world: World) -> None:
    world.go(_fused(2, CUT))
    world.splitting.add(CutSide.SOURCE)
    assert world.page.asked == []
    assert [m.side for m in world.page.marks] == [0, 1]
    assert (world.view.phase, world.view.text) == (Phase.PARTIAL, SUGGESTED)
    world.splitting.add(CutSide.SOURCE)
    assert world.page.asked == [0]


def test_of_two_segments_the_first_point_chooses_the_one_that_is_cut(world: World) -> None:
    world.roots = (ROOT, OTHER)
    world.go(a_site(3, HERE))
    world.splitting.add(CutSide.SOURCE)
    world.splitting.pointed(0, HERE)
    assert list(world.desk.wanted) == [ROOT, OTHER]
    world.desk.found(1, OTHER)
    assert (world.view.of, world.view.aside) == ("B", True)
    world.splitting.pointed(1, THERE)
    assert list(world.desk.wanted) == [OTHER]
    world.desk.found(2, OTHER)
    world.splitting.preview()
    assert list(world.desk.wanted) == [OTHER]
    world.desk.previewing.pop()[1](LEGAL)
    assert world.splitting.finished() == (CUT, OTHER)
    world.splitting.made()
    assert world.splitting.view() is None
    world.splitting.add(CutSide.SOURCE)
    assert world.view.points == ()


def test_without_points_the_other_segment_can_be_chosen(world: World) -> None:
    world.roots = (ROOT, OTHER)
    world.go(a_site(3, HERE))
    for root, letter in ((OTHER, "B"), (ROOT, "A")):
        world.splitting.add(CutSide.SOURCE)
        world.splitting.pointed(0, HERE)
        world.desk.found(1, root)
        assert world.view.of == letter
        world.splitting.remove()
        assert world.view.of == ""


def test_an_answer_of_a_pair_takes_no_points_from_the_ledger(world: World) -> None:
    kept = [CutPoint(0, CutSide.SOURCE, HERE, 1)]
    world.go(a_site(3, HERE), kept)
    assert world.splitting.view() is None
    world.go(_fused(9), kept)
    assert len(world.view.points) == 1


def test_a_legal_preview_may_be_made_and_is_drawn(world: World) -> None:
    world.two_points()
    assert world.splitting.finished() is None
    world.splitting.preview()
    assert world.view.phase.value == "loading"
    request, done = world.desk.previewing.pop()
    assert request == CUT
    done(LEGAL)
    assert (world.view.phase, world.view.volumes_nm3) == (Phase.READY, (8.0, 2.0))
    assert world.page.after is PICTURE.picture
    assert world.splitting.finished() == (CUT, ROOT)


@pytest.mark.parametrize(
    "found",
    [
        Previewed(legal=False, trouble="The server refused.", remedy="Move the points."),
        Previewed(legal=False, trouble="No connection.", remedy="Later."),
    ],
)
def test_what_cannot_be_cut_is_one_sentence_and_nothing_is_made(
    world: World, found: Previewed
) -> None:
    world.two_points()
    world.splitting.preview()
    world.desk.previewing.pop()[1](found)
    assert (world.view.phase, world.view.text) == (Phase.FAILED, found.trouble)
    assert world.view.remedy == found.remedy
    assert world.splitting.finished() is None


def test_the_same_supervoxel_on_both_sides_is_never_sent(world: World) -> None:
    for side in (0, 1):
        world.splitting.add(tuple(CutSide)[side])
        world.splitting.pointed(side, HERE)
        world.desk.found(1)
    world.splitting.preview()
    assert world.desk.previewing == []
    assert (world.view.phase, world.view.text) == (Phase.FAILED, SAME)


def test_a_dragged_point_is_looked_up_again_and_previewed_again(world: World) -> None:
    world.two_points()
    world.splitting.preview()
    _, late = world.desk.previewing.pop()
    one, two = world.page.marks
    moved = replace(two, position_nm=(400.0, 100.0, 100.0))
    world.splitting.moved([one, moved])
    late(LEGAL)  # about the points as they were
    assert world.view.phase.value == "loading"
    assert world.page.after is None
    world.desk.found(5)
    request, done = world.desk.previewing.pop()
    assert request.sinks == (GraphPoint(5, (400.0, 100.0, 100.0)),)
    done(LEGAL)
    assert world.view.phase is Phase.READY


def test_what_the_page_repeats_or_rounds_changes_nothing(world: World) -> None:
    world.two_points()
    world.splitting.preview()
    world.desk.previewing.pop()[1](LEGAL)
    x, y, z = world.page.marks[0].position_nm
    world.splitting.moved(
        [replace(world.page.marks[0], position_nm=(x + 0.1, y, z)), world.page.marks[1]]
    )
    assert world.view.phase is Phase.READY


def test_points_go_by_number_and_the_newest_by_key(world: World) -> None:
    world.two_points()
    first = world.page.marks[0].number
    world.splitting.remove(first)
    assert [m.side for m in world.page.marks] == [1]
    world.splitting.remove()
    assert world.page.marks == []
    world.splitting.remove()
    assert world.view.phase is Phase.EMPTY


def test_a_late_supervoxel_of_a_point_that_is_gone_is_dropped(world: World) -> None:
    world.splitting.add(CutSide.SOURCE)
    world.splitting.pointed(0, HERE)
    world.splitting.remove()
    world.desk.found(1)
    assert world.view.points == ()


def test_leaving_hides_everything_and_coming_back_brings_the_points(world: World) -> None:
    world.two_points()
    world.splitting.preview()
    world.desk.previewing.pop()[1](LEGAL)
    assert world.splitting.leave()
    assert (world.page.marks, world.page.after) == ([], None)
    assert world.splitting.view() is None
    assert not world.splitting.leave()
    world.go(_fused(9))
    assert world.splitting.view() is None
    world.go(world.site)
    assert len(world.view.points) == 2
    assert world.splitting.finished() is None  # it has to be previewed anew


def test_a_site_whose_cut_is_made_does_not_open_again(world: World) -> None:
    world.two_points()
    world.go(_fused(9))
    world.splitting.follow(world.site, (ROOT,), lambda _site_id: None)
    assert world.splitting.view() is None


def test_an_object_that_others_edited_is_told(world: World) -> None:
    world.splitting.add(CutSide.SOURCE)
    world.splitting.pointed(0, HERE)
    world.desk.resolving.pop()[1](Resolved(None, "Somebody edited this object.", stale=True))
    assert world.stale == [ROOT]
    assert (world.view.phase, world.view.text) == (Phase.FAILED, "Somebody edited this object.")


def test_the_person_is_told_to_preview_first(world: World) -> None:
    world.two_points()
    world.splitting.say(PREVIEW_FIRST)
    assert world.view.text == PREVIEW_FIRST


def test_later_keeps_the_points(world: World) -> None:
    world.two_points()
    decision = replace(a_decision(1), answer=Answer.LATER, view=world.splitting.kept())
    again = World()
    again.go(_fused(4), kept_points(decision))
    assert [(p.side, p.supervoxel, p.position_nm) for p in again.view.points] == [
        (CutSide.SOURCE, 1, HERE),
        (CutSide.SINK, 2, THERE),
    ]
    assert len({p.number for p in again.view.points}) == 2


def test_the_points_of_a_queued_cut_come_back() -> None:
    edit = SplitEdit("e", "d", "s", CUT.sources, CUT.sinks, ROOT)
    assert [(p.side, p.supervoxel) for p in kept_points(None, edit)] == [
        (CutSide.SOURCE, 1),
        (CutSide.SINK, 2),
    ]


def test_a_decision_without_points_keeps_none() -> None:
    decision: Decision = a_decision(1)
    assert kept_points(decision) == []
    assert kept_points(None) == []
