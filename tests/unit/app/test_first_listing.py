"""What a large catalogue holds is read on a thread, with the same result as page by page."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app.services import catalogue_follower
from app.services.catalogue_follower import CatalogueFollower
from app.services.model import QueueRow
from app.services.queue import Queue
from app.services.queue_view import QueueOrder, QueueView
from app.services.site_pairs import SitePairs
from proofreading.decisions import Answer
from proofreading.ledger.events import DecisionMade
from proofreading.session import Session
from proofreading.sites import Site
from proofreading.triage import Lane
from tests.unit.app.test_veils import Page
from tests.unit.ledger.build import a_failure, a_site, a_verdict
from tests.unit.proofreading.decided import blind

SITES = 40


def _site(number: int) -> Site:
    """Return a site with a question of its own."""
    site = a_site(number)
    return replace(site, partners=(replace(site.partners[0], root=10**6 + number),))


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    monkeypatch.setattr(catalogue_follower, "MANY", SITES)
    made = Session.open(tmp_path / "a.proofdesk", datastack_name="d", datastack_address="/d")
    made.catalogue.add_sites([_site(n) for n in range(1, SITES + 1)])
    made.catalogue.add_verdicts([a_verdict(n, n / 100) for n in range(1, SITES - 5)])
    made.catalogue.add_verdicts([a_failure(SITES)])
    made.ledger.append(DecisionMade(blind(a_site(3).id, 0.03, Answer.ACCEPT)))
    return made


class Reader:
    """A follower and what it fills."""

    def __init__(self, session: Session) -> None:
        self.queue, self.page, self.pairs = Queue(), Page(), SitePairs()
        self.heard = threading.Event()
        self.follower = CatalogueFollower(
            session.catalogue, session.ledger, self.queue, self.page, self.pairs
        )

    def read_ahead(self) -> None:
        self.follower.read_ahead(self.heard.set)
        assert self.heard.wait(20)
        assert not self.follower.is_reading

    def rows(self) -> list[QueueRow]:
        while self.follower.follow():
            pass
        return [self.queue.row(place) for place in range(len(self.queue))]


def test_a_thread_reads_what_pages_would(session: Session) -> None:
    with session:
        pages, ahead = Reader(session), Reader(session)
        expected = pages.rows()
        ahead.read_ahead()
        assert ahead.queue.total == 0
        with ahead.follower:
            assert ahead.rows() == expected
            assert ahead.queue.total == len(expected) == SITES
            assert sorted(ahead.page.chances()) == sorted(pages.page.chances())
            assert ahead.pairs.pair(a_site(7).id) == pages.pairs.pair(a_site(7).id)
            session.catalogue.add_sites([_site(SITES + 1)])
            session.catalogue.add_verdicts([a_verdict(1, 0.99, at=1)])
            assert ahead.rows() == pages.rows()
            assert ahead.queue.total == SITES + 1
            assert ahead.queue.in_lane(Lane.FULL) == pages.queue.in_lane(Lane.FULL)


def test_what_was_chosen_meanwhile_holds(session: Session) -> None:
    with session:
        reader = Reader(session)
        with reader.follower:
            reader.read_ahead()
            reader.queue.show_view(QueueView(order=QueueOrder.RANDOM))
            reader.queue.set_filter("<0.2")
            assert {row.probability for row in reader.rows()} <= set(np.arange(20) / 100)
            reader.queue.set_filter("")
            order = [row.site_id for row in reader.rows()]
        again = Reader(session)
        again.queue.show_view(QueueView(order=QueueOrder.RANDOM))
        assert order == [row.site_id for row in again.rows()]


def test_an_answer_that_came_meanwhile_is_not_lost(session: Session) -> None:
    with session:
        reader = Reader(session)
        with reader.follower:
            reader.read_ahead()
            session.ledger.append(DecisionMade(blind(a_site(9).id, 0.09, Answer.REJECT)))
            reader.rows()
        row = reader.queue.get(a_site(9).id)
        assert row is not None
        assert row.answer is Answer.REJECT


def test_few_sites_are_read_at_once(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue_follower, "MANY", SITES + 1)
    with session:
        reader = Reader(session)
        reader.follower.read_ahead(reader.heard.set)
        assert not reader.follower.is_reading
        assert len(reader.rows()) == SITES
        assert not reader.heard.is_set()
