"""Risk lanes of a judge, chosen in one block and audited in others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference.datasets.samples import Part
from inference.evaluation.answers import Answers
from inference.evaluation.lanes import Audit, Lanes, audit, lanes
from inference.features.site_spec import SITE_TASKS

__all__ = ["TARGETS", "LaneRow", "RiskCurve", "lane_rows", "ranked", "risk_curve", "told"]

TARGETS = (0.01, 0.02, 0.05)
"""Errors for which lanes are reported."""


@dataclass(frozen=True)
class LaneRow:
    """Lanes of a judge for one kind of question, and what an audit found.

    ``chosen_on`` says on which answers the thresholds were chosen: never on those audited.
    """

    judge: str
    source: str
    target_error: float
    chosen_on: str
    lanes: Lanes
    audit: Audit


@dataclass(frozen=True)
class RiskCurve:
    """Error (n,) of answering the surest answers alone, against their share (n,)."""

    coverage: NDArray[np.float64]
    error: NDArray[np.float64]


def told(answers: Answers) -> NDArray[np.float64]:
    """Return the chances (n,) a person is shown: candidates with the candidates' share of yes."""
    return np.where(answers.source == "automatic", answers.shown, answers.probability)


def ranked(answers: Answers) -> NDArray[np.float64]:
    """Return what answers (n,) are ranked by when those of several models are pooled.

    Pairs are all that there are, and ranked by the chance that is told. How many sites
    are a no is how many were drawn, which differs from block to block: those are ranked
    by the chance at even odds, which each model's own share of yes does not move.
    """
    return np.where(np.isin(answers.task, SITE_TASKS), answers.even, told(answers))


def lane_rows(answers: Answers, target_error: float) -> list[LaneRow]:
    """Choose and audit lanes for the answers of one judge about one kind of question.

    Where the answers hold a validation part, thresholds are chosen there and audited on
    the test part. Else they are chosen on the test answers of one model and audited on
    those of each other model, whose test block is another one.
    """
    test = answers.where(part=Part.TEST.value)
    validation = answers.where(part=Part.VALIDATION.value)
    if len(validation):
        where = f"validation block ({len(validation)} answers)"
        return [_row(validation, test, target_error, where)]
    found = []
    for model in test.values("model"):
        chosen, rest = test.where(model=model), test.rows(test.model != model)
        if len(rest):
            where = f"test block of {model} ({len(chosen)} answers)"
            found.append(_row(chosen, rest, target_error, where))
    return found


def risk_curve(chance: NDArray[np.float64], truth: NDArray[np.bool_]) -> RiskCurve:
    """Return the error of the automatic answers as they reach from the surest to all."""
    order = np.argsort(-np.abs(chance - 0.5), kind="stable")
    wrong = ((chance > 0.5) != truth)[order]
    count = np.arange(1, len(order) + 1)
    return RiskCurve(count / len(order), np.cumsum(wrong) / count)


def _row(chosen: Answers, audited: Answers, target_error: float, where: str) -> LaneRow:
    groups = chosen.group if chosen.group.any() else None
    made = lanes(told(chosen), chosen.truth, target_error, groups=groups)
    found = audit(made, told(audited), audited.truth)
    return LaneRow(audited.judge[0], audited.source[0], target_error, where, made, found)
