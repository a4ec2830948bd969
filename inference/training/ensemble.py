"""Fitting how much each judge of pairs counts when a quick and a slow one answer together."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from connectome.errors import ModelError, StorageError
from inference.calibration import (
    calibrated,
    calibration_error,
    fit_calibration,
    fit_candidates,
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
WATERSHED, AUTOMATIC = "watershed", "automatic"
Say = Callable[[str], None]
Floats = NDArray[np.float64]
RULED_OUT = 0.01
"""Pairs to which the quick judge gives less are not shown to the slow one."""
EVERYTHING_ABOVE = 1e6


@dataclass(frozen=True)
class EnsembleSettings:
    """What an ensemble is made of.

    Parameters
    ----------
    fold : str
        The fold whose models answer together.
    quick, pictures : tuple of str
        Ids or folders of the judges that measure and of those that look: of this fold and
        of at least one other.
    joined : tuple of float
        Shares of coarser segmentations that are fitted on too, so that large segments count.
    """

    fold: str
    quick: tuple[str, ...]
    pictures: tuple[str, ...]
    joined: tuple[float, ...] = (0.6, 0.9)
    seed: int = 1
    spec: FeatureSpec = field(default_factory=FeatureSpec)


@dataclass(frozen=True)
class _Members:
    """The two models of one fold."""

    fold: Fold
    quick: ModelFolder
    pictures: ModelFolder


@dataclass(frozen=True)
class _Fitting:
    """Logits (n, 2) and distances (n, 2) of pairs, by models that never saw them."""

    logits: Floats
    strange: Floats
    same: NDArray[np.bool_]

    @classmethod
    def of(cls, parts: Sequence[_Fitting]) -> _Fitting:
        """Return all rows of several."""
        return cls(
            np.concatenate([part.logits for part in parts]),
            np.concatenate([part.strange for part in parts]),
            np.concatenate([part.same for part in parts]),
        )


def fit_ensemble(
    data: Path, out: Path, settings: EnsembleSettings, say: Say | None = None
) -> ModelFolder:
    """Fit how two judges of one fold answer together, and write the ensemble's folder.

    Models are too sure of what lies next to their own training pictures, so the weights
    and the calibration come from the answers of the same two kinds of models of *other*
    folds in their own test blocks, as far as those lie in this fold's training block:
    nothing that is fitted on was seen by who answers, and this fold's test block is as far
    away as it is from the training block.

    What each member's own answer means among candidates is learnt in the same step and
    written into its manifest; its weights stay as they are.

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
        If the members were trained on other data, or folds are missing.
    StorageError
        If ``out`` cannot be written.
    """
    tell = say or (lambda _: None)
    volume = load_truth_volume(data)
    own, others = _members(settings, volume)
    kinds = _kinds(volume, settings)
    answers: dict[str, _Fitting] = {}
    for name, pairs in kinds.items():
        tell(f"asking about {name} pairs of other folds")
        parts = [_answers(volume, own.fold, other, pairs, settings) for other in others]
        answers[name] = _Fitting.of(parts)
    # Automatic pairs decide how sure an answer about a candidate is, not which is likelier.
    learnt = _Fitting.of([part for name, part in answers.items() if name != AUTOMATIC])
    combination = fit_combination(learnt.logits, learnt.same)
    manifest = _manifest(volume, own, others, answers, combination, settings)
    _write(out, manifest, combination)
    for column, member in enumerate((own.quick, own.pictures)):
        _teach_candidates(member, answers[AUTOMATIC], column)
    tell(f"wrote {out} ({len(learnt.same)} pairs)")
    return find_model(str(out))


def _members(settings: EnsembleSettings, volume: TruthVolume) -> tuple[_Members, list[_Members]]:
    quick, pictures = (
        {
            folder.manifest.training.fold: folder
            for name in names
            if (folder := _of(volume, find_model(name)))
        }
        for names in (settings.quick, settings.pictures)
    )
    both = [
        _Members(fold_named(name), quick[name], pictures[name])
        for name in quick
        if name in pictures
    ]
    own = [members for members in both if members.fold.name == settings.fold]
    others = [members for members in both if members.fold.name != settings.fold]
    if not own or not others:
        raise ModelError(
            f"An ensemble of the fold {settings.fold} needs both models of that fold and of "
            "another one.",
            "Train the missing ones, and name all of them.",
        )
    return own[0], others


def _of(volume: TruthVolume, folder: ModelFolder) -> ModelFolder:
    if folder.manifest.training.dataset_sha256 != volume.sha256:
        raise ModelError(
            f"The model {folder.manifest.id} was not trained on {volume.name}.",
            "Name the volume that it was trained on: its folds say what it never saw.",
        )
    return folder


def _answers(
    volume: TruthVolume, fold: Fold, other: _Members, pairs: Pairs, settings: EnsembleSettings
) -> _Fitting:
    rows = np.flatnonzero(other.fold.test(pairs) & fold.train(pairs))
    looked = picture_scores(OnnxJudge(other.pictures), volume, pairs, rows)
    places = rows, pairs.contacts.center[rows]
    values = measured_pairs(volume.em, pairs, places, volume.voxel_nm, settings.spec).values
    _, measured, strange = TableModel(other.quick).answers(values)
    distance = np.full(len(rows), np.nan) if strange is None else strange
    return _Fitting(
        np.stack([measured, looked.logit], axis=1),
        np.stack([distance, looked.strangeness], axis=1),
        pairs.same[rows],
    )


def _teach_candidates(member: ModelFolder, candidates: _Fitting, column: int) -> None:
    """Write into a member's manifest what its answer means among candidates."""
    if not candidates.same.any():
        return
    calibration = member.manifest.calibration
    line = fit_candidates(calibrated(candidates.logits[:, column], calibration), candidates.same)
    taught = calibration.model_copy(update={"candidates": line})
    write_manifest(member.path, member.manifest.model_copy(update={"calibration": taught}))


