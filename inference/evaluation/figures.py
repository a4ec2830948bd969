"""The figures of an evaluation, whatever the task: rows of a table, differences, lanes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference.calibration import calibration_floor
from inference.datasets.samples import Part
from inference.evaluation.answers import AS_RECORDED, Answers
from inference.evaluation.metrics import Difference, Figures, difference, measure
from inference.evaluation.risk import TARGETS, LaneRow, lane_rows, ranked, told
from proofreading.verdicts import Task

__all__ = [
    "ALL",
    "EVERY_BLOCK",
    "DifferenceRow",
    "EvaluationReport",
    "ReportRow",
    "difference_rows",
    "every_lane",
    "measured_row",
    "report_rows",
]

ALL = "all"
EVERY_BLOCK = "all, every held-out block"
"""Also the block of the fold ``middle``, on which lanes are chosen: for calibration."""
_COLUMNS = (
    "judge",
    "questions",
    "group",
    "n (yes)",
    "balanced accuracy",
    "AUC",
    "precision at recall 0.8",
    "ECE-15",
    "adaptive ECE",
    "perfect judge's ECE-15",
)
_COMPARED = ("balanced_accuracy", "auc", "brier")


@dataclass(frozen=True)
class ReportRow:
    """Figures of one group of questions.

    ``ece_floor`` is the ECE-15 that a judge would have which is right exactly as often as
    this one says, on as many questions: mean and 95th percentile.
    """

    judge: str
    pairs: str
    group: str
    figures: Figures
    ece_floor: tuple[float, float] | None = None


@dataclass(frozen=True)
class DifferenceRow:
    """By how much one judge is above another on the same questions."""

    judge: str
    other: str
    pairs: str
    questions: int
    figures: Mapping[str, Difference]


@dataclass(frozen=True)
class EvaluationReport:
    """All figures of an evaluation, and the answers that they were taken from.

    Parameters
    ----------
    models : tuple of str
        Ids of the models asked.
    weights : dict
        The sha256 of each model's weights.
    baselines : mapping
        Published figures for each source of questions, by what reached them.
    conditions : Answers or None
        Answers about degraded copies and other tissue.
    """

    task: Task
    dataset: str
    dataset_sha256: str
    models: tuple[str, ...]
    weights: dict[str, str]
    rows: tuple[ReportRow, ...]
    differences: tuple[DifferenceRow, ...]
    lanes: tuple[LaneRow, ...]
    answers: Answers
    baselines: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    conditions: Answers | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the report as plain values, without the answers."""
        found = {
            "task": self.task.value,
            "dataset": self.dataset,
            "dataset_sha256": self.dataset_sha256,
            "models": self.models,
            "weights": self.weights,
            "rows": [asdict(row) for row in self.rows],
            "differences": [asdict(row) for row in self.differences],
            "lanes": [asdict(row) for row in self.lanes],
            "baselines": self.baselines,
        }
        if self.conditions is not None:
            from inference.evaluation.conditions import conditions_json

            found["conditions"] = conditions_json(self.conditions)
        return found

    def as_table(self) -> str:
        """Return figures, differences and lanes as Markdown tables."""
        names: tuple[str, ...] = _COLUMNS
        parts = [_table(names, [_cells(row) for row in self.rows])]
        if self.differences:
            names = ("judge", "less", "questions", "n", *_COMPARED)
            parts.append(_table(names, [_difference_cells(row) for row in self.differences]))
        if self.lanes:
            names = ("judge", "questions", "target", "chosen on", "accept from", "reject up to",
                     "decided", "error", "coverage")  # fmt: skip
            parts.append(_table(names, [_lane_cells(row) for row in self.lanes]))
        if self.conditions is not None:
            from inference.evaluation.conditions import conditions_cells

            parts += [_table(head, rows) for head, rows in conditions_cells(self.conditions)]
        return "\n\n".join(parts)


def report_rows(answers: Answers, *, resamples: int = 1000) -> Iterator[ReportRow]:
    """Yield the figures of every judge and group of test answers.

    Intervals are over questions, as the protocol has them; the group "all, drawn by body"
    has them over true bodies, as questions about one body are not independent.
    """
    test = answers.where(part=Part.TEST.value)
    for judge in test.values("judge"):
        for source in test.where(judge=judge).values("source"):
            part = test.where(judge=judge, source=source)
            plain = part.where(condition=AS_RECORDED)
            if len(plain):
                yield from _plain_rows(answers, plain, resamples)
            for condition in part.values("condition"):
                if condition != AS_RECORDED:
                    yield measured_row(part.where(condition=condition), condition, resamples)


