"""What the answers of a language model are worth, condition by condition."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference.calibration import calibrated
from inference.evaluation.bootstrap import Figure
from inference.evaluation.metrics import area_under_curve, measure
from inference.evaluation.vlm.asking import Said
from inference.models.manifest import Calibration

__all__ = ["ConditionFigures", "VoteFigures", "condition_figures", "vote_figures"]


@dataclass(frozen=True)
class ConditionFigures:
    """The figures of one condition; None where a class is missing.

    Parameters
    ----------
    questions : int
        How many were asked.
    read : float
        Share of them whose answer could be read.
    balanced_accuracy, auc : Figure or None
        Of the answers that could be read, with 95 % intervals.
    with_unread_wrong : float or None
        Balanced accuracy over all questions, where an answer that cannot be read is wrong.
    """

    condition: str
    questions: int
    positives: int
    read: float
    balanced_accuracy: Figure | None
    auc: Figure | None
    with_unread_wrong: float | None
    log_loss: float | None
    ece_15: float | None
    seconds_each: float


@dataclass(frozen=True)
class VoteFigures:
    """The figures of several sampled answers to each question.

    Parameters
    ----------
    draws : int
        Answers to a question.
    read : float
        Share of the answers that could be read.
    one_alone : float or None
        Mean balanced accuracy of a single draw, where an unread answer is wrong.
    majority : float or None
        Balanced accuracy of the majority; a tie, or nothing read, is wrong.
    agreement : float
        Mean share of a question's votes that are the majority's.
    auc_for_wrong : float or None
        How well disagreement tells the majority's wrong answers from its right ones:
        0.5 is not at all. None where it was always right, or always wrong.
    """

    draws: int
    temperature: float
    questions: int
    read: float
    one_alone: float | None
    majority: float | None
    agreement: float
    wrong: int
    auc_for_wrong: float | None


def condition_figures(said: Sequence[Said], calibration: Calibration) -> ConditionFigures:
    """Return the figures of the answers under one condition."""
    label = np.array([one.label for one in said])
    logit = np.array([np.nan if one.logit is None else one.logit for one in said])
    read = np.isfinite(logit)
    chance = calibrated(logit[read], calibration)
    figures = measure(chance, label[read])
    log_loss = figures.more.get("log_loss")
    return ConditionFigures(
        condition=said[0].condition,
        questions=len(said),
        positives=int(label.sum()),
        read=float(read.mean()),
        balanced_accuracy=figures.balanced_accuracy,
        auc=figures.auc,
        with_unread_wrong=_balanced(np.where(label, logit > 0, logit <= 0), label),
        log_loss=None if log_loss is None else log_loss.value,
        ece_15=None if figures.ece_15 is None else figures.ece_15.value,
        seconds_each=float(np.mean([one.latency_ms for one in said])) / 1000,
    )


def vote_figures(said: Sequence[Said], temperature: float) -> VoteFigures:
    """Return the figures of sampled answers."""
    votes: dict[str, list[bool]] = {one.sample: [] for one in said}
    labels = {one.sample: one.label for one in said}
    for one in said:
        if one.yes is not None:
            votes[one.sample].append(one.yes)
    label = np.array(list(labels.values()))
    yes = np.array([sum(each) for each in votes.values()])
    no = np.array([len(each) for each in votes.values()]) - yes
    right = np.where(label, yes > no, no > yes)
    cast = yes + no
    agreement = np.where(cast > 0, np.maximum(yes, no) / np.maximum(cast, 1), 0.5)
    draws = sorted({one.draw for one in said})
    alone = [_alone([one for one in said if one.draw == draw]) for draw in draws]
    singles = [figure for figure in alone if figure is not None]
    wrong = int((~right).sum())
    tellable = 0 < wrong < len(right)
    return VoteFigures(
        draws=len(draws),
        temperature=temperature,
        questions=len(label),
        read=float(np.mean([one.yes is not None for one in said])),
        one_alone=float(np.mean(singles)) if singles else None,
        majority=_balanced(right, label),
        agreement=float(agreement.mean()),
        wrong=wrong,
        auc_for_wrong=area_under_curve(1 - agreement, ~right) if tellable else None,
    )


def _alone(said: Sequence[Said]) -> float | None:
    label = np.array([one.label for one in said])
    return _balanced(np.array([one.yes is one.label for one in said]), label)


def _balanced(right: NDArray[np.bool_], label: NDArray[np.bool_]) -> float | None:
    """Return the mean of the shares of right answers to yes and to no."""
    if label.all() or not label.any():
        return None
    return float((right[label].mean() + right[~label].mean()) / 2)
