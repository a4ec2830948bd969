"""How good the judges of tips, branch points and cuts are, on blocks they never saw."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from connectome.errors import InputError, ModelError
from inference.calibration import (
    calibrated,
    candidate_probability,
    with_share,
    yes_share,
)
from inference.datasets.folds import FOLDS, PROTOCOL_FOLDS, Fold, fold_named
from inference.datasets.samples import Part, Sample
from inference.datasets.volumes import TruthVolume, load_truth_volume
from inference.distribution import Familiar
from inference.evaluation.answers import Answers
from inference.evaluation.figures import (
    EvaluationReport,
    ReportRow,
    difference_rows,
    every_lane,
    measured_row,
    report_rows,
)
from inference.evaluation.pairs import refused
from inference.features.site_spec import SITE_TASKS, SiteSpec
from inference.judges.tables import TableModel
from inference.models.manifest import Calibration
from inference.models.registry import ModelFolder, find_model, list_models
from inference.training.site_rows import measured_sites
from inference.training.site_table import SiteRows
from inference.training.site_tasks import SiteTraining, crossed_logits, fitted, site_calibration
from inference.training.trees import tree_logits
from proofreading.verdicts import Task

__all__ = ["BASELINE", "JUDGE", "evaluate_site_task", "site_answers"]

JUDGE = "trees"
BASELINE = "baseline: contact and shape"
_MICROSCOPY = "boosting, microscopy only"
_SHUFFLED = "boosting, shuffled answers"
_COLUMNS = {BASELINE: "baseline", _MICROSCOPY: "microscopy", _SHUFFLED: "all"}
"""Judges fitted here for comparison, with the columns that they see."""
_SOURCES = {
    Task.SPLIT_ERROR_IDENTIFICATION: "tips",
    Task.MERGE_ERROR_IDENTIFICATION: "places",
    Task.SPLIT_ACTION_EVALUATION: "cuts",
}
Mask = NDArray[np.bool_]
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class _Said:
    """What one model said: logits and scores of sites (all of the volume's), and what they mean."""

    judge: str
    model: str
    fold: Fold
    logit: Floats
    strange: Floats
    calibration: Calibration


def evaluate_site_task(
    task: Task,
    data: Path,
    models: Sequence[str] | None = None,
    settings: SiteTraining | None = None,
    cache: Path | None = None,
    say: Callable[[str], None] | None = None,
) -> EvaluationReport:
    """Measure models of a task on the test blocks of their folds, by the protocol.

    For each of their folds the baseline of contact and shape is fitted here as they were,
    and trees on microscopy alone and on shuffled answers. The answers of the fold
    ``middle`` choose the risk lanes and stand in no figure but that of every held-out block.

    Parameters
    ----------
    models : sequence of str, optional
        Ids or folders, one for each fold; every bundled one with a test block if None.
    settings : SiteTraining, optional
        How the trees for comparison are fitted.
    cache : Path, optional
        As for `train_site_task`.

    Raises
    ------
    InputError
        If the task is not one about sites.
    ModelError
        If there is no model to ask, or it cannot be measured here.
    """
    if task not in SITE_TASKS:
        raise InputError(f"{task.value} is not asked about sites alone.", "Name one that is.")
    tell = say or (lambda _: None)
    volume = load_truth_volume(data)
    folders = _chosen(task, models)
    refused([folder.manifest for folder in folders], volume)
    rows = measured_sites(task, volume, cache, tell)
    answers = site_answers(rows, volume, folders, settings or SiteTraining(), tell)
    known = {sample.id: sample for sample in rows.samples if sample is not None}
    # The baseline first: each judge is compared with those before it.
    judged = Answers.concatenated([answers.where(judge=name) for name in (BASELINE, JUDGE)])
    return EvaluationReport(
        task=task,
        dataset=volume.name,
        dataset_sha256=volume.sha256,
        models=tuple(folder.manifest.id for folder in folders),
        weights={folder.manifest.id: folder.manifest.sha256 for folder in folders},
        rows=(*report_rows(answers), *_grouped(judged, known)),
        differences=tuple(difference_rows(judged)),
        lanes=tuple(every_lane(answers.where(judge=JUDGE))),
        answers=answers,
    )


def site_answers(
    rows: SiteRows,
    volume: TruthVolume,
    folders: Sequence[ModelFolder],
    settings: SiteTraining,
    say: Callable[[str], None] | None = None,
) -> Answers:
    """Return what models and the trees fitted for comparison say in the models' test blocks."""
    tell = say or (lambda _: None)
    said = [_asked(rows, folder) for folder in folders]
    for judge, columns in _COLUMNS.items():
        for name in [one.fold.name for one in said[: len(folders)]]:
            tell(f"fitting {judge}, fold {name}")
            chosen = replace(settings, fold=name, columns=columns)
            said.append(_refitted(rows, judge, chosen))
    return Answers.concatenated([_answers(rows, volume, one) for one in said])


def _chosen(task: Task, models: Sequence[str] | None) -> list[ModelFolder]:
    if models is not None:
        folders = [find_model(name) for name in models]
    else:
        order = [fold.name for fold in FOLDS]
        bundled = [(p, m) for p, m in list_models() if m.task is task and m.training.fold in order]
        bundled.sort(key=lambda entry: order.index(entry[1].training.fold))
        folders = [find_model(str(path)) for path, _ in bundled]
    wrong = [f.manifest.id for f in folders if f.manifest.task is not task]
    if wrong or not folders:
        what = f"{wrong[0]} answers another task" if wrong else "there is none with a test block"
        raise ModelError(
            f"No model can be measured on {task.value}: {what}.",
            "Train one with `proofdesk train sites … --fold low`, and name its folder.",
        )
    return folders


def _asked(rows: SiteRows, folder: ModelFolder) -> _Said:
    model, manifest = TableModel(folder), folder.manifest
    if model.contract.spec_hash != SiteSpec(rows.task).hash(model.contract.features):
        raise ModelError(
            f"The model {manifest.id} was trained on numbers measured another way.",
            "Train the model again with this version.",
        )
    place = {name: index for index, name in enumerate(rows.names)}
    values = rows.values[:, [place[name] for name in model.contract.features]]
    _, logits, distances = model.answers(values)
    away = np.full(len(logits), np.nan) if distances is None else distances
    return _Said(
        JUDGE,
        manifest.id,
        fold_named(manifest.training.fold),
        rows.logits(logits),
        Familiar(manifest).shares(_middle(away, rows)),
        manifest.calibration,
    )


def _middle(of_rows: Floats, rows: SiteRows) -> Floats:
    """Return the median distance of each site's rows, as the judge does, shape (sites,)."""
    order = np.argsort(rows.site, kind="stable")
    borders = np.searchsorted(rows.site[order], np.arange(len(rows.samples) + 1))
    parts = [of_rows[order[first:last]] for first, last in pairwise(borders)]
    return np.array([np.median(part) if len(part) else np.nan for part in parts])


def _refitted(rows: SiteRows, judge: str, settings: SiteTraining) -> _Said:
    fold = fold_named(settings.fold)
    learnt = _shuffled(rows) if judge == _SHUFFLED else rows
    sites = rows.training(fold)
    asked = sites & rows.asked
    values = rows.values[:, rows.columns(settings.columns)]
    crossed = crossed_logits(learnt, sites, settings)[asked]
    share = yes_share(rows.truth[asked])
    return _Said(
        judge,
        f"{judge}, fold {fold.name}",
        fold,
        rows.logits(tree_logits(fitted(learnt, sites, settings), values)),
        np.full(len(rows.samples), np.nan),
        site_calibration(rows.task, crossed, rows.truth[asked], "the training block", share),
    )


def _shuffled(rows: SiteRows) -> SiteRows:
    yes = rows.yes.copy()
    yes[rows.known] = np.random.default_rng(0).permutation(yes[rows.known])
    return replace(rows, yes=yes)


def _answers(rows: SiteRows, volume: TruthVolume, said: _Said) -> Answers:
    test = np.flatnonzero(said.fold.tests_at(rows.section) & rows.asked)
    samples = [s for s in (rows.samples[i] for i in test.tolist()) if s is not None]
    chance = np.clip(calibrated(said.logit[test], said.calibration), 1e-9, 1 - 1e-9)
    trained = np.unique(rows.body[rows.training(said.fold)])
    return Answers.of(
        task=rows.task,
        dataset=volume.name,
        source=_SOURCES[rows.task],
        judge=said.judge,
        model=said.model,
        sample=[sample.id for sample in samples],
        truth=rows.truth[test],
        probability=chance,
        logit=said.logit[test],
        shown=candidate_probability(chance, said.calibration),
        even=with_share(chance, said.calibration.yes_share, 0.5),
        ood=said.strange[test],
        group=rows.body[test],
        unseen=~np.isin(rows.body[test], trained),
        synthetic=np.array([sample.synthetic for sample in samples], np.bool_),
        part=Part.TEST if said.fold.name in PROTOCOL_FOLDS else Part.VALIDATION,
    )


def _grouped(answers: Answers, samples: Mapping[str, Sample]) -> Iterator[ReportRow]:
    """Yield figures by segmentation, by place, and of errors that nobody made on purpose."""
    test = answers.where(part=Part.TEST.value)
    for judge in test.values("judge"):
        one = test.where(judge=judge)
        for name, part in _groups(one, samples):
            if 0 < int(part.truth.sum()) < len(part):
                yield measured_row(part, name, floor=True)


def _groups(one: Answers, samples: Mapping[str, Sample]) -> Iterator[tuple[str, Answers]]:
    for key in ("segmentation", "place"):
        found = np.array([samples[name].notes.get(key, "") for name in one.sample.tolist()])
        for value in np.unique(found[found != ""]).tolist():
            yield f"{key}: {value}", one.rows(found == value)
    if one.synthetic.any():
        yield "errors that no one made on purpose", one.rows(~one.synthetic)
