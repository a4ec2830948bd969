"""The command that trains the features judge: measured rows, boosters, calibration, model."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from connectome.errors import InputError, MissingPackageError, StorageError
from inference.calibration import fit_temperature, yes_share
from inference.datasets.folds import FOLDS, Fold, fold_named
from inference.datasets.pairs import automatic_pairs
from inference.datasets.volumes import TruthVolume, load_truth_volume
from inference.features.pairs import feature_names
from inference.judges.tables import run_table
from inference.judges.verdicts import code_version
from inference.models.manifest import (
    FeaturesContract,
    ModelManifest,
    OutOfDistribution,
    TrainingRecord,
    write_manifest,
)
from inference.models.registry import ModelFolder, find_model
from inference.training.blocks import held_out_block, held_out_metrics
from inference.training.feature_material import FeatureMaterial, Material, measured_material
from inference.training.feature_rows import FeatureRows
from inference.training.statistics import feature_statistics
from inference.training.trees import ML_OPSET, export_trees, fitted_projection, tree_logits
from proofreading.verdicts import Task

__all__ = ["WHOLE", "Boosting", "FeatureTraining", "fitted_boosters", "train_features"]

WHOLE = "all"
"""The fold that trains on everything and is calibrated on answers of the other folds."""

Say = Callable[[str], None]


@dataclass(frozen=True)
class Boosting:
    """Settings of the gradient boosting (histogram trees, Ke et al. 2017).

    Parameters
    ----------
    seeds : tuple of int
        One booster for each; their answers are averaged.
    columns : float
        Share of the features that each split may look at.
    """

    iterations: int = 200
    learning_rate: float = 0.08
    leaves: int = 15
    smallest_leaf: int = 20
    ridge: float = 1.0
    columns: float = 0.3
    seeds: tuple[int, ...] = (1, 2)


@dataclass(frozen=True)
class FeatureTraining:
    """Everything that decides what comes out of a training run, besides the data."""

    fold: str = "low"
    material: FeatureMaterial = field(default_factory=FeatureMaterial)
    boosting: Boosting = field(default_factory=Boosting)


def train_features(
    data: Path,
    out: Path,
    settings: FeatureTraining | None = None,
    say: Say | None = None,
    *,
    material: Material | None = None,
) -> ModelFolder:
    """Train on one fold of a truth volume, or on all of it, and write a model folder.

    Parameters
    ----------
    data : Path
        Folder with ``em.npz`` and ``labels.npz``.
    out : Path
        Where ``model.onnx``, ``manifest.json`` and ``config.json`` go.
    say : callable, optional
        Called with one line of progress at a time.
    material : Material, optional
        The measured rows, where several folds are trained one after the other.

    Raises
    ------
    VolumeError
        If the data cannot be read.
    InputError
        If there is no such fold.
    StorageError
        If ``out`` cannot be written.
    MissingPackageError
        If scikit-learn or onnx is not installed.
    ModelError
        If the exported file does not answer like the boosters.
    """
    chosen = settings or FeatureTraining()
    tell = say or (lambda _: None)
    fold = None if chosen.fold == WHOLE else fold_named(chosen.fold)
    volume = load_truth_volume(data)
    _claim(out, chosen, volume)
    rows = material or measured_material(volume, chosen.material, tell)
    tell(f"fitting the fold {chosen.fold}")
    boosters = fitted_boosters(rows.training(fold), chosen.boosting)
    answers = _held_out(rows, fold, boosters, chosen.boosting)
    manifest = _exported(boosters, rows.typical(fold), answers, volume, chosen, out)
    write_manifest(out, manifest)
    tell(f"wrote {out / manifest.file} and its manifest")
    return find_model(str(out))


def fitted_boosters(rows: FeatureRows, settings: Boosting) -> list[Any]:
    """Fit one booster per seed; the same rows and settings give the same trees.

    Raises
    ------
    InputError
        If a class is missing.
    MissingPackageError
        If scikit-learn is not installed.
    """
    try:
        from sklearn.ensemble import HistGradientBoostingClassifier
        from threadpoolctl import threadpool_limits
    except ImportError as error:
        raise MissingPackageError(
            "The package scikit-learn is not installed.",
            "Install Proofdesk with the extra `train`.",
        ) from error
    if not rows.same.any() or rows.same.all():
        raise InputError(
            "There is nothing to learn from pairs that are all alike.",
            "Give a volume with pairs of one neuron and pairs of two in the training block.",
        )
    boosters = [
        HistGradientBoostingClassifier(
            max_iter=settings.iterations,
            learning_rate=settings.learning_rate,
            max_leaf_nodes=settings.leaves,
            min_samples_leaf=settings.smallest_leaf,
            l2_regularization=settings.ridge,
            max_features=settings.columns,
            early_stopping=False,
            random_state=seed,
        )
        for seed in settings.seeds
    ]
    # One thread adds up histograms in one order, so the trees are the same on every machine;
    # more threads on busy cores wait for each other and are slower.
    values = _stepped(rows.values)
    with threadpool_limits(1):
        return [b.fit(values, rows.same, sample_weight=rows.weight) for b in boosters]


def _stepped(values: NDArray[np.float32], steps: int = 255) -> NDArray[np.float32]:
    """Return each column (n, d) moved to the nearest of so many of its own quantiles.

    scikit-learn bins to as many steps itself, but with weights it takes a minute of calls to
    find them; between the values here its thresholds lie where they belong for all others.
    """
    out = np.array(values)
    for column in out.T:
        known = ~np.isnan(column)
        if known.any():
            grid = np.unique(np.quantile(column[known], np.linspace(0, 1, steps), method="nearest"))
            between = (grid[1:] + grid[:-1]) / 2
            column[known] = grid[np.searchsorted(between, column[known])]
    return out


def _held_out(
    material: Material, fold: Fold | None, boosters: list[Any], settings: Boosting
) -> tuple[NDArray[np.float64], FeatureRows]:
    """Return answers about pairs that the boosters behind them were not trained on."""
    if fold is not None:
        held = material.calibration(fold)
        return tree_logits(boosters, held.values), held
    # Trained on everything, nothing is held out: models of the same recipe answer for it.
    base = material.middles
    logits = np.zeros(len(base))
    for other in FOLDS:
        tested = other.tests_at(base.centers[:, 0])
        if tested.any():
            others = fitted_boosters(material.training(other), settings)
            logits[tested] = tree_logits(others, base.values[tested])
    return logits, base


def _exported(
    boosters: list[Any],
    typical: FeatureRows,
    held_out: tuple[NDArray[np.float64], FeatureRows],
    volume: TruthVolume,
    settings: FeatureTraining,
    out: Path,
) -> ModelManifest:
    logits, held = held_out
    spec = settings.material.spec
    projection = fitted_projection(typical.values)
    digest = export_trees(boosters, projection, out / "model.onnx", held.values)
    where = _held_out_words(settings, volume)
    calibration = fit_temperature(logits, held.same, where, _candidate_share(volume, settings))
    return ModelManifest(
        id=f"trees-pairs-{volume.name}-{settings.fold}",
        task=Task.SPLIT_ERROR_CORRECTION,
        sha256=digest,
        onnx_opset=ML_OPSET,
        parameters=sum(len(tree.nodes) for b in boosters for (tree,) in b._predictors),
        input=FeaturesContract(features=feature_names(spec), spec_hash=spec.hash),
        pictures=None,
        labels=("two neurons", "one neuron"),
        calibration=calibration,
        out_of_distribution=_statistics(out / "model.onnx", typical.values, held.values),
        training=_record(volume, settings, len(typical)),
        metrics=held_out_metrics(logits, held.same, calibration),
        licence=f"weights GPL-3.0-or-later; trained on {volume.name}, {volume.licence}",
        code_version=code_version(),
    )


def _statistics(
    weights: Path, typical: NDArray[np.float32], held_out: NDArray[np.float32]
) -> OutOfDistribution:
    return feature_statistics(run_table(weights, typical)[1], run_table(weights, held_out)[1])


def _claim(out: Path, settings: FeatureTraining, volume: TruthVolume) -> None:
    config = {"dataset_sha256": volume.sha256, "settings": asdict(settings)}
    text = json.dumps(config, indent=1, sort_keys=True) + "\n"
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / "config.json").write_text(text, encoding="utf-8")
    except OSError as error:
        raise StorageError(
            f"The folder {out} cannot be written.", "Name a folder that can be written."
        ) from error


def _candidate_share(volume: TruthVolume, settings: FeatureTraining) -> float:
    """Return how often touching automatic segments of the training block are one body."""
    pairs = automatic_pairs(volume)
    inside = slice(None) if settings.fold == WHOLE else fold_named(settings.fold).train(pairs)
    return yes_share(pairs.same[inside])


def _held_out_words(settings: FeatureTraining, volume: TruthVolume) -> str:
    if settings.fold == WHOLE:
        return "every pair, answered by models of the three folds that did not see its block"
    sections = fold_named(settings.fold).training_sections(volume.em.shape[0])
    return f"z {sections}, y >= {settings.material.border(volume)}"


def _record(volume: TruthVolume, settings: FeatureTraining, rows: int) -> TrainingRecord:
    depth = volume.em.shape[0]
    whole = settings.fold == WHOLE
    trained = "contacts everywhere"
    untested = "anything of this volume"
    if not whole:
        fold = fold_named(settings.fold)
        trained = f"contacts in sections {fold.training_sections(depth)}"
        untested = f"anything but contacts in sections {fold.test_sections(depth)}"
    return TrainingRecord(
        dataset=volume.name,
        dataset_sha256=volume.sha256,
        fold=settings.fold,
        trained_on=trained,
        must_not_be_tested_on=untested,
        held_out_blocks=() if whole else (held_out_block(fold_named(settings.fold), volume),),
        pairs=rows,
        seed=settings.boosting.seeds[0],
        epochs=settings.boosting.iterations,
        licence=volume.licence,
    )
