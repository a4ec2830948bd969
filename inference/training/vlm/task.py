"""From a data set to a language model's folder: adapter, calibration and manifest."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from connectome.datastack import Datastack
from connectome.errors import InputError
from inference.calibration import fit_calibration
from inference.datasets.samples import Part
from inference.datasets.store import Dataset, read_dataset
from inference.judges.vlm.asking import ask_likelihoods, ask_reasons
from inference.judges.vlm.encoding import Question
from inference.judges.vlm.folder import LanguageSpec, uncalibrated, write_language_model
from inference.judges.vlm.model import LoadedModel, LoadSettings, load_model, unload
from inference.models.manifest import Calibration, TrainingRecord
from inference.models.registry import ModelFolder
from inference.training.vlm.examples import Example
from inference.training.vlm.material import Asking, Material, examples_of, rows_of_test
from inference.training.vlm.run import VlmTraining, train_adapter

__all__ = ["FEWEST_FOR_CALIBRATION", "train_vlm"]

Say = Callable[[str], None]
FEWEST_FOR_CALIBRATION = 20
"""Validation answers of each kind below which a temperature would be chance."""
RUN = "run"


def train_vlm(
    data: Path,
    datastack: Datastack,
    out: Path,
    asking: Asking,
    training: VlmTraining,
    say: Say | None = None,
) -> ModelFolder:
    """Train an adapter on a data set and return the model folder ``out``.

    ``out/run`` holds the run, which goes on where it was cut off.

    Parameters
    ----------
    asking : Asking
        Task, base model, pictures, and whether it writes reasons.
    training : VlmTraining
        Steps and rates; model, data set and test rows are filled in here.

    Raises
    ------
    InputError
        If the data set has nothing to train or validate on, or no reasons where they are
        to be learnt.
    StorageError
        If ``out`` holds a run with other settings or data, or cannot be written.
    ModelError
        If the model cannot be loaded.
    """
    told = say or (lambda _: None)
    dataset = read_dataset(data)
    learnt = examples_of(dataset, Part.TRAIN, datastack, asking, told)
    checked = examples_of(dataset, Part.VALIDATION, datastack, asking, told)
    _require(learnt, checked, asking.spec, training)
    settings = _settings(dataset, asking, training)
    left_out = learnt.left_out + checked.left_out
    if left_out:
        told(f"left out: {left_out.total()}, such as {next(iter(left_out))}")
    best = train_adapter(learnt.examples, checked.examples, settings, out / RUN, told)
    told("calibrating on the validation part")
    calibration, metrics = _calibrated(best, learnt, checked, asking.spec, told)
    return write_language_model(
        out,
        _name(asking.spec, settings),
        asking.spec,
        calibration,
        _record(dataset, learnt, checked, settings),
        adapter=best,
        parameters=_parameters(best),
        metrics=metrics,
    )


def _settings(dataset: Dataset, asking: Asking, training: VlmTraining) -> VlmTraining:
    spec = asking.spec
    return replace(
        training,
        model=spec.base,
        dataset_sha256=dataset.sha256,
        test_indices=rows_of_test(dataset, spec.task),
        asked_sha256=asking.sha256,
        device=spec.device,
        four_bit=spec.four_bit,
    )


def _require(
    training: Material, validation: Material, spec: LanguageSpec, settings: VlmTraining
) -> None:
    left_out: Counter[str] = training.left_out + validation.left_out
    if not training.examples or not validation.examples:
        told = "; ".join(f"{count} {reason}" for reason, count in left_out.most_common(3))
        reason = f" Left out: {told}." if told else ""
        raise InputError(
            f"The data set has no {spec.task.value} to train or to validate on.{reason}",
            "Give a data set with both parts, and the datastack it was built from.",
        )
    if settings.target.rationale and not any(e.rationale for e in training.examples):
        raise InputError(
            "No sample of the data set has reasons that could be learnt.",
            "Give them with --rationales, or train on answers alone.",
        )


def _calibrated(
    best: Path, training: Material, validation: Material, spec: LanguageSpec, say: Say
) -> tuple[Calibration, dict[str, float]]:
    """Return the calibration fitted on the validation part, asked as the judge will ask."""
    model = load_model(LoadSettings(spec.base, best, spec.device, spec.four_bit))
    logits = np.array(_asked(model, validation.examples, spec))
    unload(model)
    truth = np.array([example.yes for example in validation.examples])
    read = np.isfinite(logits)
    metrics = {"validation_answers": float(len(truth)), "validation_read": float(read.mean())}
    if read.any():
        metrics["validation_accuracy"] = float(((logits > 0) == truth)[read].mean())
    kinds = (int(truth[read].sum()), int((~truth[read]).sum()))
    if min(kinds) < FEWEST_FOR_CALIBRATION:
        say("too few validation answers to calibrate: the model stays uncalibrated")
        return uncalibrated(), metrics
    asked = np.array([example.yes for example in training.examples])
    share = (int(asked.sum()) + 1) / (asked.size + 2)
    held_out = "the validation part of the data set"
    return fit_calibration(logits[read], truth[read], held_out, round(share, 6)), metrics


def _asked(model: LoadedModel, examples: Sequence[Example], spec: LanguageSpec) -> list[float]:
    """Return a logit for every example, NaN where the written answer cannot be read."""
    found: list[float] = []
    for begin in range(0, len(examples), 8):
        part = [Question(e.prompt, e.pictures()) for e in examples[begin : begin + 8]]
        if spec.analysis or spec.confidence:
            replies = ask_reasons(model, part, most_tokens=spec.most_tokens)
            found += [float("nan") if r.logit is None else r.logit for r in replies]
        else:
            found += ask_likelihoods(model, part)
    return found


def _record(
    dataset: Dataset, training: Material, validation: Material, settings: VlmTraining
) -> TrainingRecord:
    shown = settings.steps * settings.batch * settings.gather
    return TrainingRecord(
        dataset=dataset.name,
        dataset_sha256=dataset.sha256,
        fold="the parts of the data set",
        trained_on=f"{len(training.examples)} questions of its training part",
        must_not_be_tested_on=f"its training part, and its validation part "
        f"({len(validation.examples)} questions; chose the checkpoint and the calibration)",
        pairs=len(training.examples),
        seed=settings.seed,
        epochs=max(1, round(shown / len(training.examples))),
        licence=dataset.licence or "unknown",
    )


def _name(spec: LanguageSpec, settings: VlmTraining) -> str:
    content = f"{settings!r}".encode()
    return f"vlm_{spec.task.value}_{hashlib.sha256(content).hexdigest()[:8]}"


def _parameters(best: Path) -> int:
    """Return how many numbers the adapter has."""
    from safetensors import safe_open

    with safe_open(best / "adapter_model.safetensors", framework="np") as file:
        names = list(file.keys())
        return sum(int(np.prod(file.get_slice(name).get_shape())) for name in names)
