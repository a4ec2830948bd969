"""Fitting how much each judge of pairs counts when a quick and a slow one answer together."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from connectome.errors import ModelError, StorageError
from inference.calibration import (
    calibrated,
    calibration_error,
    fit_calibration,
    yes_share,
)
from inference.datasets.folds import Fold, fold_named
from inference.datasets.pairs import Pairs, automatic_pairs, coarser_pairs, watershed_pairs
from inference.datasets.volumes import TruthVolume, load_truth_volume
from inference.evaluation.metrics import balanced_accuracy
from inference.features.spec import FeatureSpec
from inference.judges.onnx import OnnxJudge
from inference.judges.picture_scores import picture_scores
from inference.judges.tables import TableModel
from inference.judges.verdicts import code_version
from inference.models.manifest import (
    Member,
    MembersContract,
    ModelManifest,
    OutOfDistribution,
    TrainingRecord,
    write_manifest,
)
from inference.models.registry import ModelFolder, find_model
from inference.training.combination import Combination, fit_combination
from inference.training.feature_rows import measured_pairs

__all__ = ["EnsembleSettings", "fit_ensemble"]

FILE = "combination.json"
Say = Callable[[str], None]
Floats = NDArray[np.float64]
JOINED = (0.3, 0.6, 0.9)
"""Coarser segmentations that the weights are fitted on too, so that large segments count."""
RULED_OUT = 0.01
"""Pairs to which the quick judge gives less are not shown to the slow one."""
EVERYTHING_ABOVE = 1e6


@dataclass(frozen=True)
class EnsembleSettings:
    """What an ensemble is made of.

    Parameters
    ----------
    quick, pictures : str
        Ids or folders of the judge that measures and of the one that looks.
    held_out : float
        The far end of the training block along y that neither was trained on.
    """

    quick: str
    pictures: str
    held_out: float = 0.15
    seed: int = 1


@dataclass(frozen=True)
class _Fitting:
    """Logits (n, 2) and distances (n, 2) of pairs that no member was trained on."""

    logits: Floats
    strange: Floats
    same: NDArray[np.bool_]


def fit_ensemble(
    data: Path, out: Path, settings: EnsembleSettings, say: Say | None = None
) -> ModelFolder:
    """Fit the weights of two judges of one fold and write the ensemble's folder.

    Parameters
    ----------
    data : Path
        Folder with ``em.npz`` and ``labels.npz``.
    out : Path
        Where ``combination.json`` and ``manifest.json`` go; the members stay where they
        are and must lie beside it, or be bundled, when it is used.

    Raises
    ------
    ModelError
        If the members were trained on other data or on different folds.
    StorageError
        If ``out`` cannot be written.
    """
    tell = say or (lambda _: None)
    volume = load_truth_volume(data)
    quick, pictures = find_model(settings.quick), find_model(settings.pictures)
    fold = _common_fold(quick, pictures, volume)
    tell("asking both judges about pairs that neither was trained on")
    fitting = _fitting(volume, fold, quick, pictures, settings)
    combination = fit_combination(fitting.logits, fitting.same)
    manifest = _manifest(volume, fold, (quick, pictures), fitting, combination, settings)
    _write(out, manifest, combination)
    tell(f"wrote {out} ({len(fitting.same)} pairs)")
    return find_model(str(out))


def _common_fold(quick: ModelFolder, pictures: ModelFolder, volume: TruthVolume) -> Fold:
    records = [folder.manifest.training for folder in (quick, pictures)]
    if any(record.dataset_sha256 != volume.sha256 for record in records):
        raise ModelError(
            f"These models were not trained on {volume.name}.",
            "Name the volume that they were trained on: its far end is what is left to fit on.",
        )
    if records[0].fold != records[1].fold:
        raise ModelError(
            f"One model is of the fold {records[0].fold}, the other of {records[1].fold}.",
            "Name two models of one fold, or the ensemble was trained on what it is tested on.",
        )
    return fold_named(records[0].fold)


def _fitting(
    volume: TruthVolume,
    fold: Fold,
    quick: ModelFolder,
    pictures: ModelFolder,
    settings: EnsembleSettings,
) -> _Fitting:
    border = round(volume.em.shape[1] * (1 - settings.held_out))
    looking, measuring = OnnxJudge(pictures), TableModel(quick)
    parts = []
    for pairs in _kinds(volume, settings.seed):
        far = fold.train(pairs) & (pairs.contacts.center[:, 1] >= border)
        rows = np.flatnonzero(far)
        looked = picture_scores(looking, volume, pairs, rows)
        places = rows, pairs.contacts.center[rows]
        values = measured_pairs(volume.em, pairs, places, volume.voxel_nm, FeatureSpec()).values
        _, measured, strange = measuring.answers(values)
        distance = np.full(len(rows), np.nan) if strange is None else strange
        parts.append(
            _Fitting(
                np.stack([measured, looked.logit], axis=1),
                np.stack([distance, looked.strangeness], axis=1),
                pairs.same[rows],
            )
        )
    return _Fitting(
        np.concatenate([part.logits for part in parts]),
        np.concatenate([part.strange for part in parts]),
        np.concatenate([part.same for part in parts]),
    )


def _kinds(volume: TruthVolume, seed: int) -> Iterator[Pairs]:
    yield watershed_pairs(volume)
    for joined in JOINED:
        # Another random stream than in training, so that the segments are others.
        yield coarser_pairs(volume, joined, np.random.default_rng([seed, 77, int(joined * 100)]))


def _manifest(
    volume: TruthVolume,
    fold: Fold,
    folders: tuple[ModelFolder, ModelFolder],
    fitting: _Fitting,
    combination: Combination,
    settings: EnsembleSettings,
) -> ModelManifest:
    members = [folder.manifest for folder in folders]
    joint = combination.logits(fitting.logits)
    candidates = automatic_pairs(volume)
    share = yes_share(candidates.same[fold.train(candidates)])
    where = f"far end along y of z {fold.training_sections(volume.em.shape[0])}"
    calibration = fit_calibration(joint, fitting.same, where, share)
    chance = calibrated(joint, calibration)
    text = _text(combination)
    return ModelManifest(
        id=f"ensemble-pairs-{volume.name}-{fold.name}",
        task=members[0].task,
        file=FILE,
        sha256=hashlib.sha256(text.encode()).hexdigest(),
        onnx_opset=max(member.onnx_opset for member in members),
        parameters=sum(member.parameters for member in members) + 3,
        input=_contract(members, combination),
        pictures=None,
        labels=members[0].labels,
        calibration=calibration,
        out_of_distribution=_usual(fitting, members),
        training=_record(members, len(joint), settings),
        metrics={
            "calibration_block_balanced_accuracy": round(
                balanced_accuracy(chance, fitting.same), 4
            ),
            "calibration_block_ece_15": round(calibration_error(chance, fitting.same), 4),
        },
        licence=members[0].licence,
        code_version=code_version(),
    )


def _contract(members: Sequence[ModelManifest], combination: Combination) -> MembersContract:
    return MembersContract(
        members=tuple(
            Member(id=member.id, sha256=member.sha256, weight=weight)
            for member, weight in zip(members, combination.weights, strict=True)
        ),
        bias=combination.bias,
        look_from=round(members[0].calibration.temperature * float(logit(RULED_OUT)), 4),
        look_to=EVERYTHING_ABOVE,
    )


def _usual(fitting: _Fitting, members: Sequence[ModelManifest]) -> OutOfDistribution | None:
    """Return what is usual of the larger distance, each as a share of its own 95th percentile."""
    statistics = [member.out_of_distribution for member in members]
    if any(each is None for each in statistics):
        return None
    usual = np.array([each.percentile_95 for each in statistics if each is not None])
    larger = (fitting.strange / usual).max(axis=1)
    p95, p99 = np.percentile(larger, [95, 99])
    return OutOfDistribution(
        method="largest share of a member's own 95th percentile",
        mean=(),
        precision=(),
        percentile_95=round(float(p95), 4),
        percentile_99=round(float(p99), 4),
    )


def _record(
    members: Sequence[ModelManifest], pairs: int, settings: EnsembleSettings
) -> TrainingRecord:
    first = members[0].training
    return first.model_copy(
        update={
            "pairs": pairs,
            "seed": settings.seed,
            "epochs": 0,
            "trained_on": f"weights: far end along y; members: {first.trained_on}",
        }
    )


def _text(combination: Combination) -> str:
    return json.dumps(asdict(combination), indent=1) + "\n"


def _write(out: Path, manifest: ModelManifest, combination: Combination) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / FILE).write_text(_text(combination), encoding="utf-8", newline="\n")
        write_manifest(out, manifest)
    except OSError as error:
        raise StorageError(
            f"The folder {out} cannot be written.", "Name a folder that can be written."
        ) from error
