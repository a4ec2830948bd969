"""Brings what workers wrote into the queue and into Neuroglancer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from app.services.queue import Queue, row_of
from proofreading.catalogue import START, Catalogue, SiteScore
from proofreading.decisions import Answer
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


class CatalogueFollower:
    """Follows a catalogue by its change token."""

    def __init__(self, catalogue: Catalogue, ledger: Ledger, queue: Queue, view: SiteView) -> None:
        self._catalogue = catalogue
        self._ledger = ledger
        self._queue = queue
        self._view = view
        self._token = START
        self._partner_roots: dict[str, dict[int, int]] = {}

    def follow(self) -> bool:
        """Take in one page of news; tell whether there may be more."""
        changes = self._catalogue.changes_since(self._token)
        self._token = changes.token
        if changes.sites:
            self._add(changes.sites)
        if changes.scores:
            self._score(changes.scores)
        return bool(changes)

    def _add(self, sites: list[Site]) -> None:
        answers = [self._answer(site.id) for site in sites]
        for site in sites:
            self._partner_roots[site.id] = {p.supervoxel: p.root for p in site.partners}
        self._queue.add(
            replace(row_of(site), answer=answer)
            for site, answer in zip(sites, answers, strict=True)
        )
        self._view.add_sites(sites)
        given = [(s.id, a) for s, a in zip(sites, answers, strict=True) if a is not None]
        if given:
            self._view.set_answers([i for i, _ in given], [a for _, a in given])

    def _score(self, scores: list[SiteScore]) -> None:
        judged = [(s.site_id, s.probability) for s in scores if s.probability is not None]
        failed = [s.site_id for s in scores if s.probability is None and s.failed]
        for score in scores:
            self._queue.set_score(score.site_id, score.probability, failed=score.failed)
            if score.partner_supervoxel is not None:
                roots = self._partner_roots.get(score.site_id, {})
                self._queue.set_partner(score.site_id, roots.get(score.partner_supervoxel))
        if judged:
            self._view.set_probabilities([i for i, _ in judged], [p for _, p in judged])
        if failed:
            self._view.set_failed(failed)

    def _answer(self, site_id: str) -> Answer | None:
        decision = self._ledger.state.decision(site_id)
        return decision.answer if decision is not None else None
