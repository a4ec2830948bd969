"""A verdict that is to be hidden does not colour its site before the person has answered."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.services.catalogue_follower import CatalogueFollower
from app.services.queue import Queue
from app.services.site_pairs import SitePairs
from connectome.space import BoxNm
from ngplugin.snapshot import PROPERTIES, Veils
from ngplugin.store import SiteStore
from proofreading.decisions import Answer
from proofreading.session import Session
from proofreading.site_columns import SiteColumns
from tests.unit.app.test_deciding import _site, _verdict


class Page:
    """What a page would show of a store's sites."""

    def __init__(self) -> None:
        self.store = SiteStore(BoxNm((0.0, 0.0, 0.0), (1e5, 1e5, 1e5)), (10.0, 10.0, 10.0))
        self.recoloured: list[str] = []

    def add_columns(
        self,
        columns: SiteColumns,
        probabilities: NDArray[np.float64],
        failed: NDArray[np.bool_],
    ) -> None:
        self.store.add_columns(columns, probabilities, failed)

    def set_scores(
        self,
        numbers: NDArray[np.uint64],
        probabilities: NDArray[np.float64],
        failed: NDArray[np.bool_],
    ) -> None:
        self.store.set_scores(numbers, probabilities, failed)

    def set_answers(self, ids: Sequence[str], answers: Sequence[Answer | None]) -> None:
        self.store.set_answers(ids, answers)

    def set_aside(self, numbers: NDArray[np.uint64], aside: NDArray[np.bool_]) -> None:
        self.store.set_aside(numbers, aside)

    def veil(self, veils: Veils) -> None:
        self.store.veils = veils

    def recolour(self, ids: Sequence[str]) -> None:
        self.recoloured += ids

    def chances(self) -> list[float]:
        packed = self.store.patch_of(self.store.snapshot.numbers[: len(self.store)]).packed
        chances: list[float] = np.frombuffer(packed, PROPERTIES)["probability"].tolist()
        return chances


def test_a_veiled_site_is_coloured_once_it_is_answered(tmp_path: Path) -> None:
    sites = [_site(1), _site(2)]
    hidden, page, queue = [sites[0].number], Page(), Queue()

    def veils(numbers: NDArray[np.uint64]) -> NDArray[np.bool_]:
        return np.isin(numbers, np.array(hidden, np.uint64))

    with Session.open(
        tmp_path / "s.proofdesk", datastack_name="d", datastack_address="/d"
    ) as session:
        session.catalogue.add_sites(sites)
        session.catalogue.add_verdicts([_verdict(site, 0.75) for site in sites])
        follower = CatalogueFollower(
            session.catalogue, session.ledger, queue, page, SitePairs(), veils
        )
        while follower.follow():
            pass
        assert page.chances() == [-1.0, 0.75]
        hidden.clear()
        follower.unveil([sites[0].id])
    assert page.recoloured == [sites[0].id]
    assert page.chances() == [0.75, 0.75]
