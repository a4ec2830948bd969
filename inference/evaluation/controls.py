"""What gradient boosting makes of the features, of parts of them, and of shuffled answers.

A judge is worth its effort where it beats the boosting on contact features, and an
evaluation is sound where boosting on shuffled answers is at chance.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from connectome.errors import MissingPackageError
from inference.datasets.folds import PROTOCOL_FOLDS, Fold, both_unseen, fold_named
from inference.datasets.pairs import Pairs
from inference.evaluation.answers import Answers
from inference.evaluation.pairs import Questions, question_names
from inference.features.pairs import PairFeatures, pair_features
from inference.features.spec import FeatureSpec
from proofreading.verdicts import Task

__all__ = ["REFITTED", "refitted_answers"]

Table = NDArray[np.float32]

REFITTED = {
    "boosting, all features": ("",),
    "boosting, microscopy only": ("em.",),
    "boosting, shapes only": ("shape.",),
    "boosting, contact area only": ("shape.area",),
}
"""Judges made here for comparison, with the beginnings of the names of what they see."""
SHUFFLED = "boosting, shuffled answers"


@dataclass(frozen=True)
class _Measured:
    pairs: Pairs
    features: PairFeatures


def refitted_answers(
    questions: Questions,
    spec: FeatureSpec | None = None,
    *,
    folds: Sequence[str] = PROTOCOL_FOLDS,
    judges: Mapping[str, Sequence[str]] = REFITTED,
    iterations: int = 200,
    seed: int = 0,
    say: Callable[[str], None] | None = None,
) -> Answers:
    """Fit boosting on the watershed pairs of each fold's training block and ask it elsewhere.

    Nothing is tuned and no probability calibrated: these are lines to compare with.

    Parameters
    ----------
    judges : mapping of str to sequence of str
        What to fit, with the beginnings of the names of the features that it sees. The
        first is fitted once more, on shuffled answers.

    Raises
    ------
    MissingPackageError
        If scikit-learn is not installed.
    """
    tell = say or (lambda _: None)
    tell("measuring the features of every pair")
    volume = questions.original
    chosen = spec or FeatureSpec()
    measured = {
        kind: _Measured(
            pairs,
            pair_features(volume.em, pairs.labels, pairs.contacts, volume.voxel_nm, chosen),
        )
        for kind, pairs in questions.pairs.items()
    }
    parts = []
    for name in folds:
        for judge in _judges(measured["watershed"], judges, seed, iterations):
            tell(f"fitting {judge.name}, fold {name}")
            parts += _fold_answers(questions, measured, fold_named(name), judge)
    return Answers.concatenated(parts)


@dataclass(frozen=True)
class _Judge:
    """What is fitted: the columns it sees, and the answers (n,) it is told."""

    name: str
    columns: NDArray[np.int64]
    truth: NDArray[np.bool_]
    iterations: int


def _judges(
    training: _Measured, judges: Mapping[str, Sequence[str]], seed: int, iterations: int
) -> list[_Judge]:
    features, same = training.features, training.pairs.same
    found = [
        _Judge(name, np.concatenate([features.columns(b) for b in begins]), same, iterations)
        for name, begins in judges.items()
    ]
    shuffled = np.random.default_rng(seed).permutation(same)
    return [*found, _Judge(SHUFFLED, found[0].columns, shuffled, iterations)]


def _fold_answers(
    questions: Questions,
    measured: Mapping[str, _Measured],
    fold: Fold,
    judge: _Judge,
) -> list[Answers]:
    training = measured["watershed"]
    rows = fold.train(training.pairs)
    booster = _fitted(training.features.values[rows][:, judge.columns], judge.truth[rows], judge)
    parts = []
    for kind, asked in measured.items():
        test = np.flatnonzero(fold.test(asked.pairs))
        logit = booster(asked.features.values[test][:, judge.columns])
        parts.append(
            Answers.of(
                task=Task.SPLIT_ERROR_CORRECTION,
                dataset=questions.original.name,
                source=kind,
                judge=judge.name,
                model=f"{judge.name}, fold {fold.name}",
                sample=question_names(questions, asked.pairs, test),
                truth=asked.pairs.same[test],
                probability=np.asarray(expit(logit)),
                logit=logit,
                group=asked.pairs.bodies[test].max(axis=1),
                unseen=both_unseen(training.pairs, fold, asked.pairs)[test],
            )
        )
    return parts


def _fitted(
    values: Table, truth: NDArray[np.bool_], judge: _Judge
) -> Callable[[Table], NDArray[np.float64]]:
    try:
        from sklearn.ensemble import HistGradientBoostingClassifier
    except ImportError as error:
        raise MissingPackageError(
            "The package scikit-learn is not installed.",
            "Install Proofdesk with the extra `train`, or evaluate without the comparison.",
        ) from error
    booster = HistGradientBoostingClassifier(
        learning_rate=0.1, max_iter=judge.iterations, class_weight="balanced", random_state=0
    )
    booster.fit(values, truth)
    return lambda asked: np.asarray(booster.decision_function(asked), np.float64)
