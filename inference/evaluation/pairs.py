"""Asking judges of pairs where an answer is an honest test.

Every model is asked only about contacts in the test block of the fold it was trained on;
the answers of the folds are pooled. On a volume that no model was trained on, every model
is asked about every pair.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from connectome.errors import ModelError
from inference.calibration import candidate_probability, with_share
from inference.datasets.folds import PROTOCOL_FOLDS, both_unseen, fold_named
from inference.datasets.pairs import Pairs, automatic_pairs, watershed_pairs
from inference.datasets.samples import Part, sample_id
from inference.datasets.volumes import TruthVolume
from inference.evaluation.answers import AS_RECORDED, Answers
from inference.evaluation.degrade import original_sections
from inference.evaluation.scorers import Scorer
from inference.models.manifest import ModelManifest
from proofreading.verdicts import Task

__all__ = [
    "Questions",
    "asked_about",
    "kinds_of_pairs",
    "pair_answers",
    "question_names",
    "refused",
]

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Questions:
    """Pairs of a volume that judges are asked about.

    Parameters
    ----------
    volume : TruthVolume
        As the judges see it.
    pairs : mapping of str to Pairs
        By what they were made from.
    original : TruthVolume
        The volume before it was degraded; the same one if it was not.
    training : Pairs
        Pairs of the original that models of its folds were trained on.
    condition : str
        How `volume` came from `original`.
    """

    volume: TruthVolume
    pairs: Mapping[str, Pairs]
    original: TruthVolume
    training: Pairs
    condition: str = AS_RECORDED

    @classmethod
    def about(cls, volume: TruthVolume) -> Questions:
        """Return the protocol's pairs of a volume as it was recorded."""
        pairs = kinds_of_pairs(volume)
        return cls(volume, pairs, volume, pairs["watershed"])

    def degraded(self, volume: TruthVolume, condition: str) -> Questions:
        """Return the same questions about a degraded copy, as far as they are still there."""
        pairs = kinds_of_pairs(volume, tuple(self.pairs))
        return Questions(volume, pairs, self.original, self.training, condition)

    def sections(self, pairs: Pairs) -> NDArray[np.int64]:
        """Return the sections (n,) of the original volume in which the contacts lie."""
        return original_sections(pairs.contacts.center[:, 0], self.volume, self.original)


def kinds_of_pairs(
    volume: TruthVolume, kinds: Sequence[str] = ("watershed", "automatic")
) -> dict[str, Pairs]:
    """Return the labelled pairs of a volume by what they were made from."""
    make = {"watershed": watershed_pairs, "automatic": automatic_pairs}
    return {kind: make[kind](volume) for kind in kinds}


def pair_answers(
    questions: Questions, scorers: Sequence[Scorer], *, most: int | None = None
) -> Answers:
    """Ask every judge about the pairs it was not trained on.

    Parameters
    ----------
    most : int, optional
        Ask each about so many pairs of a kind at most, drawn at random but always the same.

    Raises
    ------
    ModelError
        If a model was trained on the whole volume, so that nothing is left to ask about.
    """
    return Answers.concatenated(
        [
            asked_about(questions, kind, scorer, rows)
            for kind, pairs in questions.pairs.items()
            for scorer in scorers
            for rows in [_drawn(_testable(questions, pairs, scorer.manifest), most)]
        ]
    )


def asked_about(questions: Questions, kind: str, scorer: Scorer, rows: Rows) -> Answers:
    """Return the answers of one judge about some rows of a kind of pairs."""
    pairs, manifest = questions.pairs[kind], scorer.manifest
    scores = scorer.score(questions.volume, pairs, rows)
    chance, calibration = scores.probability, manifest.calibration
    shown = candidate_probability(chance, calibration)
    if kind == "automatic":
        even = with_share(shown, calibration.candidate_yes_share, 0.5)
    else:
        even = with_share(chance, calibration.yes_share, 0.5)
    return Answers.of(
        task=manifest.task,
        dataset=questions.original.name,
        source=kind,
        judge=scorer.judge,
        model=manifest.id,
        sample=question_names(questions, pairs, rows),
        truth=pairs.same[rows],
        probability=chance,
        logit=scores.logit,
        shown=shown,
        even=even,
        ood=scores.ood,
        group=_larger_body(questions.training, pairs)[rows],
        unseen=_unseen(questions, pairs, manifest)[rows],
        part=_part(questions, manifest),
        condition=_condition(questions, scorer),
    )


def refused(models: Sequence[ModelManifest], volume: TruthVolume) -> None:
    """Check that the answers of these models may be pooled.

    Raises
    ------
    ModelError
        If one was trained on other data, or two of one kind were trained on one fold.
    """
    for model in models:
        if model.training.dataset_sha256 != volume.sha256:
            raise ModelError(
                f"The model {model.id} was trained on other data than {volume.name}.",
                "Its folds say nothing about this volume; name the volume it was trained on.",
            )
    folds = [(model.input.kind, model.training.fold) for model in models]
    if len(set(folds)) != len(folds):
        raise ModelError(
            "Two of these models were trained on the same fold.",
            "Name one model of each kind for each fold.",
        )


def _testable(questions: Questions, pairs: Pairs, model: ModelManifest) -> Rows:
    if model.training.dataset_sha256 != questions.original.sha256:
        return np.arange(len(pairs))
    if model.training.fold == "all":
        raise ModelError(
            f"The model {model.id} was trained on all of {questions.original.name}.",
            "Name the models of its folds: they were trained alike and can be tested.",
        )
    fold = fold_named(model.training.fold)
    return np.flatnonzero(fold.tests_at(questions.sections(pairs)))


def _part(questions: Questions, model: ModelManifest) -> Part:
    """Return what the answers are for: thresholds are chosen where nothing is published."""
    training = model.training
    chosen = training.dataset_sha256 == questions.original.sha256
    return Part.VALIDATION if chosen and training.fold not in PROTOCOL_FOLDS else Part.TEST


def _drawn(rows: Rows, most: int | None) -> Rows:
    if most is None or len(rows) <= most:
        return rows
    return np.sort(np.random.default_rng(0).choice(rows, most, replace=False))


def _unseen(questions: Questions, pairs: Pairs, model: ModelManifest) -> NDArray[np.bool_]:
    if model.training.dataset_sha256 != questions.original.sha256:
        return np.ones(len(pairs), np.bool_)
    return both_unseen(questions.training, fold_named(model.training.fold), pairs)


def _larger_body(training: Pairs, pairs: Pairs) -> NDArray[np.int64]:
    """Return for each pair the one of its bodies that has more pairs, shape (n,)."""
    bodies, counts = np.unique(training.bodies, return_counts=True)
    known = np.isin(pairs.bodies, bodies)
    at = np.minimum(np.searchsorted(bodies, pairs.bodies), len(bodies) - 1)
    size = np.where(known, counts[at], 0)
    chosen = size.argmax(axis=1)
    return np.asarray(pairs.bodies[np.arange(len(pairs)), chosen])


def question_names(questions: Questions, pairs: Pairs, rows: Rows) -> list[str]:
    """Return ids that are the same in every condition: a pair of one volume touches once."""
    task, dataset = Task.SPLIT_ERROR_CORRECTION, questions.original.name
    return [
        sample_id(task, dataset, (a, b), (0, 0, 0), "touching pair")
        for a, b in pairs.contacts.pairs[rows].tolist()
    ]


def _condition(questions: Questions, scorer: Scorer) -> str:
    if scorer.condition is None:
        return questions.condition
    if questions.condition == AS_RECORDED:
        return f"control: {scorer.condition}"
    return f"{questions.condition}, control: {scorer.condition}"
