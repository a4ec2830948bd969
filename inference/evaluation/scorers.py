"""Judges of pairs, asked about pairs of a volume in memory: one way for every kind of model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from connectome.errors import ModelError
from inference.calibration import calibrated
from inference.datasets.pairs import Pairs
from inference.datasets.volumes import TruthVolume
from inference.distribution import Familiar
from inference.features.spec import FeatureSpec
from inference.judges.base import Judge, Opinion, PairSample
from inference.judges.looks import MORE_LOOKS
from inference.judges.onnx import OnnxJudge
from inference.judges.picture_scores import picture_scores
from inference.judges.registry import member_folder
from inference.judges.tables import TableModel
from inference.models.manifest import InputContract, MembersContract, ModelManifest
from inference.models.registry import ModelFolder
from inference.training.feature_rows import measured_pairs

__all__ = [
    "AS_IN_USE",
    "CONTROLS",
    "ONE_LOOK",
    "PairScorer",
    "Rows",
    "Scorer",
    "Scores",
    "ensemble_scorer",
    "features_scorer",
    "joined_scorer",
    "pictures_scorer",
    "scorers",
]

Rows = NDArray[np.int64]

ONE_LOOK = "pictures, one look"
AS_IN_USE = "pictures, up to seven looks"
CONTROLS = ("microscopy only", "shapes only", "blank pictures")
"""What is left of the pictures in each control."""

Veil = Callable[[PairSample], PairSample]


@dataclass(frozen=True)
class Scores:
    """What a judge says about pairs; all of shape (n,).

    Parameters
    ----------
    logit : ndarray
        Before calibration.
    probability : ndarray
        Calibrated, among pairs as they were in calibration.
    ood : ndarray
        Distance from the training data as a share of what 95 % of usual inputs stay
        below; NaN where the model has no statistics.
    """

    logit: NDArray[np.float64]
    probability: NDArray[np.float64]
    ood: NDArray[np.float64]


PairScorer = Callable[[TruthVolume, Pairs, Rows], Scores]
"""What a judge says about some rows of a volume's pairs."""


@dataclass(frozen=True)
class Scorer:
    """A model that can be asked about pairs.

    Parameters
    ----------
    judge : str
        How it is called in tables; the models of several folds have one name.
    manifest : ModelManifest
        What it is, and where an answer is an honest test.
    condition : str or None
        The control under which it is asked, if it is one.
    """

    judge: str
    manifest: ModelManifest
    score: PairScorer
    condition: str | None = None


def scorers(
    folder: ModelFolder,
    *,
    threads: int | None = None,
    known: Sequence[Scorer] = (),
) -> list[Scorer]:
    """Return the ways in which a model is measured, its controls among them.

    Parameters
    ----------
    known : sequence of Scorer
        Judges that are there already; an ensemble asks those of them that are its members.
    """
    contract = folder.manifest.input
    if isinstance(contract, MembersContract):
        return [ensemble_scorer(folder, threads=threads, known=known)]
    if not isinstance(contract, InputContract):
        return [features_scorer(folder)]
    judge = OnnxJudge(folder, threads=threads)
    return [
        pictures_scorer(judge, more_looks=0),
        pictures_scorer(judge, more_looks=MORE_LOOKS),
        *(pictures_scorer(judge, more_looks=0, control=control) for control in CONTROLS),
    ]


def pictures_scorer(
    judge: Judge, *, more_looks: int = MORE_LOOKS, control: str | None = None
) -> Scorer:
    """Return a judge of pictures, looking once or as in use, with all or part of the pictures."""
    asked = judge if control is None else _Veiled(judge, _VEILS[control])

    def score(volume: TruthVolume, pairs: Pairs, rows: Rows) -> Scores:
        seen = picture_scores(asked, volume, pairs, rows, more_looks=more_looks)
        return _scores(judge.manifest, seen.logit, seen.strangeness)

    return Scorer(AS_IN_USE if more_looks else ONE_LOOK, judge.manifest, score, control)


def features_scorer(folder: ModelFolder, spec: FeatureSpec | None = None) -> Scorer:
    """Return a judge that measures.

    Raises
    ------
    ModelError
        If it was trained on numbers measured another way.
    """
    model, chosen = TableModel(folder), spec or FeatureSpec()
    if model.contract.spec_hash != chosen.hash:
        raise ModelError(
            f"The model {folder.manifest.id} was trained on numbers measured another way.",
            "Train the model again with this version.",
        )

    def score(volume: TruthVolume, pairs: Pairs, rows: Rows) -> Scores:
        places = rows, pairs.contacts.center[rows]
        values = measured_pairs(volume.em, pairs, places, volume.voxel_nm, chosen).values
        _, logits, strange = model.answers(values)
        away = np.full(len(rows), np.nan) if strange is None else strange
        return _scores(folder.manifest, logits, away)

    return Scorer("features", folder.manifest, score)


