"""The figures of the split-error judge, by the protocol of the two spatial folds.

Every model is asked only about contacts in the test block of the fold it was trained
on; the answers of both folds are pooled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from connectome.errors import ModelError
from inference.calibration import candidate_probability
from inference.datasets.folds import both_unseen, fold_named
from inference.datasets.pairs import Pairs, automatic_pairs, watershed_pairs
from inference.datasets.views import pair_sample
from inference.datasets.volumes import TruthVolume, load_truth_volume
from inference.evaluation.metrics import Figures, measure
from inference.judges.base import Judge, PairSample
from inference.judges.onnx import OnnxJudge
from inference.models.registry import ModelFolder, find_model, list_models
from proofreading.verdicts import Task

__all__ = ["BASELINES", "EvaluationReport", "ReportRow", "evaluate_pairs"]

BASELINES: dict[str, dict[str, str]] = {
    "watershed": {
        "contact area": "0.529 / 0.485",
        "gradient boosting on 54 features": "0.906 [0.898–0.914] / 0.971",
        "the same, both bodies unseen": "0.854 / 0.936",
    },
    "automatic": {"gradient boosting on 54 features": "0.837 [0.784–0.886] / 0.891"},
}
"""Balanced accuracy / AUC stated with the data set's protocol; not measured here."""

_CHUNK = 256


@dataclass(frozen=True)
class ReportRow:
    """Figures of one group of pairs."""

    pairs: str
    group: str
    figures: Figures


@dataclass(frozen=True)
class EvaluationReport:
    """All figures of an evaluation."""

    dataset: str
    dataset_sha256: str
    models: tuple[str, ...]
    rows: tuple[ReportRow, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the report as plain values."""
        return {"task": Task.SPLIT_ERROR_CORRECTION.value, **asdict(self), "baselines": BASELINES}

    def as_table(self) -> str:
        """Return the rows as a Markdown table."""
        head = "| pairs | group | n (yes) | balanced accuracy | AUC | ECE-15 |\n" + "|---" * 6 + "|"
        return "\n".join([head, *(_line(row) for row in self.rows)])


@dataclass(frozen=True)
class _Answers:
    """Calibrated probabilities of one kind of pairs, pooled over folds."""

    probability: NDArray[np.float64]
    as_candidates: NDArray[np.float64]
    shapes_only: NDArray[np.float64]
    blank: NDArray[np.float64]
    same: NDArray[np.bool_]
    unseen: NDArray[np.bool_]


def evaluate_pairs(
    data: Path,
    models: Sequence[str] | None = None,
    *,
    threads: int | None = None,
    say: Callable[[str], None] | None = None,
) -> EvaluationReport:
    """Measure models on the test blocks of their own folds.

    Parameters
    ----------
    data : Path
        Folder with ``em.npz`` and ``labels.npz``.
    models : sequence of str, optional
        Ids or folders, one for each fold; every bundled one for this task if None.
    threads : int, optional
        Processor threads; every core if None.

    Raises
    ------
    ModelError
        If a model was trained on other data, or if two were trained on one fold.
    """
    volume = load_truth_volume(data)
    folders = _chosen(models, volume)
    kinds = {"watershed": watershed_pairs(volume), "automatic": automatic_pairs(volume)}
    rows: list[ReportRow] = []
    for kind, pairs in kinds.items():
        parts = []
        for folder in folders:
            if say is not None:
                say(f"asking {folder.manifest.id} about {kind} pairs")
            judge = OnnxJudge(folder, threads=threads)
            parts.append(_answers(judge, volume, kinds["watershed"], pairs))
        rows.extend(_rows(kind, parts))
    ids = tuple(folder.manifest.id for folder in folders)
    return EvaluationReport(volume.name, volume.sha256, ids, tuple(rows))


def _chosen(models: Sequence[str] | None, volume: TruthVolume) -> list[ModelFolder]:
    if models is None:
        names = [str(path) for path, m in list_models() if m.task is Task.SPLIT_ERROR_CORRECTION]
    else:
        names = list(models)
    folders = [find_model(name) for name in names]
    if not folders:
        raise ModelError(
            "There is no model for split_error_correction to evaluate.",
            "Train one with `proofdesk train split-error-correction`.",
        )
    folds = [folder.manifest.training.fold for folder in folders]
    if len(set(folds)) != len(folds):
        raise ModelError(
            "Two of these models were trained on the same fold.", "Name one model for each fold."
        )
    for folder in folders:
        if folder.manifest.training.dataset_sha256 != volume.sha256:
            raise ModelError(
                f"The model {folder.manifest.id} was trained on other data than {volume.name}.",
                "Its folds say nothing about this volume; name the volume it was trained on.",
            )
    return folders


def _answers(judge: Judge, volume: TruthVolume, training: Pairs, pairs: Pairs) -> _Answers:
    fold = fold_named(judge.manifest.training.fold)
    rows = np.flatnonzero(fold.test(pairs))
    spec = judge.manifest.picture_spec.em_spec()
    seen: dict[str, list[float]] = {"whole": [], "shapes": [], "blank": []}
    for begin in range(0, len(rows), _CHUNK):
        samples = [
            pair_sample(volume, pairs, int(row), pairs.contacts.center[row], spec)
            for row in rows[begin : begin + _CHUNK]
        ]
        for name, shown in _controls(samples):
            seen[name] += [opinion.probability for opinion in judge.judge(shown)]
    answers = np.array(seen["whole"])
    return _Answers(
        probability=answers,
        as_candidates=candidate_probability(answers, judge.manifest.calibration),
        shapes_only=np.array(seen["shapes"]),
        blank=np.array(seen["blank"]),
        same=pairs.same[rows],
        unseen=both_unseen(training, fold, pairs)[rows],
    )


def _controls(samples: list[PairSample]) -> Iterator[tuple[str, list[PairSample]]]:
    """Yield the samples, the samples without microscopy, and the samples without anything."""
    yield "whole", samples
    grey = [
        replace(s, slices=replace(s.slices, em=np.full_like(s.slices.em, 128))) for s in samples
    ]
    yield "shapes", grey
    nothing = [replace(s, slices=replace(s.slices, ids=np.zeros_like(s.slices.ids))) for s in grey]
    yield "blank", nothing


def _rows(kind: str, parts: Sequence[_Answers]) -> Iterator[ReportRow]:
    same = np.concatenate([p.same for p in parts])
    unseen = np.concatenate([p.unseen for p in parts])
    answers = np.concatenate([p.probability for p in parts])
    yield ReportRow(kind, "all", measure(answers, same))
    if kind == "automatic":
        shown = np.concatenate([p.as_candidates for p in parts])
        yield ReportRow(kind, "all, with the candidates' share of yes", measure(shown, same))
    yield ReportRow(kind, "both bodies unseen", measure(answers[unseen], same[unseen]))
    shapes = np.concatenate([p.shapes_only for p in parts])
    yield ReportRow(kind, "control: microscopy blanked", measure(shapes, same))
    blank = np.concatenate([p.blank for p in parts])
    yield ReportRow(kind, "control: blank pictures", measure(blank, same))


def _line(row: ReportRow) -> str:
    f = row.figures
    cells = [row.pairs, row.group, f"{f.pairs} ({f.positives})"]
    cells += [str(v) if v is not None else "–" for v in (f.balanced_accuracy, f.auc, f.ece_15)]
    return "| " + " | ".join(cells) + " |"
