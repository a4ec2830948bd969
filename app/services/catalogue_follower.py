"""Brings what workers wrote into the queue and into Neuroglancer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

from app.services.model import QueueRow
from app.services.queue import Queue, row_of
from app.services.site_pairs import SitePairs
from proofreading.catalogue import START, Catalogue, SiteScore
from proofreading.decisions import Answer, Decision
from proofreading.ledger.store import Ledger
from proofreading.sites import Site

__all__ = ["CatalogueFollower", "SiteView"]


class SiteView(Protocol):
    """The part of the viewer that shows sites."""

    def add_sites(self, sites: Sequence[Site]) -> None:
        """Show more sites."""
        ...

    def set_probabilities(self, ids: Sequence[str], values: Sequence[float]) -> None:
        """Colour sites."""
        ...

    def set_failed(self, ids: Sequence[str]) -> None:
        """Mark sites whose verdict failed."""
        ...

    def set_answers(self, ids: Sequence[str], answers: Sequence[Answer | None]) -> None:
        """Fade decided sites."""
        ...

    def set_aside(self, ids: Sequence[str], aside: Sequence[bool]) -> None:
        """Take sites out of sight that ask nothing of their own, or bring them back."""
        ...


class CatalogueFollower:
    """Follows a catalogue by its change token."""

    def __init__(
        self,
        catalogue: Catalogue,
        ledger: Ledger,
        queue: Queue,
        view: SiteView,
        pairs: SitePairs,
        veils: Callable[[str], bool] = lambda _site_id: False,
    ) -> None:
        self._catalogue = catalogue
        self._ledger = ledger
        self._queue = queue
        self._view = view
        self._pairs = pairs
        self._veils = veils
        self._token = START

    def follow(self) -> bool:
        """Take in one page of news; tell whether there may be more."""
        changes = self._catalogue.changes_since(self._token)
        self._token = changes.token
        if changes.sites:
            self._add(changes.sites)
        if changes.scores:
            self._score(changes.scores)
        self.show_aside()
        return bool(changes)

    def show_aside(self) -> None:
        """Tell the viewer which sites have become, or are no longer, a question of their own."""
        numbers, aside = self._queue.drain_aside()
        if numbers.size:
            ids = [f"{number:016x}" for number in numbers.tolist()]
            self._view.set_aside(ids, aside.tolist())

    def unveil(self, site_ids: Sequence[str]) -> None:
        """Colour sites whose verdict may be seen now."""
        scores = [self._catalogue.score(site_id) for site_id in site_ids]
        told = [(s.site_id, s.probability) for s in scores if s.probability is not None]
        if told:
            self._view.set_probabilities([i for i, _ in told], [p for _, p in told])

    def _add(self, sites: list[Site]) -> None:
        rows, given = [], []
        for site in sites:
            self._pairs.add(site)
            decision = self._ledger.state.decision(site.id)
            if decision is not None:
                self._pairs.choose(site.id, decision.partner_supervoxel)
                given.append((site.id, decision.answer))
            rows.append(_row(site, self._pairs.pair(site.id), decision))
        self._queue.add(rows)
        self._view.add_sites(sites)
        if given:
            self._view.set_answers([i for i, _ in given], [a for _, a in given])

    def _score(self, scores: list[SiteScore]) -> None:
        judged = [
            (s.site_id, s.probability)
            for s in scores
            if s.probability is not None and not self._veils(s.site_id)
        ]
        failed = [s.site_id for s in scores if s.probability is None and s.failed]
        for score in scores:
            # What a person answered stays the question, whatever a model proposes now.
            if self._ledger.state.decision(score.site_id) is None:
                self._pairs.choose(score.site_id, score.partner_supervoxel)
                self._queue.set_pair(score.site_id, *self._pairs.pair(score.site_id))
            self._queue.set_score(score.site_id, score.probability, failed=score.failed)
        if judged:
            self._view.set_probabilities([i for i, _ in judged], [p for _, p in judged])
        if failed:
            self._view.set_failed(failed)


def _row(site: Site, pair: tuple[int, int | None], decision: Decision | None) -> QueueRow:
    row = replace(row_of(site), root=pair[0], partner_root=pair[1])
    if decision is None:
        return row
    return replace(row, answer=decision.answer, follows=decision.follows is not None)
