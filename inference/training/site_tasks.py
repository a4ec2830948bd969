"""The command that trains a judge of tips, branch points or cuts."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from connectome.errors import InputError, StorageError
from inference.calibration import (
    calibrated,
    calibration_error,
    fit_slope_and_shift,
    fit_temperature,
    yes_share,
)
from inference.datasets.folds import Fold, fold_named
from inference.datasets.volumes import TruthVolume, load_truth_volume
from inference.features.site_spec import SiteSpec
from inference.judges.tables import run_table
from inference.judges.verdicts import code_version
from inference.models.manifest import (
    Calibration,
    FeaturesContract,
    ModelManifest,
    OutOfDistribution,
    TrainingRecord,
    write_manifest,
)
from inference.models.registry import ModelFolder, find_model
from inference.tasks import words
from inference.training.blocks import held_out_block
from inference.training.features import WHOLE, Boosting
from inference.training.site_rows import measured_sites
from inference.training.site_table import SiteRows
from inference.training.statistics import feature_statistics
from inference.training.trees import OPSET, export_trees, fitted_projection, tree_logits
from proofreading.verdicts import Task

__all__ = ["SiteTraining", "crossed_logits", "fitted", "site_calibration", "train_site_task"]

Say = Callable[[str], None]
Mask = NDArray[np.bool_]
_PARTS = 5
_SHORT_NAMES = {
    Task.SPLIT_ERROR_IDENTIFICATION: "tips",
    Task.MERGE_ERROR_IDENTIFICATION: "junctions",
    Task.SPLIT_ACTION_EVALUATION: "cuts",
}


@dataclass(frozen=True)
class SiteTraining:
    """Everything that decides what comes out of a training run, besides the data.

    Parameters
    ----------
    fold : str
        Trained on its training block; ``all`` trains on everything.
    columns : str
        ``all``, ``baseline`` for contact and shape alone, or ``microscopy``.
    """

    fold: str = WHOLE
    columns: str = "all"
    boosting: Boosting = field(
        default_factory=lambda: Boosting(
            iterations=150, learning_rate=0.05, leaves=12, smallest_leaf=15, ridge=5.0
        )
    )

    def chosen_fold(self) -> Fold | None:
        """Return the fold, None for everything."""
        return None if self.fold == WHOLE else fold_named(self.fold)


def train_site_task(
    task: Task,
    data: Path,
    out: Path,
    settings: SiteTraining | None = None,
    cache: Path | None = None,
    say: Say | None = None,
) -> ModelFolder:
    """Train on a truth volume and write a model folder.

    Parameters
    ----------
    task : Task
        One of `inference.features.site_spec.SITE_TASKS`.
    data : Path
        Folder with ``em.npz`` and ``labels.npz``.
    out : Path
        Where ``model.onnx``, ``manifest.json`` and ``config.json`` go.
    cache : Path, optional
        Folder in which skeletons and measured numbers are kept between runs.

    Raises
    ------
    VolumeError
        If the data cannot be read.
    InputError
        If the training block holds one answer only.
    StorageError
        If ``out`` cannot be written.
    ModelError
        If the exported file does not answer like the trees.
    """
    chosen = settings or SiteTraining()
    tell = say or (lambda _: None)
    volume = load_truth_volume(data)
    rows = measured_sites(task, volume, cache, tell)
    fold = chosen.chosen_fold()
    sites = rows.training(fold)
    tell(f"training on {int((sites & rows.asked).sum())} sites, fold {chosen.fold}")
    crossed = crossed_logits(rows, sites, chosen)
    boosters = fitted(rows, sites, chosen)
    calibration = _calibrated(rows, sites, crossed, chosen)
    _prepare(out, task, chosen, volume)
    digest, usual = _exported(rows, sites, boosters, chosen, out / "model.onnx")
    asked = sites & rows.asked
    names = tuple(rows.names[i] for i in rows.columns(chosen.columns))
    manifest = ModelManifest(
        id=f"trees-{_SHORT_NAMES[task]}-{volume.name}-{chosen.fold}",
        task=task,
        sha256=digest,
        onnx_opset=OPSET,
        parameters=_leaves(boosters),
        input=FeaturesContract(features=names, spec_hash=SiteSpec(task).hash(names)),
        pictures=None,
        labels=(words(task).no, words(task).yes),
        calibration=calibration,
        out_of_distribution=usual,
        training=_record(volume, chosen, int(asked.sum())),
        metrics=_metrics(crossed[asked], rows.truth[asked], calibration),
        licence=f"weights GPL-3.0-or-later; trained on {volume.name}, {volume.licence}",
        code_version=code_version(),
    )
    write_manifest(out, manifest)
    tell(f"wrote {out / manifest.file} and its manifest")
    return find_model(str(out))


def fitted(rows: SiteRows, sites: Mask, settings: SiteTraining) -> list[Any]:
    """Fit one booster for each seed on the rows of some sites.

    Raises
    ------
    InputError
        If a class is missing.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier

    chosen = sites[rows.site] & rows.known
    yes = rows.yes[chosen]
    if not yes.any() or yes.all():
        raise InputError(
            "There is nothing to learn from sites that are all alike.",
            "Give a volume with both answers in the training block.",
        )
    boosting = settings.boosting
    values = rows.values[chosen][:, rows.columns(settings.columns)]
    return [
        HistGradientBoostingClassifier(
            max_iter=boosting.iterations,
            learning_rate=boosting.learning_rate,
            max_leaf_nodes=boosting.leaves,
            min_samples_leaf=boosting.smallest_leaf,
            l2_regularization=boosting.ridge,
            max_features=boosting.columns,
            early_stopping=False,
            random_state=seed,
        ).fit(_splittable(values), yes)
        for seed in boosting.seeds
    ]


