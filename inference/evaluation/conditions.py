"""Whether the out-of-distribution score tells where a judge gets worse.

The same questions are asked about degraded copies of the volume, and other tissue, and
each condition's accuracy is set beside its mean out-of-distribution score.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from inference.datasets.volumes import TruthVolume
from inference.evaluation.answers import AS_RECORDED, Answers
from inference.evaluation.degrade import CONDITIONS, degraded
from inference.evaluation.metrics import Figures, area_under_curve, measure
from inference.evaluation.pairs import Questions, pair_answers
from inference.evaluation.scorers import Scorer

__all__ = [
    "ConditionRow",
    "Trend",
    "Warned",
    "answers_under",
    "condition_rows",
    "conditions_cells",
    "conditions_json",
    "trends",
    "warned",
]


@dataclass(frozen=True)
class ConditionRow:
    """A judge's answers under one condition.

    Parameters
    ----------
    mean_ood : float
        Mean out-of-distribution score; 1 is what 95 % of usual inputs stay below.
    unusual : float
        Share of answers above 1.
    told_apart : float or None
        Chance that an answer's score here is above one's as recorded (area under the
        curve; 0.5 is chance); None for the volume as recorded.
    warns : float or None
        Chance that a wrong answer's score is above a right one's, in this condition.
    """

    judge: str
    dataset: str
    condition: str
    figures: Figures
    mean_ood: float
    unusual: float
    told_apart: float | None
    warns: float | None


@dataclass(frozen=True)
class Trend:
    """Rank correlation over conditions of the mean out-of-distribution score with a figure."""

    judge: str
    figure: str
    correlation: float
    p_value: float
    conditions: int


@dataclass(frozen=True)
class Warned:
    """Chance that a wrong answer of a judge has a higher score than a right one.

    ``usual`` on the volume as recorded, ``anywhere`` over all conditions together.
    """

    judge: str
    usual: float | None
    anywhere: float | None


def answers_under(
    questions: Questions,
    scorers: Sequence[Scorer],
    others: Sequence[TruthVolume] = (),
    *,
    conditions: Sequence[tuple[str, float]] = CONDITIONS,
    most: int | None = 600,
    say: Callable[[str], None] | None = None,
) -> Answers:
    """Ask judges about a volume as recorded, about degraded copies, and about other volumes.

    Parameters
    ----------
    questions : Questions
        About the volume as recorded; only its first kind of pairs is asked about.
    others : sequence of TruthVolume
        Volumes on which none of the judges was trained.
    most : int, optional
        Pairs for each judge and condition, at most.
    """
    tell = say or (lambda _: None)
    kind = next(iter(questions.pairs))
    plain = Questions(
        questions.volume, {kind: questions.pairs[kind]}, questions.original, questions.training
    )
    parts = [pair_answers(plain, scorers, most=most)]
    for name, amount in conditions:
        tell(f"asking about {name} {amount:g}")
        worse = plain.degraded(degraded(plain.original, name, amount), f"{name} {amount:g}")
        parts.append(pair_answers(worse, scorers, most=most))
    for volume in others:
        tell(f"asking about {volume.name}")
        elsewhere = Questions.about(volume)
        only = Questions(volume, {kind: elsewhere.pairs[kind]}, volume, elsewhere.training)
        parts.append(pair_answers(only, scorers, most=most))
    return Answers.concatenated(parts)


def condition_rows(answers: Answers, *, resamples: int = 300) -> list[ConditionRow]:
    """Measure each judge under each condition; the first dataset as recorded is the reference."""
    rows = []
    home = answers.dataset[0]
    for judge in answers.values("judge"):
        of_judge = answers.where(judge=judge)
        usual = of_judge.where(dataset=home, condition=AS_RECORDED)
        for dataset in of_judge.values("dataset"):
            for condition in of_judge.where(dataset=dataset).values("condition"):
                part = of_judge.where(dataset=dataset, condition=condition)
                reference = None if (dataset, condition) == (home, AS_RECORDED) else usual
                rows.append(_row(part, reference, resamples))
    return rows


def trends(rows: Sequence[ConditionRow]) -> list[Trend]:
    """Correlate the mean out-of-distribution score with each figure, over conditions."""
    found = []
    for judge in dict.fromkeys(row.judge for row in rows):
        of_judge = [row for row in rows if row.judge == judge and np.isfinite(row.mean_ood)]
        strange = [row.mean_ood for row in of_judge]
        for figure in ("balanced_accuracy", "auc", "ece_15"):
            values = [getattr(row.figures, figure) for row in of_judge]
            if len(values) > 2 and all(value is not None for value in values):
                result = spearmanr(strange, [value.value for value in values])
                found.append(Trend(judge, figure, float(result[0]), float(result[1]), len(values)))
    return found


def warned(answers: Answers) -> list[Warned]:
    """Measure for each judge how well the score tells wrong answers from right ones."""
    home = answers.dataset[0]
    found = []
    for judge in answers.values("judge"):
        of_judge = answers.where(judge=judge)
        usual = of_judge.where(dataset=home, condition=AS_RECORDED)
        found.append(Warned(judge, _warns(usual), _warns(of_judge)))
    return found


def conditions_json(answers: Answers) -> dict[str, Any]:
    """Return everything that is measured about conditions as plain values."""
    rows = condition_rows(answers)
    return {
        "rows": [asdict(row) for row in rows],
        "trends": [asdict(trend) for trend in trends(rows)],
        "warned": [asdict(each) for each in warned(answers)],
    }


def conditions_cells(answers: Answers) -> list[tuple[tuple[str, ...], list[list[str]]]]:
    """Return the tables of conditions, of their trends and of the warnings, in words."""
    rows = condition_rows(answers)
    conditions = [
        [
            row.judge,
            row.dataset,
            row.condition,
            f"{row.mean_ood:.2f}",
            f"{row.unusual:.0%}",
            _said(row.told_apart),
            _said(row.warns),
            f"{row.figures.pairs} ({row.figures.positives})",
            *(str(f) for f in (row.figures.balanced_accuracy, row.figures.auc, row.figures.ece_15)),
        ]
        for row in rows
    ]
    of_figures = [
        [t.judge, t.figure, f"{t.correlation:+.2f}", f"{t.p_value:.2g}", str(t.conditions)]
        for t in trends(rows)
    ]
    of_errors = [[w.judge, _said(w.usual), _said(w.anywhere)] for w in warned(answers)]
    return [
        (("judge", "dataset", "condition", "mean score", "unusual", "told apart", "warns of errors",
          "n (yes)", "balanced accuracy", "AUC", "ECE-15"), conditions),
        (("judge", "figure", "rank correlation", "p", "conditions"), of_figures),
        (("judge", "warns of errors as recorded", "anywhere"), of_errors),
    ]  # fmt: skip


def _said(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _warns(part: Answers) -> float | None:
    """Return the area under the curve of the score as a sign of wrong answers."""
    wrong = (part.even > 0.5) != part.truth
    if not np.isfinite(part.ood).all() or not 0 < int(wrong.sum()) < len(wrong):
        return None
    return area_under_curve(part.ood, wrong)


def _row(part: Answers, usual: Answers | None, resamples: int) -> ConditionRow:
    return ConditionRow(
        judge=part.judge[0],
        dataset=part.dataset[0],
        condition=part.condition[0],
        figures=measure(part.probability, part.truth, even=part.even, resamples=resamples),
        mean_ood=float(part.ood.mean()),
        unusual=float((part.ood > 1).mean()),
        told_apart=None if usual is None else _told_apart(part.ood, usual.ood),
        warns=_warns(part),
    )


def _told_apart(here: NDArray[np.float64], usual: NDArray[np.float64]) -> float | None:
    both = np.concatenate([here, usual])
    if not np.isfinite(both).all():
        return None
    return area_under_curve(both, np.arange(len(both)) < len(here))