def _plain_rows(answers: Answers, plain: Answers, resamples: int) -> Iterator[ReportRow]:
    judge, source = plain.judge[0], plain.source[0]
    yield measured_row(plain, ALL, resamples, floor=True)
    by_body = measure(
        told(plain),
        plain.truth,
        groups=plain.group,
        even=plain.even,
        rank=ranked(plain),
        resamples=resamples,
    )
    yield ReportRow(judge, source, "all, drawn by body", by_body)
    if plain.unseen.any() and not plain.unseen.all():
        yield measured_row(
            plain.where(unseen=True), "bodies unseen in training", resamples, floor=True
        )
    every = answers.where(judge=judge, source=source, condition=AS_RECORDED)
    if len(every) > len(plain):
        yield measured_row(every, EVERY_BLOCK, resamples, floor=True)


def measured_row(
    part: Answers, group: str, resamples: int = 1000, *, floor: bool = False
) -> ReportRow:
    """Return the figures of some answers of one judge about one kind of question."""
    figures = measure(
        told(part), part.truth, even=part.even, rank=ranked(part), resamples=resamples
    )
    lowest = calibration_floor(told(part)) if floor and figures.ece_15 is not None else None
    return ReportRow(part.judge[0], part.source[0], group, figures, lowest)


def difference_rows(answers: Answers, *, resamples: int = 1000) -> Iterator[DifferenceRow]:
    """Compare every judge with those before it, on the test questions both answered."""
    test = answers.where(part=Part.TEST.value, condition=AS_RECORDED)
    for source in test.values("source"):
        of_source = test.where(source=source)
        judges = of_source.values("judge")
        for number, judge in enumerate(judges):
            for other in judges[:number]:
                one, two = _same(of_source.where(judge=judge), of_source.where(judge=other))
                if 0 < int(one.truth.sum()) < len(one):
                    found = difference(
                        told(one),
                        told(two),
                        one.truth,
                        even=(one.even, two.even),
                        rank=(ranked(one), ranked(two)),
                        resamples=resamples,
                    )
                    kept = {name: found[name] for name in _COMPARED}
                    yield DifferenceRow(judge, other, source, len(one), kept)


def every_lane(answers: Answers) -> Iterator[LaneRow]:
    """Yield the automatic lanes of every judge at every target."""
    plain = answers.where(condition=AS_RECORDED)
    for judge in plain.values("judge"):
        for source in plain.where(judge=judge).values("source"):
            for target in TARGETS:
                yield from lane_rows(plain.where(judge=judge, source=source), target)


def _same(one: Answers, two: Answers) -> tuple[Answers, Answers]:
    names: tuple[NDArray[Any], NDArray[Any]] = one.sample.astype(str), two.sample.astype(str)
    _, first, second = np.intersect1d(*names, return_indices=True)
    return one.rows(first), two.rows(second)


def _table(names: tuple[str, ...], rows: list[list[str]]) -> str:
    head = "| " + " | ".join(names) + " |\n" + "|---" * len(names) + "|"
    return "\n".join([head, *("| " + " | ".join(row) + " |" for row in rows)])


def _cells(row: ReportRow) -> list[str]:
    found = row.figures
    figures = [found.balanced_accuracy, found.auc, found.more.get("precision_at_recall_0.8")]
    figures += [found.ece_15, found.more.get("adaptive_ece_15")]
    cells = [row.judge, row.pairs, row.group, f"{found.pairs} ({found.positives})"]
    cells += ["–" if figure is None else str(figure) for figure in figures]
    floor = row.ece_floor
    return [*cells, "–" if floor is None else f"{floor[0]:.3f}, 95 %: {floor[1]:.3f}"]


def _difference_cells(row: DifferenceRow) -> list[str]:
    figures = [str(row.figures[name].figure) for name in _COMPARED]
    return [row.judge, row.other, row.pairs, str(row.questions), *figures]


def _lane_cells(row: LaneRow) -> list[str]:
    found, lanes = row.audit.automatic, row.lanes
    borders = ["–" if b is None else f"{b:.3f}" for b in (lanes.accept_above, lanes.reject_below)]
    error = found.error
    share = "–" if error is None else f"{error.value:.1%} [{error.low:.1%}–{error.high:.1%}]"
    ends = [f"{found.count} ({found.errors} wrong)", share, f"{found.coverage:.1%}"]
    return [row.judge, row.source, f"{row.target_error:.0%}", row.chosen_on, *borders, *ends]
