"""Brings what workers wrote into the queue and into Neuroglancer."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from app.services.queue import Queue
from app.services.queue_columns import code_of
from app.services.site_pairs import SitePairs
from ngplugin.snapshot import Veils
from proofreading.catalogue import START, Catalogue
from proofreading.decisions import Answer, Decision
from proofreading.ledger.store import Ledger
from proofreading.site_columns import SiteColumns

__all__ = ["CatalogueFollower", "SiteView"]

_LEAST, _MOST = 1_000, 50_000
_TURN_S, _FIRST_TURN_S = 0.03, 0.2
"""How long taking in one page may hold the window up: now, and before there is all to see."""


class SiteView(Protocol):
    """The part of the viewer that shows sites."""

    def add_columns(
        self,
        columns: SiteColumns,
        probabilities: NDArray[np.float64],
        failed: NDArray[np.bool_],
    ) -> None:
        """Show more sites with their scores (NaN: not judged)."""
        ...

    def set_scores(
        self,
        numbers: NDArray[np.uint64],
        probabilities: NDArray[np.float64],
        failed: NDArray[np.bool_],
    ) -> None:
        """Colour sites by their newest scores (NaN: not judged)."""
        ...

    def set_answers(self, ids: Sequence[str], answers: Sequence[Answer | None]) -> None:
        """Fade decided sites."""
        ...

    def set_aside(self, numbers: NDArray[np.uint64], aside: NDArray[np.bool_]) -> None:
        """Take sites out of sight that ask nothing of their own, or bring them back."""
        ...

    def veil(self, veils: Veils) -> None:
        """Show sites as not judged of which this tells so; it is asked on any thread."""
        ...

    def recolour(self, ids: Sequence[str]) -> None:
        """Show sites anew whose verdict may be seen now, or no more."""
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
        veils: Veils | None = None,
    ) -> None:
        self._catalogue = catalogue
        self._ledger = ledger
        self._queue = queue
        self._view = view
        self._pairs = pairs
        self._token = START
        self._page = 10 * _LEAST
        self._turn_s = _FIRST_TURN_S
        self._decided: tuple[int, NDArray[np.uint64]] = (-1, np.empty(0, np.uint64))
        if veils is not None:
            view.veil(veils)

    def follow(self) -> bool:
        """Take in one page of news; tell whether there may be more."""
        began = time.perf_counter()
        news = self._catalogue.news_since(self._token, limit=self._page)
        self._token = news.token
        if len(news.sites):
            self._add(news.sites, news.scores)
        if news.changed.size:
            self._score(news.changed)
        self.show_aside()
        self._pace(time.perf_counter() - began, more=bool(news))
        return bool(news)

    def _pace(self, took: float, *, more: bool) -> None:
        """Choose how much to take in next time, so that it takes as long as it may."""
        if more:
            factor = float(np.clip(self._turn_s / max(took, 1e-6), 0.5, 2.0))
            self._page = int(np.clip(self._page * factor, _LEAST, _MOST))
        elif self._turn_s != _TURN_S:
            self._turn_s, self._page = _TURN_S, 2 * _LEAST

    def show_aside(self) -> None:
        """Tell the viewer which sites have become, or are no longer, a question of their own."""
        numbers, aside = self._queue.drain_aside()
        if numbers.size:
            self._view.set_aside(numbers, aside)

    def unveil(self, site_ids: Sequence[str]) -> None:
        """Colour sites whose verdict may be seen now."""
        self._view.recolour(site_ids)

    def _add(self, columns: SiteColumns, scores: NDArray[np.void]) -> None:
        sites = columns.sites
        numbers = sites["number"]
        rows = self._pairs.add_columns(columns)
        # Scores come in the order of their sites.
        scored = np.flatnonzero(np.isin(numbers, scores["number"]))
        self._pairs.choose_all(rows[scored], scores["partner"])
        decisions = self._settle(numbers)
        roots, partners = self._pairs.pairs(rows)
        probabilities, failed = np.full(numbers.size, np.nan), np.zeros(numbers.size, np.bool_)
        probabilities[scored], failed[scored] = scores["probability"], scores["failed"] != 0
        answers = np.zeros(numbers.size, np.uint8)
        follows = np.zeros(numbers.size, np.bool_)
        for row, decision in decisions.items():
            answers[row] = code_of(decision.answer)
            follows[row] = decision.follows is not None
        points = sites["point"]
        values = {
            "number": numbers,
            "kind": sites["kind"],
            "face": sites["face"] != 0,
            "value": sites["value"],
            **{axis: points[:, place] for place, axis in enumerate("xyz")},
            "root": roots,
            "partner": partners,
            "answer": answers,
            "follows": follows,
            "probability": probabilities,
            "failed": failed,
        }
        self._queue.add_columns(values)
        self._view.add_columns(columns, probabilities, failed)
        if decisions:
            ids = [decision.site_id for decision in decisions.values()]
            self._view.set_answers(ids, [each.answer for each in decisions.values()])

    def _score(self, scores: NDArray[np.void]) -> None:
        numbers, probabilities, failed = (
            scores["number"],
            scores["probability"],
            scores["failed"] != 0,
        )
        rows = self._pairs.rows(numbers)
        self._pairs.choose_all(rows, scores["partner"])
        self._settle(numbers)
        self._queue.set_pairs(numbers, *self._pairs.pairs(rows))
        self._queue.set_scores(numbers, probabilities, failed)
        self._view.set_scores(numbers, probabilities, failed)

    def _settle(self, numbers: NDArray[np.uint64]) -> dict[int, Decision]:
        """Let sites ask about the partner that was answered; return decisions by place.

        What a person answered stays the question, whatever a model proposes now.
        """
        found = {}
        for row in np.flatnonzero(np.isin(numbers, self._decided_numbers())).tolist():
            decision = self._ledger.state.decision(f"{int(numbers[row]):016x}")
            if decision is not None:
                self._pairs.choose(decision.site_id, decision.partner_supervoxel)
                found[row] = decision
        return found

    def _decided_numbers(self) -> NDArray[np.uint64]:
        state = self._ledger.state
        if self._decided[0] != state.last_number:
            numbers = [int(decision.site_id, 16) for decision in state.decisions()]
            self._decided = (state.last_number, np.array(numbers, np.uint64))
        return self._decided[1]
