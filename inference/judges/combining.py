"""One probability from what two models said of one question, each in its own words.

Both say calibrated probabilities, so what they say can be added up as log odds. With
weights fitted on labelled answers (`inference.training.combination.fit_combination`) the
sum is calibrated. Until there are enough answers, the two log odds are averaged: never more
certain than the more certain of the two, and near even where they contradict each other.
Averages of calibrated forecasts are less certain than they might be, not more (Ranjan and
Gneiting 2010, doi:10.1111/j.1467-9868.2009.00726.x). A model that was never calibrated
changes nothing; its reasons are shown all the same.
"""

from __future__ import annotations

import hashlib
import json

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from proofreading.verdicts import Part, Verdict

__all__ = ["FEWEST_ANSWERS", "Weights", "average", "first_alone", "log_odds", "part_of"]

FEWEST_ANSWERS = 40
"""Answers to questions that both models were asked, below which no weights are fitted."""
_EDGE = 1e-6


class Weights(BaseModel):
    """``log odds = bias + first * first's + second * second's``.

    `samples` is the number of labelled answers they were fitted on, 0 for a rule; `models`
    are the ids of the two that they were fitted for, none for a rule.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    first: float = Field(ge=0)
    second: float = Field(ge=0)
    bias: float = 0.0
    samples: int = Field(default=0, ge=0)
    models: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """16 hexadecimal digits over every number, for a verdict's provenance."""
        packed = json.dumps(self.model_dump(), sort_keys=True).encode()
        return hashlib.sha256(packed).hexdigest()[:16]

    def probability(self, first: float, second: float) -> float:
        """Return the joint probability of two probabilities."""
        odds = log_odds(np.array([first, second]))
        return float(1 / (1 + np.exp(-(self.bias + self.first * odds[0] + self.second * odds[1]))))


def average() -> Weights:
    """Return the rule of two calibrated models without labelled answers."""
    return Weights(first=0.5, second=0.5)


def first_alone() -> Weights:
    """Return the rule of a second model that was never calibrated."""
    return Weights(first=1.0, second=0.0)


def log_odds(probability: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return log odds; a probability of exactly 0 or 1 has none that is finite."""
    chance = np.clip(np.asarray(probability, np.float64), _EDGE, 1 - _EDGE)
    return np.asarray(np.log(chance) - np.log1p(-chance))


def part_of(verdict: Verdict) -> Part:
    """Return a verdict as a part of a joint one."""
    where = verdict.provenance
    return Part(
        model_id=where.model_id,
        weights_sha256=where.weights_sha256,
        probability=verdict.probability,
        raw_score=verdict.raw_score,
        prompt_sha256=where.prompt_sha256,
    )
