"""What the person looks through follows the work, and what asks nothing is set aside."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from app.services.looking import Looking, view_box
from app.services.quality import Quality
from app.services.queue import Queue, row_of
from app.services.queue_filter import box_word
from app.services.through import QueueOrder
from proofreading.decisions import Answer
from proofreading.ledger.events import DecisionMade, GoldAdded, SamplingChosen, SiteSetAside
from proofreading.session import Session
from proofreading.triage import Lane
from tests.unit.ledger.build import a_site, a_verdict
from tests.unit.proofreading.decided import blind

CHANCES = (0.999, 0.9, 0.5, 0.3, 0.0005)


class Desk:
    """A session with judged sites, and what looks through them."""

    def __init__(self, session: Session) -> None:
        self.session = session
        sites = [
            replace(a_site(n), root=100 + n, point_nm=(1000.0 * n, 0.0, 0.0))
            for n in range(1, len(CHANCES) + 1)
        ]
        session.catalogue.add_sites(sites)
        session.catalogue.add_verdicts(a_verdict(n, p) for n, p in enumerate(CHANCES, 1))
        self.quality = Quality(session)
        self.queue = Queue()
        rows = [
            replace(row_of(site), probability=p, partner_root=200 + n)
            for n, (site, p) in enumerate(zip(sites, CHANCES, strict=True), 1)
        ]
        self.queue.add(rows)
        self.looking = Looking(session, self.queue, self.quality)
        self.follow()

    def follow(self) -> None:
        while self.quality.follow():
            pass
        self.quality.tell(self.queue)

    def order(self) -> list[int]:
        return [int(self.queue.row(i).site_id, 16) for i in range(len(self.queue))]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    folder = tmp_path / "a.proofdesk"
    with Session.open(folder, datastack_name="x", datastack_address="/nowhere") as session:
        session.ledger.append(SamplingChosen(0.0, 0.0, 0.0, 0, "tester"))
        made = Desk(session)
        yield made
        made.quality.close()


def _id(number: int) -> str:
    return a_site(number).id


def test_how_far_and_how_much_is_in_each_lane(desk: Desk) -> None:
    through = desk.looking.through(_id(2))
    assert through.counts == {Lane.AUTOMATIC: 2, Lane.QUICK: 1, Lane.FULL: 2}
    assert (through.place, through.rows, through.unlocked) == (2, 5, False)
    assert through.missing == 100
    desk.looking.choose(Lane.QUICK, QueueOrder.PROBABILITY, None)
    assert desk.looking.through(_id(1)).place is None
    desk.quality.dial_moved = desk.looking.dial_moved
    desk.quality.accept_error(0.1)
    assert desk.looking.through(None).counts[Lane.AUTOMATIC] == 3


def test_near_goes_on_from_where_the_person_is(desk: Desk) -> None:
    desk.looking.choose(None, QueueOrder.NEAR, _id(3))
    assert desk.order()[0] == 3
    desk.looking.came_to(_id(1))
    assert desk.order() == [1, 2, 3, 4, 5]


def test_along_a_neuron_until_it_is_done_and_then_along_the_next(desk: Desk) -> None:
    for number in (2, 4, 5):
        desk.queue.set_pair(_id(number), 77, 200 + number)
    desk.looking.choose(None, QueueOrder.NEURON, _id(4))
    assert desk.order()[:3] == [4, 5, 2]
    desk.looking.came_to(_id(5))
    assert desk.order()[:3] == [4, 5, 2], "the way stays while it is gone"
    desk.looking.came_to(_id(3))
    assert desk.order()[0] == 3


def test_an_open_site_that_asks_nothing_is_set_aside_with_a_reason(desk: Desk) -> None:
    desk.queue.set_pair(_id(2), 300, 300)
    desk.queue.set_pair(_id(3), 0, 203)
    desk.queue.set_answer(_id(4), Answer.REJECT)
    desk.queue.set_pair(_id(4), 301, 301)
    desk.looking.record_aside()
    desk.looking.record_aside()
    said = [e.event for e in desk.session.ledger.events(0) if isinstance(e.event, SiteSetAside)]
    assert said == [SiteSetAside(_id(2), "same object", 300), SiteSetAside(_id(3), "gone", 0)]
    assert desk.session.ledger.state.set_aside(_id(2)) == "same object"
    assert desk.order() == [1, 5, 4]


def test_gold_is_mixed_in_when_it_becomes_known(desk: Desk) -> None:
    desk.session.ledger.append_all(
        [
            SamplingChosen(0.0, 0.0, 1.0, 0, "tester"),
            GoldAdded(_id(5), Answer.REJECT, "test"),
        ]
    )
    before = desk.order().index(5)
    desk.looking.mix_in()
    assert before == 4
    assert sorted(desk.order()) == [1, 2, 3, 4, 5]
    assert desk.queue.get(_id(5)) is not None


def test_the_audit_comes_first_once_the_lane_was_decided(desk: Desk) -> None:
    desk.session.ledger.append(SamplingChosen(0.0, 1.0, 0.0, 0, "tester"))
    decided = blind(_id(1), 0.999, Answer.ACCEPT)
    desk.session.ledger.append(DecisionMade(replace(decided, decider="automatic")))  # type: ignore[arg-type]
    desk.quality.changed([_id(1)])
    desk.queue.set_answer(_id(1), Answer.ACCEPT)
    desk.follow()
    assert desk.order()[0] == 5, "the least probable one of all, because the audit drew it"


def test_the_region_on_the_screen_as_a_word() -> None:
    state: dict[str, object] = {"position_nm": [5000.0, 6000.0, 7000.0], "nm_per_pixel": 5.0}
    assert view_box(state) == box_word((3000.0, 4000.0, 5000.0), (7000.0, 8000.0, 9000.0))
    assert view_box({}) == ""
    assert view_box({"position_nm": [0.0, 0.0, 0.0]}) == box_word((-500.0,) * 3, (500.0,) * 3)
