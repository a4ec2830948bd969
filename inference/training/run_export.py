"""From the best epoch of a run to its models, and what they say of the test part."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from connectome.errors import StorageError
from inference.calibration import calibrated, calibration_error, fit_calibration, yes_share
from inference.datasets.samples import Part
from inference.evaluation.metrics import balanced_accuracy, measure
from inference.judges.verdicts import code_version
from inference.models.manifest import (
    Calibration,
    GeometryInput,
    InputContract,
    ModelManifest,
    PictureSpec,
    TrainingRecord,
    write_manifest,
)
from inference.models.registry import ModelFolder, find_model
from inference.pictures import NORMALISATION, channel_names
from inference.tasks import words
from inference.training.export import OPSET, write_onnx
from inference.training.session import Answers, Session
from inference.training.statistics import feature_statistics
from inference.training.zoo.heads import UNKNOWN, OneTask
from proofreading.verdicts import Task

__all__ = ["finished_models"]

_TYPICAL = 4096
"""Training pictures whose features say what is usual."""
_EXAMPLES = 9


def finished_models(session: Session, out: Path) -> tuple[tuple[ModelFolder, ...], dict[str, Any]]:
    """Export, calibrate and describe a model for each task; answer the test part once.

    Returns
    -------
    models : tuple of ModelFolder
        ``out`` itself where the run has one task, else a folder in it for each.
    report : dict
        Figures on the validation and test parts with 95 % bootstrap intervals, as JSON.

    Raises
    ------
    ModelError
        If an exported file does not answer like the network.
    StorageError
        If a folder cannot be written.
    """
    rows = session.rows
    validation = session.answers(rows[Part.VALIDATION])
    typical = session.answers(_spread(rows[Part.TRAIN], _TYPICAL))
    test = session.answers(rows[Part.TEST]) if len(rows[Part.TEST]) else None
    models, report = [], {}
    for column, task in enumerate(session.config.tasks):
        folder = out if len(session.config.tasks) == 1 else out / task.value
        calibration = _calibration(session, validation, column, task)
        digest = _export(session, task, folder)
        manifest = _manifest(session, task, digest, calibration, typical, validation, column)
        write_manifest(folder, manifest)
        models.append(find_model(str(folder)))
        report[task.value] = {
            "validation": _figures(validation, column, calibration),
            "test": None if test is None else _figures(test, column, calibration),
        }
    return tuple(models), {"best_epoch": session.best_epoch, "tasks": report}


def _export(session: Session, task: Task, folder: Path) -> str:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(
            f"The folder {folder} cannot be written.", "Name a folder that can be written."
        ) from error
    inputs = _examples(session)
    # A copy, so that a run on CUDA keeps its network where it is.
    network = copy.deepcopy(session.network).cpu().float().eval()
    one = OneTask(network, task, em="pictures" in inputs, geometry="geometry" in inputs)
    return write_onnx(one.eval(), inputs, folder / "model.onnx")


def _examples(session: Session) -> dict[str, NDArray[np.float32]]:
    """Return pictures of the validation part by the names of the model's inputs."""
    batch = session.feeder.read(_spread(session.rows[Part.VALIDATION], _EXAMPLES))
    named = {"pictures": batch.pictures, "geometry": batch.geometry}
    return {name: value.cpu().numpy() for name, value in named.items() if value is not None}


def _calibration(session: Session, answers: Answers, column: int, task: Task) -> Calibration:
    logits, truth = answers.known(column)
    shares = session.feeder.table.card.candidate_yes_share
    share = shares.get(task.value, yes_share(truth))
    where = "the validation part, as it is; it also chose the epoch"
    known = answers.labels[:, column] != UNKNOWN
    groups = session.feeder.table.groups[session.rows[Part.VALIDATION]][known]
    return fit_calibration(logits, truth, where, share, groups=groups)


def _figures(answers: Answers, column: int, calibration: Calibration) -> dict[str, Any]:
    logits, truth = answers.known(column)
    found = measure(calibrated(logits, calibration), truth)
    named = {
        "balanced_accuracy": found.balanced_accuracy,
        "auc": found.auc,
        "ece_15": found.ece_15,
    }
    intervals = {
        name: None if figure is None else [figure.value, figure.low, figure.high]
        for name, figure in named.items()
    }
    return {"n": found.pairs, "yes": found.positives, **intervals}


def _manifest(
    session: Session,
    task: Task,
    digest: str,
    calibration: Calibration,
    typical: Answers,
    validation: Answers,
    column: int,
) -> ModelManifest:
    card, config = session.feeder.table.card, session.config
    logits, truth = validation.known(column)
    chance = calibrated(logits, calibration)
    em = card.em if "em" in config.inputs else None
    return ModelManifest(
        id=f"{config.network.architecture.value}-{task.value.replace('_', '-')}-{card.dataset}",
        task=task,
        sha256=digest,
        onnx_opset=OPSET,
        parameters=sum(p.numel() for p in session.network.parameters()),
        input=_contract(session),
        pictures=None if em is None else PictureSpec.of(em),
        labels=(words(task).no, words(task).yes),
        calibration=calibration,
        out_of_distribution=feature_statistics(typical.features, validation.features),
        training=_record(session),
        metrics={
            "validation_balanced_accuracy": round(balanced_accuracy(chance, truth), 4),
            "validation_ece_15": round(calibration_error(chance, truth), 4),
            "validation_pictures": float(len(truth)),
        },
        licence=f"weights GPL-3.0-or-later; trained on {card.dataset}, {card.licence}",
        code_version=code_version(),
    )


def _contract(session: Session) -> InputContract:
    card, inputs = session.feeder.table.card, session.config.inputs
    em = card.em if "em" in inputs else None
    geometry = card.geometry if "geometry" in inputs else None
    return InputContract(
        channels=() if em is None else channel_names(em),
        size_px=0 if em is None else em.size_px,
        normalisation=NORMALISATION,
        geometry=None if geometry is None else GeometryInput.of(geometry),
    )


def _record(session: Session) -> TrainingRecord:
    card, config = session.feeder.table.card, session.config
    return TrainingRecord(
        dataset=card.dataset,
        dataset_sha256=card.dataset_sha256,
        fold="own",
        trained_on="the training and validation parts of the data set",
        must_not_be_tested_on="anything but the test part of the data set",
        held_out_blocks=card.held_out_blocks,
        pairs=len(session.rows[Part.TRAIN]),
        seed=config.seed,
        epochs=session.best_epoch,
        licence=card.licence,
    )


def _spread(rows: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Return at most so many rows, evenly spread."""
    return rows[np.unique(np.linspace(0, len(rows) - 1, min(count, len(rows))).astype(np.int64))]
