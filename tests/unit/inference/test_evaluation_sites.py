"""Figures of the judges of sites: from the models' own files, beside what is fitted here."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from connectome.errors import InputError, ModelError
from inference.datasets.folds import fold_named
from inference.datasets.samples import Part
from inference.datasets.volumes import TruthVolume
from inference.models.registry import ModelFolder
from proofreading.verdicts import Task

TASK = Task.SPLIT_ACTION_EVALUATION


@pytest.fixture(scope="module")
def cut_models(volume_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> list[ModelFolder]:
    """Judges of cuts of two folds, trained by the command's own function."""
    pytest.importorskip("sklearn", reason="training needs the extra `train`")
    pytest.importorskip("onnxruntime", reason="judging needs the extra `onnx`")
    from inference.training.features import Boosting
    from inference.training.site_tasks import SiteTraining, train_site_task

    out = tmp_path_factory.mktemp("cuts")
    small = Boosting(iterations=4, leaves=4, smallest_leaf=2, seeds=(1,))
    return [
        train_site_task(
            TASK, volume_folder, out / name, SiteTraining(name, boosting=small), out / "cache"
        )
        for name in ("low", "high")
    ]


def test_figures_are_of_the_models_own_test_blocks(
    cut_models: list[ModelFolder], volume_folder: Path, volume: TruthVolume
) -> None:
    from inference.evaluation.sites import BASELINE, JUDGE, evaluate_site_task
    from inference.training.features import Boosting
    from inference.training.site_tasks import SiteTraining

    settings = SiteTraining(boosting=Boosting(iterations=4, leaves=4, smallest_leaf=2, seeds=(1,)))
    cache = cut_models[0].path.parent / "cache"
    names = [str(folder.path) for folder in cut_models]
    report = evaluate_site_task(TASK, volume_folder, names, settings, cache)
    answers = report.answers.where(judge=JUDGE)
    assert set(answers.values("model")) == {folder.manifest.id for folder in cut_models}
    assert answers.values("part") == [Part.TEST.value]
    assert len(answers) == len(report.answers.where(judge=BASELINE)) > 10
    (pair,) = report.differences
    assert (pair.judge, pair.other, pair.questions) == (JUDGE, BASELINE, len(answers))
    assert {row.judge for row in report.lanes} == {JUDGE}
    groups = {(row.judge, row.group) for row in report.rows}
    assert (JUDGE, "all") in groups
    assert any(group.startswith("segmentation: ") for _, group in groups)
    assert json.loads(json.dumps(report.as_json()))["task"] == TASK.value
    assert volume.em.shape[0] > fold_named("low").test_z[0]


def test_only_models_of_the_task_are_measured(
    cut_models: list[ModelFolder], volume_folder: Path
) -> None:
    from inference.evaluation.sites import evaluate_site_task

    name = str(cut_models[0].path)
    with pytest.raises(ModelError, match="answers another task"):
        evaluate_site_task(Task.MERGE_ERROR_IDENTIFICATION, volume_folder, [name])
    with pytest.raises(InputError, match="sites alone"):
        evaluate_site_task(Task.SPLIT_ERROR_CORRECTION, volume_folder, [name])


def test_columns_are_with_and_without_microscopy() -> None:
    from inference.training.site_table import SiteRows

    names = ("em.a", "shape.b", "contact.c")
    empty = np.zeros(0, np.int64)
    none = empty.astype(bool)
    rows = SiteRows(TASK, names, np.zeros((0, 3), np.float32), empty, none, none, empty, empty, ())
    assert rows.columns("all").tolist() == [0, 1, 2]
    assert rows.columns("baseline").tolist() == [1, 2]
    assert rows.columns("microscopy").tolist() == [0]