def _kinds(volume: TruthVolume, settings: EnsembleSettings) -> dict[str, Pairs]:
    kinds = {WATERSHED: watershed_pairs(volume), AUTOMATIC: automatic_pairs(volume)}
    for joined in settings.joined:
        # Another random stream than in training, so that the segments are others.
        stream = [settings.seed, 77, round(joined * 100)]
        kinds[f"joined {joined:g}"] = coarser_pairs(volume, joined, np.random.default_rng(stream))
    return kinds


def _manifest(
    volume: TruthVolume,
    own: _Members,
    others: Sequence[_Members],
    answers: Mapping[str, _Fitting],
    combination: Combination,
    settings: EnsembleSettings,
) -> ModelManifest:
    fold, members = own.fold, [own.quick.manifest, own.pictures.manifest]
    usual = answers[WATERSHED]
    joint = combination.logits(usual.logits)
    candidates = automatic_pairs(volume)
    share = yes_share(candidates.same[fold.train(candidates)])
    folds = ", ".join(other.fold.name for other in others)
    where = f"test blocks of the folds {folds} inside the training block of {fold.name}"
    calibration = fit_calibration(joint, usual.same, where, share)
    among = calibrated(combination.logits(answers[AUTOMATIC].logits), calibration)
    if answers[AUTOMATIC].same.any():
        line = fit_candidates(among, answers[AUTOMATIC].same)
        calibration = calibration.model_copy(update={"candidates": line})
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
        out_of_distribution=_usual(usual, others),
        training=_record(members, len(joint), settings),
        metrics={
            "calibration_block_balanced_accuracy": round(balanced_accuracy(chance, usual.same), 4),
            "calibration_block_ece_15": round(calibration_error(chance, usual.same), 4),
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


def _usual(fitting: _Fitting, asked: Sequence[_Members]) -> OutOfDistribution | None:
    """Return what is usual of the larger distance, each as a share of its own 95th percentile."""
    first = [asked[0].quick.manifest, asked[0].pictures.manifest]
    statistics = [member.out_of_distribution for member in first]
    if any(each is None for each in statistics):
        return None
    usual = np.array([each.percentile_95 for each in statistics if each is not None])
    p95, p99 = np.percentile((fitting.strange / usual).max(axis=1), [95, 99])
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
            "trained_on": f"members: {first.trained_on}; weights: other folds inside that",
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