def ensemble_scorer(
    folder: ModelFolder, *, threads: int | None = None, known: Sequence[Scorer] = ()
) -> Scorer:
    """Return an ensemble, which shows only what its first member leaves open to the others.

    Parameters
    ----------
    known : sequence of Scorer
        As for `scorers`.

    Raises
    ------
    ModelError
        If the model is no ensemble, or a member cannot be used.
    """
    there = {s.manifest.sha256: s for s in known if s.judge != ONE_LOOK and s.condition is None}
    members = [
        there.get(member.sha256)
        or _member_scorer(member_folder(member, folder.path.parent), threads)
        for member in _members(folder.manifest).members
    ]
    return joined_scorer(folder.manifest, members)


def joined_scorer(manifest: ModelManifest, members: Sequence[Scorer]) -> Scorer:
    """Return an ensemble of judges that are there already, in the manifest's order.

    Raises
    ------
    ModelError
        If the manifest is not that of an ensemble.
    """
    contract = _members(manifest)

    def score(volume: TruthVolume, pairs: Pairs, rows: Rows) -> Scores:
        return _together(manifest, contract, members, _Asked(volume, pairs, rows))

    return Scorer("ensemble", manifest, score)


def _members(manifest: ModelManifest) -> MembersContract:
    if not isinstance(manifest.input, MembersContract):
        raise ModelError(f"The model {manifest.id} asks no other models.", "Name an ensemble.")
    return manifest.input


def _member_scorer(folder: ModelFolder, threads: int | None) -> Scorer:
    if isinstance(folder.manifest.input, InputContract):
        return pictures_scorer(OnnxJudge(folder, threads=threads))
    return features_scorer(folder)


@dataclass(frozen=True)
class _Asked:
    volume: TruthVolume
    pairs: Pairs
    rows: Rows

    def of(self, member: Scorer, chosen: NDArray[np.bool_] | None = None) -> Scores:
        rows = self.rows if chosen is None else self.rows[chosen]
        return member.score(self.volume, self.pairs, rows)


def _together(
    manifest: ModelManifest, contract: MembersContract, members: Sequence[Scorer], asked: _Asked
) -> Scores:
    quick = asked.of(members[0])
    first, *weights = (member.weight for member in contract.members)
    shown = (quick.logit >= contract.look_from) & (quick.logit <= contract.look_to)
    logit, strange = contract.bias + first * quick.logit[shown], quick.ood.copy()
    for member, weight in zip(members[1:], weights, strict=True):
        said = asked.of(member, shown)
        logit = logit + weight * said.logit
        strange[shown] = np.fmax(strange[shown], said.ood)
    joint = _scores(manifest, logit, strange[shown])
    # What is not shown keeps the quick judge's own answer, as its calibration means it.
    scores = Scores(
        quick.logit.copy(), quick.probability.copy(), Familiar(manifest).shares(strange)
    )
    scores.logit[shown], scores.probability[shown] = joint.logit, joint.probability
    return scores


def _scores(
    manifest: ModelManifest, logit: NDArray[np.float64], distance: NDArray[np.float64]
) -> Scores:
    return Scores(
        logit, calibrated(logit, manifest.calibration), Familiar(manifest).shares(distance)
    )


class _Veiled:
    """A judge of pictures from which something was taken."""

    def __init__(self, judge: Judge, veil: Veil) -> None:
        self._judge, self._veil = judge, veil

    @property
    def manifest(self) -> ModelManifest:
        return self._judge.manifest

    @property
    def provider(self) -> str:
        return self._judge.provider

    def judge(self, samples: Sequence[PairSample]) -> list[Opinion]:
        return self._judge.judge([self._veil(sample) for sample in samples])


def _grey(sample: PairSample) -> PairSample:
    slices = sample.slices
    return replace(sample, slices=replace(slices, em=np.full_like(slices.em, 128)))


def _unmarked(sample: PairSample) -> PairSample:
    slices = sample.slices
    return replace(sample, slices=replace(slices, ids=np.zeros_like(slices.ids)))


_VEILS: dict[str, Veil] = {
    "microscopy only": _unmarked,
    "shapes only": _grey,
    "blank pictures": lambda sample: _unmarked(_grey(sample)),
}
