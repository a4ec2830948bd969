"""Two judges of one task: a quick one answers, and a slow one where that is not enough.

A `Router` decides and adds up; who waits for the slow judge is up to the caller. The
window asks in the background (`app.services.second_opinions`), `Router.judge_sites` waits.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum

import numpy as np

from connectome.datastack import Datastack
from inference.judges.base import SiteJudge
from inference.judges.combining import Weights, average, first_alone, log_odds, part_of
from inference.judges.questions import asked_partners
from inference.judges.routing import Purse, Route
from inference.judges.vlm.folder import UNCALIBRATED
from inference.judges.vlm.judge import VlmJudge
from proofreading.sites import Site
from proofreading.verdicts import FailedVerdict, Task, Verdict

__all__ = ["Reason", "Router", "Wanted", "only"]

Result = Verdict | FailedVerdict
Question = tuple[str, int | None]


class Reason(StrEnum):
    """Why a second judge is asked."""

    TASK = "the task needs it"
    UNSURE = "the first judge is unsure"
    DISAGREEMENT = "its members disagree"
    WISH = "the person asks"


@dataclass(frozen=True)
class Wanted:
    """That a second judge should be asked: why, and how much it matters (0 to 1)."""

    reason: Reason
    urgency: float


class Router:
    """Asks a second judge where the first leaves a question open.

    Parameters
    ----------
    second : VlmJudge
        The slow one.
    first : SiteJudge or None
        The quick one, of the same task; without one, the second is asked everything.
    route : Route
        When, and how long it may take.
    """

    def __init__(
        self, second: VlmJudge, first: SiteJudge | None = None, route: Route | None = None
    ) -> None:
        assert first is None or first.manifest.task is second.manifest.task
        self.first, self.second = first, second
        self.route = route or Route()
        self.purse = Purse(self.route.seconds_per_site)
        self.weights = self._weights()

    @property
    def task(self) -> Task:
        """The question that it answers."""
        return self.second.manifest.task

    @property
    def id(self) -> str:
        """The name that joint verdicts have; the second's own where it is alone."""
        if self.first is None:
            return self.second.manifest.id
        return f"{self.first.manifest.id}.with.{self.second.manifest.id}"

    @property
    def own_ids(self) -> frozenset[str]:
        """Models whose verdicts are second opinions, not first ones."""
        return frozenset({self.id, self.second.manifest.id})

    def wants(self, said: Result) -> Wanted | None:
        """Tell whether a question should be asked again, of the second judge.

        A first judge that failed leaves the question wide open.
        """
        if isinstance(said, FailedVerdict):
            return Wanted(Reason.UNSURE, 1.0)
        chance, route = said.probability, self.route
        doubt = 1.0 - abs(2.0 * chance - 1.0)
        if route.always or self.first is None:
            return Wanted(Reason.TASK, doubt)
        if route.unsure_from <= chance <= route.unsure_to:
            return Wanted(Reason.UNSURE, doubt)
        spread = _spread(said)
        return Wanted(Reason.DISAGREEMENT, spread) if spread >= route.disagreement else None

    def together(self, first: Verdict, second: Verdict) -> Verdict:
        """Return the joint verdict of two on one question; it names both as its parts."""
        chance = self.weights.probability(first.probability, second.probability)
        seen, asked = first.provenance, second.provenance
        provenance = replace(
            asked,
            model_id=self.id,
            weights_sha256=self._sha256(),
            calibration_id=self.weights.id,
            picture_spec=f"{seen.picture_spec}+{asked.picture_spec}",
            latency_ms=seen.latency_ms + asked.latency_ms,
            out_of_distribution=seen.out_of_distribution,
            measured_by=seen.measure,
        )
        return replace(
            second,
            probability=chance,
            raw_score=float(log_odds(np.array([chance]))[0]),
            made_at=max(datetime.now(UTC), first.made_at, second.made_at),
            provenance=provenance,
            parts=(part_of(first), part_of(second)),
        )

    def judge_sites(self, datastack: Datastack, sites: Sequence[Site]) -> list[Result]:
        """Return the final verdict of every question, and wait for the second judge."""
        return [result for result, _ in self.explained(datastack, sites)]

    def explained(
        self, datastack: Datastack, sites: Sequence[Site]
    ) -> list[tuple[Result, tuple[Result, ...]]]:
        """Return each final verdict with what the judges that were asked said.

        The most doubtful questions come first, for as long as the budget of these sites
        (and what earlier ones left) lasts.
        """
        said = self._first(datastack, sites)
        self.purse.earn(len(sites))
        more: dict[Question, Result] = {}
        for question in self._by_urgency(sites, said):
            # With nobody else to answer, a question is asked whatever it takes.
            if self.first is None or self.purse.affords():
                more |= self._ask(datastack, sites, question)
        return [
            self._final(said.get(question), more.get(question))
            for question in _questions(self.task, sites)
        ]

    def _first(self, datastack: Datastack, sites: Sequence[Site]) -> dict[Question, Result]:
        return {} if self.first is None else _by_question(self.first.judge_sites(datastack, sites))

    def _by_urgency(self, sites: Sequence[Site], said: dict[Question, Result]) -> list[Question]:
        urgency = {
            question: wanted.urgency
            for question in _questions(self.task, sites)
            if (wanted := self._wanted(said.get(question))) is not None
        }
        return sorted(urgency, key=lambda question: -urgency[question])

    def _wanted(self, said: Result | None) -> Wanted | None:
        return Wanted(Reason.TASK, 1.0) if said is None else self.wants(said)

    def _ask(
        self, datastack: Datastack, sites: Sequence[Site], question: Question
    ) -> dict[Question, Result]:
        site = next(site for site in sites if site.id == question[0])
        partners = frozenset(() if question[1] is None else (question[1],))
        results = self.second.judge_sites(datastack, [only(site, partners)])
        for result in results:
            took = result.provenance.latency_ms if isinstance(result, Verdict) else 0.0
            self.purse.spend(took / 1000)
        return _by_question(results)

    def _final(
        self, first: Result | None, second: Result | None
    ) -> tuple[Result, tuple[Result, ...]]:
        parts = tuple(result for result in (first, second) if result is not None)
        if isinstance(first, Verdict) and isinstance(second, Verdict):
            return self.together(first, second), parts
        # One answer is better than none; whoever failed is among the parts.
        verdicts = [result for result in parts if isinstance(result, Verdict)]
        if verdicts:
            return verdicts[0], parts
        return parts[0], parts

    def _weights(self) -> Weights:
        fitted = self.route.weights
        if fitted is not None and fitted.models in ((), self._models):
            return fitted
        known = self.second.manifest.calibration.id != UNCALIBRATED
        return average() if known else first_alone()

    @property
    def _models(self) -> tuple[str, ...]:
        first = () if self.first is None else (self.first.manifest.id,)
        return (*first, self.second.manifest.id)

    def _sha256(self) -> str:
        parts = [self.second.manifest.sha256, self.weights.id]
        parts += [] if self.first is None else [self.first.manifest.sha256]
        return hashlib.sha256("+".join(parts).encode()).hexdigest()


def only(site: Site, partners: frozenset[int]) -> Site:
    """Return a site with only these partners; the site itself where none is named."""
    if not partners:
        return site
    return replace(site, partners=tuple(p for p in site.partners if p.supervoxel in partners))


def _spread(said: Verdict) -> float:
    chances = [part.probability for part in said.parts]
    return max(chances) - min(chances) if chances else 0.0


def _questions(task: Task, sites: Sequence[Site]) -> list[Question]:
    return [
        (site.id, None if partner is None else partner.supervoxel)
        for site in sites
        for partner in asked_partners(task, site)
    ]


def _by_question(results: Sequence[Result]) -> dict[Question, Result]:
    return {(result.site_id, result.partner_supervoxel): result for result in results}
