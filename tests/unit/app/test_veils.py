"""A verdict that is to be hidden does not colour its site before the person has answered."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from app.services.catalogue_follower import CatalogueFollower
from app.services.queue import Queue
from app.services.site_pairs import SitePairs
from proofreading.decisions import Answer
from proofreading.session import Session
from proofreading.sites import Site
from tests.unit.app.test_deciding import _site, _verdict


class Colours:
    """What a viewer would show."""

    def __init__(self) -> None:
        self.chances: dict[str, float] = {}

    def add_sites(self, sites: Sequence[Site]) -> None:
        pass

    def set_probabilities(self, ids: Sequence[str], values: Sequence[float]) -> None:
        self.chances.update(zip(ids, values, strict=True))

    def set_failed(self, ids: Sequence[str]) -> None:
        pass

    def set_answers(self, ids: Sequence[str], answers: Sequence[Answer | None]) -> None:
        pass

    def set_aside(self, ids: Sequence[str], aside: Sequence[bool]) -> None:
        pass


def test_a_veiled_site_is_coloured_once_it_is_answered(tmp_path: Path) -> None:
    sites = [_site(1), _site(2)]
    hidden, colours, queue = {sites[0].id}, Colours(), Queue()
    with Session.open(
        tmp_path / "s.proofdesk", datastack_name="d", datastack_address="/d"
    ) as session:
        session.catalogue.add_sites(sites)
        session.catalogue.add_verdicts([_verdict(site, 0.75) for site in sites])
        follower = CatalogueFollower(
            session.catalogue,
            session.ledger,
            queue,
            colours,
            SitePairs(),
            hidden.__contains__,
        )
        while follower.follow():
            pass
        assert colours.chances == {sites[1].id: 0.75}
        follower.unveil([sites[0].id])
    assert colours.chances == {site.id: 0.75 for site in sites}
