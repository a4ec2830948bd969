"""The figures of the judges of split errors, by the protocol of the two spatial folds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from connectome.errors import ModelError
from inference.datasets.folds import PROTOCOL_FOLDS
from inference.datasets.volumes import TruthVolume, load_truth_volume
from inference.evaluation.answers import Answers
from inference.evaluation.conditions import answers_under
from inference.evaluation.controls import refitted_answers
from inference.evaluation.figures import (
    EvaluationReport,
    difference_rows,
    every_lane,
    report_rows,
)
from inference.evaluation.pairs import Questions, pair_answers, refused
from inference.evaluation.remembered import remembered
from inference.evaluation.scorers import ONE_LOOK, Scorer, scorers
from inference.models.manifest import MembersContract
from inference.models.registry import ModelFolder, find_model, list_models
from proofreading.verdicts import Task

__all__ = ["BASELINES", "evaluate_pairs"]

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
_CONTROL = "boosting"
"""How the judges begin that are fitted for comparison alone."""


def evaluate_pairs(
    data: Path,
    models: Sequence[str] | None = None,
    *,
    compared: bool = False,
    conditions: bool = False,
    others: Sequence[TruthVolume] = (),
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
        choose the risk lanes and stand in no figure but that of every held-out block.
    compared : bool
        Also fit gradient boosting here, on all features and on parts of them, and on
        shuffled answers.
    conditions : bool
        Also ask about degraded copies of the volume, and about ``others``.
    others : sequence of TruthVolume
        Volumes on which none of the models was trained.
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
    asked = _judges(folders, threads)
    parts = []
    for scorer in asked:
        tell(f"asking {scorer.manifest.id} ({scorer.condition or scorer.judge})")
        parts.append(pair_answers(questions, [scorer]))
    if compared:
        parts.append(refitted_answers(questions, say=tell))
    answers = Answers.concatenated(parts)
    kept = [not judge.startswith(_CONTROL) for judge in answers.judge.tolist()]
    judged = answers.rows(np.array(kept, np.bool_))
    used = [s for s in asked if s.condition is None and s.judge != ONE_LOOK and _published(s)]
    return EvaluationReport(
        task=Task.SPLIT_ERROR_CORRECTION,
        dataset=volume.name,
        dataset_sha256=volume.sha256,
        models=tuple(folder.manifest.id for folder in folders),
        weights={folder.manifest.id: folder.manifest.sha256 for folder in folders},
        rows=tuple(report_rows(answers)),
        differences=tuple(difference_rows(judged)),
        lanes=tuple(every_lane(judged)),
        answers=answers,
        baselines=BASELINES,
        conditions=answers_under(questions, used, others, say=tell) if conditions else None,
    )


def _published(scorer: Scorer) -> bool:
    """Tell whether answers of a model's fold stand in published figures."""
    return scorer.manifest.training.fold in PROTOCOL_FOLDS


def _judges(folders: Sequence[ModelFolder], threads: int | None) -> list[Scorer]:
    """Return all ways to ask all models; members of ensembles are asked once."""
    found: list[Scorer] = []
    for folder in sorted(folders, key=lambda f: isinstance(f.manifest.input, MembersContract)):
        found += [remembered(s) for s in scorers(folder, threads=threads, known=found)]
    return found


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
