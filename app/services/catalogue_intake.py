"""Takes columns of sites and of scores into a queue, its pairs and a view."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from app.services.queue import Queue
from app.services.queue_columns import code_of
from app.services.site_pairs import SitePairs
from ngplugin.snapshot import Veils
from proofreading.catalogue import News
from proofreading.decisions import Answer, Decision
from proofreading.site_columns import SiteColumns

__all__ = ["Intake", "SiteView", "Standing"]


class SiteView(Protocol):
    """The part of the viewer that shows sites; any thread may add to it."""

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


@dataclass(frozen=True)
class Standing:
    """The decisions that stand at one moment, by the numbers of their sites."""

    decisions: dict[int, Decision] = field(default_factory=dict)

    @classmethod
    def of(cls, decisions: Collection[Decision]) -> Standing:
        """Return standing decisions by the numbers of their sites."""
        return cls({int(decision.site_id, 16): decision for decision in decisions})

    def among(self, numbers: NDArray[np.uint64]) -> dict[int, Decision]:
        """Return the decisions on these sites, by their places."""
        if not self.decisions:
            return {}
        decided = np.fromiter(self.decisions, np.uint64)
        places = np.flatnonzero(np.isin(numbers, decided)).tolist()
        return {place: self.decisions[int(numbers[place])] for place in places}


class Intake:
    """Takes news in; everything that it fills belongs to whoever calls it."""

    def __init__(self, queue: Queue, view: SiteView, pairs: SitePairs) -> None:
        self._queue = queue
        self._view = view
        self._pairs = pairs

    def take(self, news: News, standing: Standing) -> None:
        """Take in one page of news."""
        if len(news.sites):
            self._add(news.sites, news.scores, standing)
        if news.changed.size:
            self._score(news.changed, standing)
        self.show_aside()

    def show_aside(self) -> None:
        """Tell the view which sites have become, or are no longer, a question of their own."""
        numbers, aside = self._queue.drain_aside()
        if numbers.size:
            self._view.set_aside(numbers, aside)

    def _add(self, columns: SiteColumns, scores: NDArray[np.void], standing: Standing) -> None:
        sites = columns.sites
        numbers = sites["number"]
        rows = self._pairs.add_columns(columns)
        scored = _places_of(scores["number"], numbers)
        self._pairs.choose_all(rows[scored], scores["partner"])
        decisions = self._settle(numbers, standing)
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

    def _score(self, scores: NDArray[np.void], standing: Standing) -> None:
        numbers, probabilities, failed = (
            scores["number"],
            scores["probability"],
            scores["failed"] != 0,
        )
        rows = self._pairs.rows(numbers)
        self._pairs.choose_all(rows, scores["partner"])
        self._settle(numbers, standing)
        self._queue.set_pairs(numbers, *self._pairs.pairs(rows))
        self._queue.set_scores(numbers, probabilities, failed)
        self._view.set_scores(numbers, probabilities, failed)

    def _settle(self, numbers: NDArray[np.uint64], standing: Standing) -> dict[int, Decision]:
        """Let sites ask about the partner that was answered; return decisions by place.

        What a person answered stays the question, whatever a model proposes now.
        """
        found = standing.among(numbers)
        for decision in found.values():
            self._pairs.choose(decision.site_id, decision.partner_supervoxel)
        return found


def _places_of(some: NDArray[np.uint64], numbers: NDArray[np.uint64]) -> NDArray[np.intp]:
    """Return where `some` of different numbers, in the same order, stand among these."""
    if some.size == numbers.size:
        return np.arange(some.size)
    # All are different on either side, which spares their sorting apart.
    return np.flatnonzero(np.isin(numbers, some, assume_unique=True))
