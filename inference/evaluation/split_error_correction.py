"""The figures of the judges of split errors, by the protocol of the two spatial folds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from connectome.errors import ModelError
from inference.datasets.samples import Part
from inference.datasets.volumes import load_truth_volume
from inference.evaluation.answers import AS_RECORDED, Answers
from inference.evaluation.controls import refitted_answers
from inference.evaluation.metrics import Figures, measure
from inference.evaluation.pairs import Questions, pair_answers, refused
from inference.evaluation.risk import TARGETS, LaneRow, lane_rows
from inference.evaluation.scorers import scorers
from inference.models.registry import ModelFolder, find_model, list_models
from proofreading.verdicts import Task

__all__ = ["BASELINES", "EvaluationReport", "ReportRow", "evaluate_pairs", "report_rows"]

BASELINES: dict[str, dict[str, str]] = {
    "watershed": {
        "contact area": "0.529 / 0.485",
        "gradient boosting on 54 features": "0.906 [0.898–0.914] / 0.971",
        "the same, both bodies unseen": "0.854 / 0.936",
    },
    "automatic": {"gradient boosting on 54 features": "0.837 [0.784–0.886] / 0.891"},
}
"""Balanced accuracy / AUC stated with the data set's protocol; not measured here."""

Say = Callable[[str], None]


@dataclass(frozen=True)
class ReportRow:
    """Figures of one group of pairs."""

    judge: str
    pairs: str
    group: str
    figures: Figures


@dataclass(frozen=True)
class EvaluationReport:
    """All figures of an evaluation, and the answers that they were taken from.

    Parameters
    ----------
    models : tuple of str
        Ids of the models asked.
    weights : dict
        The sha256 of each model's weights.
    """

    dataset: str
    dataset_sha256: str
    models: tuple[str, ...]
    weights: dict[str, str]
    rows: tuple[ReportRow, ...]
    lanes: tuple[LaneRow, ...]
    answers: Answers

    def as_json(self) -> dict[str, Any]:
        """Return the report as plain values, without the answers."""
        return {
            "task": Task.SPLIT_ERROR_CORRECTION.value,
            "dataset": self.dataset,
            "dataset_sha256": self.dataset_sha256,
            "models": self.models,
            "weights": self.weights,
            "rows": [asdict(row) for row in self.rows],
            "lanes": [asdict(row) for row in self.lanes],
            "baselines": BASELINES,
        }

    def as_table(self) -> str:
        """Return the rows as a Markdown table."""
        names = ("judge", "pairs", "group", "n (yes)", "balanced accuracy", "AUC", "ECE-15")
        head = "| " + " | ".join(names) + " |\n" + "|---" * len(names) + "|"
        return "\n".join([head, *(_line(row) for row in self.rows)])


def evaluate_pairs(
    data: Path,
    models: Sequence[str] | None = None,
    *,
    compared: bool = False,
    threads: int | None = None,
    say: Say | None = None,
) -> EvaluationReport:
    """Measure models on the test blocks of their own folds.

    Parameters
    ----------
    data : Path
        Folder with ``em.npz`` and ``labels.npz``.
    models : sequence of str, optional
        Ids or folders, one of each kind for each fold; every bundled one for this task
        that has a test block if None. The answers of a model of the fold ``middle``
        choose the risk lanes and stand in no figure.
    compared : bool
        Also fit gradient boosting here, on all features and on parts of them, and on
        shuffled answers.
    threads : int, optional
        Processor threads; every core if None.

    Raises
    ------
    ModelError
        If a model was trained on other data, or if two of a kind were trained on one fold.
    """
    tell = say or (lambda _: None)
    volume = load_truth_volume(data)
    folders = _chosen(models)
    refused([folder.manifest for folder in folders], volume)
    questions = Questions.about(volume)
    parts = []
    for folder in folders:
        tell(f"asking {folder.manifest.id}")
        parts.append(pair_answers(questions, scorers(folder, threads=threads)))
    if compared:
        parts.append(refitted_answers(questions, say=tell))
    answers = Answers.concatenated(parts)
    return EvaluationReport(
        dataset=volume.name,
        dataset_sha256=volume.sha256,
        models=tuple(folder.manifest.id for folder in folders),
        weights={folder.manifest.id: folder.manifest.sha256 for folder in folders},
        rows=tuple(report_rows(answers)),
        lanes=tuple(_lanes(answers)),
        answers=answers,
    )


def report_rows(answers: Answers, *, resamples: int = 1000) -> Iterator[ReportRow]:
    """Yield the figures of every judge and group of test answers.

    Intervals are over pairs, as the protocol has them; the group "all, drawn by body"
    has them over true bodies, as pairs of one body are not independent.
    """
    test = answers.where(part=Part.TEST.value)
    for judge in test.values("judge"):
        for source in test.values("source"):
            part = test.where(judge=judge, source=source)
            plain = part.where(condition=AS_RECORDED)
            yield _measured(plain, "all", resamples)
            by_body = measure(
                _chance(plain),
                plain.truth,
                groups=plain.group,
                even=plain.even,
                resamples=resamples,
            )
            yield ReportRow(judge, source, "all, drawn by body", by_body)
            yield _measured(plain.where(unseen=True), "both bodies unseen", resamples, plain)
            for condition in part.values("condition"):
                if condition != AS_RECORDED:
                    yield _measured(part.where(condition=condition), condition, resamples)


def _measured(part: Answers, group: str, resamples: int, named: Answers | None = None) -> ReportRow:
    first = part if named is None else named
    figures = measure(_chance(part), part.truth, even=part.even, resamples=resamples)
    return ReportRow(first.judge[0], first.source[0], group, figures)


def _chance(part: Answers) -> NDArray[np.float64]:
    """Return what a judge says of pairs: about automatic segments, as about candidates."""
    automatic = len(part) > 0 and part.source[0] == "automatic"
    return part.shown if automatic else part.probability


def _lanes(answers: Answers) -> Iterator[LaneRow]:
    plain = answers.where(condition=AS_RECORDED)
    for judge in plain.values("judge"):
        for source in plain.values("source"):
            for target in TARGETS:
                yield from lane_rows(plain.where(judge=judge, source=source), target)


def _chosen(models: Sequence[str] | None) -> list[ModelFolder]:
    if models is not None:
        folders = [find_model(name) for name in models]
    else:
        task = Task.SPLIT_ERROR_CORRECTION
        bundled = [(path, m) for path, m in list_models() if m.task is task]
        # A model of the whole volume has no test block; the models of its folds stand for it.
        folders = [find_model(str(path)) for path, m in bundled if m.training.fold != "all"]
    if not folders:
        raise ModelError(
            "There is no model for split_error_correction to evaluate.",
            "Train one with `proofdesk train split-error-correction`.",
        )
    return folders


def _line(row: ReportRow) -> str:
    f = row.figures
    cells = [row.judge, row.pairs, row.group, f"{f.pairs} ({f.positives})"]
    cells += [str(v) if v is not None else "–" for v in (f.balanced_accuracy, f.auc, f.ece_15)]
    return "| " + " | ".join(cells) + " |"
