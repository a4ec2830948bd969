"""The judge of pairs in 8 bits: calibrated anew, because its answers are its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from connectome.errors import ModelError
from inference.calibration import fit_temperature
from inference.datasets.folds import fold_named
from inference.datasets.volumes import load_truth_volume
from inference.judges.onnx_tools import answers_and_features
from inference.models.manifest import write_manifest
from inference.models.registry import find_model
from inference.pictures import unpack_pairs
from inference.training.blocks import held_out_metrics
from inference.training.material import MaterialConfig, reference_views
from inference.training.quantise import Labelled, QuantisedReport, quantise
from inference.training.statistics import feature_statistics

__all__ = ["pairs_in_eight_bits"]

RANGES = 512
"""Training pictures from which the ranges of activations are taken."""


def pairs_in_eight_bits(
    model: str, data: Path, out: Path, say: Callable[[str], None] | None = None
) -> QuantisedReport:
    """Write the 8-bit copy of a judge of pairs that was trained on one fold.

    Ranges come from pictures of the fold's training block; temperature and
    out-of-distribution statistics are fitted again, as they were for the network itself, on
    the far end of that block, on which the cost is stated too. The fold's test block is
    not looked at.

    Parameters
    ----------
    model : str
        Id or folder of the judge.
    data : Path
        Folder with the ``em.npz`` and ``labels.npz`` that it was trained on.
    out : Path
        A folder of its own.

    Raises
    ------
    ModelError
        If the model was trained on other data, or looks at no slices.
    InputError
        If ``out`` is the model's own folder.
    """
    tell = say or (lambda _: None)
    folder, volume = find_model(model), load_truth_volume(data)
    manifest = folder.manifest
    if manifest.pictures is None or manifest.training.dataset_sha256 != volume.sha256:
        raise ModelError(
            f"The model {manifest.id} was not trained on slices of {volume.name}.",
            "Name a judge that looks at slices, and the data that it was trained on.",
        )
    fold, spec = fold_named(manifest.training.fold), manifest.picture_spec.em_spec()
    tell(f"cutting pictures of the training block of {fold.name}")
    reference = reference_views(volume, fold, spec, MaterialConfig())
    typical = unpack_pairs(np.asarray(reference.typical.pictures))
    held = unpack_pairs(np.asarray(reference.held_out.pictures))
    chosen = np.unique(np.linspace(0, len(typical) - 1, RANGES).astype(np.int64))
    truth = reference.held_out.same
    tell("finding ranges and counting the cost")
    report = quantise(
        folder.path, out, {"pictures": typical[chosen]}, Labelled({"pictures": held}, truth)
    )
    logits, held_features = answers_and_features(report.model.weights, {"pictures": held})
    _, features = answers_and_features(report.model.weights, {"pictures": typical})
    share = manifest.calibration.candidate_yes_share
    calibration = fit_temperature(logits, truth, reference.held_out_block, share)
    described = report.model.manifest
    told = {
        "calibration": calibration,
        "out_of_distribution": feature_statistics(features, held_features),
        "metrics": {**described.metrics, **held_out_metrics(logits, truth, calibration)},
    }
    write_manifest(out, described.model_copy(update=told))
    return replace(report, model=find_model(str(out)))
