"""A model in 8 bits, and what that costs."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from connectome.errors import InputError, StorageError
from inference.calibration import calibrated
from inference.evaluation.metrics import area_under_curve, balanced_accuracy
from inference.judges.onnx_tools import (
    Inputs,
    Method,
    answers,
    method_for,
    pictures_per_second,
    write_int8,
)
from inference.models.manifest import write_manifest
from inference.models.registry import ModelFolder, find_model

__all__ = ["Labelled", "QuantisedReport", "quantise"]

_TIMED = 32


@dataclass(frozen=True)
class Labelled:
    """Pictures with their truth (n,), none of which the model was trained on."""

    inputs: Mapping[str, NDArray[np.float32]]
    truth: NDArray[np.bool_]


@dataclass(frozen=True)
class QuantisedReport:
    """A model before and after; in each pair the first figure is before.

    Parameters
    ----------
    method : str
        ``static`` or ``dynamic``, see `onnx_tools.method_for`.
    balanced_accuracy, auc : tuple of float
        At a calibrated probability of 0.5.
    kilobytes : tuple of float
        Size of the file.
    speed_ratio : float
        Pictures a second after, for one before, in batches of 32.
    largest_change : float
        Of any calibrated probability.
    """

    method: str
    pictures: int
    balanced_accuracy: tuple[float, float]
    auc: tuple[float, float]
    kilobytes: tuple[float, float]
    speed_ratio: float
    largest_change: float
    model: ModelFolder


def quantise(
    folder: Path,
    out: Path,
    calibration: Inputs,
    evaluate: Labelled,
    *,
    method: Method | None = None,
    threads: int = 1,
) -> QuantisedReport:
    """Write an 8-bit copy of a model beside its manifest and state what it costs.

    Temperature and out-of-distribution statistics stay those of the network it was made
    from; how far probabilities move is in the report and in the manifest.

    Parameters
    ----------
    calibration : mapping of str to ndarray
        Pictures by the model's input names, from which ranges are taken; never of the test.
    evaluate : Labelled
        Pictures to measure the cost on.
    method : {"static", "dynamic"} or None
        As the network's layers suggest if None.

    Raises
    ------
    InputError
        If the pictures hold one answer only, or ``out`` is the model's own folder.
    ModelError
        If the model cannot be loaded, or cannot be quantised.
    StorageError
        If ``out`` cannot be written.
    """
    model = find_model(str(folder))
    if out.resolve() == folder.resolve() or evaluate.truth.all() or not evaluate.truth.any():
        raise InputError(
            "An 8-bit copy needs a folder of its own, and pictures with both answers.",
            "Name another folder, and pictures of a held-out block.",
        )
    chosen = method or method_for(model.weights)
    weights = _copied(model, out, calibration, chosen)
    said = [_chances(model, path, evaluate) for path in (model.weights, weights)]
    accuracy = [balanced_accuracy(chance, evaluate.truth) for chance in said]
    area = [area_under_curve(chance, evaluate.truth) for chance in said]
    moved = float(np.abs(said[0] - said[1]).max())
    _describe(model, out, weights, accuracy[1] - accuracy[0], moved)
    return QuantisedReport(
        method=chosen,
        pictures=len(evaluate.truth),
        balanced_accuracy=(accuracy[0], accuracy[1]),
        auc=(area[0], area[1]),
        kilobytes=(model.weights.stat().st_size / 1000, weights.stat().st_size / 1000),
        speed_ratio=_ratio(model.weights, weights, evaluate.inputs, threads),
        largest_change=moved,
        model=find_model(str(out)),
    )


def _copied(model: ModelFolder, out: Path, calibration: Inputs, method: Method) -> Path:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(
            f"The folder {out} cannot be written.", "Name a folder that can be written."
        ) from error
    weights = out / model.manifest.file
    write_int8(model.weights, weights, calibration, method)
    return weights


def _chances(model: ModelFolder, weights: Path, evaluate: Labelled) -> NDArray[np.float64]:
    logits = answers(weights, evaluate.inputs)
    return calibrated(logits, model.manifest.calibration)


def _ratio(before: Path, after: Path, inputs: Inputs, threads: int) -> float:
    some = {name: value[:_TIMED] for name, value in inputs.items()}
    rates = [pictures_per_second(path, some, threads=threads) for path in (before, after)]
    return rates[1] / rates[0]


def _describe(model: ModelFolder, out: Path, weights: Path, cost: float, moved: float) -> None:
    manifest = model.manifest
    figures = {"int8_balanced_accuracy_change": cost, "int8_largest_change": moved}
    write_manifest(
        out,
        manifest.model_copy(
            update={
                "id": f"{manifest.id}-int8",
                "sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
                "metrics": {**manifest.metrics, **{k: round(v, 4) for k, v in figures.items()}},
            }
        ),
    )