def _splittable(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give columns without any value a constant one, which no tree can split on."""
    empty = np.isnan(values).all(axis=0)
    # One distinct value is as bad for the binning as none: it wants two to lie between.
    single = np.array([len(np.unique(c[~np.isnan(c)])) < 2 for c in values.T], np.bool_)
    return np.where((empty | single)[None, :], np.float32(0), values)


def crossed_logits(rows: SiteRows, sites: Mask, settings: SiteTraining) -> NDArray[np.float64]:
    """Return logits of these sites by trees that saw no site of the same body, shape (sites,).

    Sites outside `sites` get one too, which means nothing.
    """
    of_rows = np.zeros(len(rows.values))
    part = rows.body % _PARTS
    columns = rows.columns(settings.columns)
    for number in range(_PARTS):
        here = part[rows.site] == number
        boosters = fitted(rows, sites & (part != number), settings)
        of_rows[here] = tree_logits(boosters, rows.values[here][:, columns])
    return rows.logits(of_rows)


def _calibrated(
    rows: SiteRows,
    sites: Mask,
    crossed: NDArray[np.float64],
    settings: SiteTraining,
) -> Calibration:
    asked = sites & rows.asked
    real = np.array(
        [s is not None and s.notes["segmentation"] == "automatic" for s in rows.samples], np.bool_
    )
    # Bad cuts of an automatic segmentation are as many as one draws: no share of candidates.
    candidates = asked if rows.task is Task.SPLIT_ACTION_EVALUATION else asked & real
    where = "everywhere" if settings.fold == WHOLE else "in the training block"
    held_out = f"every site {where}, answered by trees that saw no site of its body"
    share = yes_share(rows.truth[candidates if candidates.any() else asked])
    return site_calibration(rows.task, crossed[asked], rows.truth[asked], held_out, share)


def site_calibration(
    task: Task,
    logits: NDArray[np.float64],
    truth: NDArray[np.bool_],
    held_out: str,
    candidate_yes_share: float,
) -> Calibration:
    """Return the calibration of a task's trees from answers (n,) that they did not learn from.

    Slope and shift for cuts, a temperature for the others: chosen by the likelihood and the
    calibration error on the block of the fold ``middle``, which stands in no protocol figure.
    """
    shifted = task is Task.SPLIT_ACTION_EVALUATION
    fit = fit_slope_and_shift if shifted else fit_temperature
    return fit(logits, truth, held_out, candidate_yes_share)


def _exported(
    rows: SiteRows, sites: Mask, boosters: list[Any], settings: SiteTraining, weights: Path
) -> tuple[str, OutOfDistribution]:
    columns = rows.columns(settings.columns)
    usable: Mask = np.asarray(sites[rows.site], np.bool_)
    values = rows.values[usable][:, columns]
    empty = np.asarray(np.isnan(values).all(axis=0))
    filled = np.where(empty[None, :], np.float32(0), values)
    digest = export_trees(boosters, fitted_projection(filled), weights, values)
    held: Mask = np.asarray(rows.body[rows.site][usable] % _PARTS == 0, np.bool_)
    seen = run_table(weights, values)[1]
    return digest, feature_statistics(seen[~held], seen[held])


def _leaves(boosters: list[Any]) -> int:
    # scikit-learn offers no public way to the fitted trees.
    return int(sum(tree.get_n_leaf_nodes() for b in boosters for (tree,) in b._predictors))


def _prepare(out: Path, task: Task, settings: SiteTraining, volume: TruthVolume) -> None:
    config = {"task": task.value, "dataset_sha256": volume.sha256, "settings": asdict(settings)}
    text = json.dumps(config, indent=1, sort_keys=True) + "\n"
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / "config.json").write_text(text, encoding="utf-8")
    except OSError as error:
        raise StorageError(
            f"The folder {out} cannot be written.", "Name a folder that can be written."
        ) from error


def _record(volume: TruthVolume, settings: SiteTraining, sites: int) -> TrainingRecord:
    fold, depth = settings.chosen_fold(), volume.em.shape[0]
    trained, tested = "sites everywhere", "anything of this volume"
    if fold is not None:
        trained = f"sites in sections {fold.training_sections(depth)} that do not look into others"
        tested = f"anything but sites in sections {fold.test_sections(depth)}"
    return TrainingRecord(
        dataset=volume.name,
        dataset_sha256=volume.sha256,
        fold=settings.fold,
        trained_on=trained,
        must_not_be_tested_on=tested,
        held_out_blocks=() if fold is None else (held_out_block(fold, volume),),
        pairs=sites,
        seed=settings.boosting.seeds[0],
        epochs=settings.boosting.iterations,
        licence=volume.licence,
    )


def _metrics(
    logits: NDArray[np.float64], truth: Mask, calibration: Calibration
) -> dict[str, float]:
    """Return figures on the crossed answers inside the training block: not a test."""
    chance = calibrated(logits, calibration)
    return {
        "calibration_ece_15": round(calibration_error(chance, truth), 4),
        "calibration_sites": float(len(truth)),
        "calibration_yes": float(truth.sum()),
    }
