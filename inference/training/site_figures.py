"""How good the judges of tips, branch points and cuts are, on blocks they never saw."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from inference.calibration import fit_temperature, probabilities, yes_share
from inference.datasets.folds import PROTOCOL_FOLDS, fold_named
from inference.datasets.samples import Sample
from inference.datasets.volumes import load_truth_volume
from inference.evaluation.metrics import Figures, measure
from inference.training.site_rows import measured_sites
from inference.training.site_table import SiteRows
from inference.training.site_tasks import SiteTraining, crossed_logits, fitted
from inference.training.trees import tree_logits
from proofreading.verdicts import Task

__all__ = ["SiteFigures", "evaluate_site_task", "measured_by_folds"]

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class SiteFigures:
    """The figures of one group of sites.

    `at_even_odds` measures probabilities as if half of the answers were yes (so that 0.5
    is a fair threshold where yes is rare), `as_said` the calibrated ones as they are.
    """

    columns: str
    group: str
    at_even_odds: Figures
    as_said: Figures


@dataclass(frozen=True)
class _Answers:
    said: NDArray[np.float64]
    even: NDArray[np.float64]
    truth: Mask
    samples: tuple[Sample, ...]


def evaluate_site_task(
    task: Task,
    data: Path,
    settings: SiteTraining | None = None,
    cache: Path | None = None,
    say: Callable[[str], None] | None = None,
) -> list[SiteFigures]:
    """Measure the judge of a task and the baseline of contact and shape, by the protocol.

    Both are trained on the folds ``low`` and ``high``, calibrated inside their training
    blocks, and their answers in the test blocks are pooled.

    Parameters
    ----------
    cache : Path, optional
        As for `train_site_task`.
    """
    rows = measured_sites(task, load_truth_volume(data), cache, say)
    chosen = settings or SiteTraining()
    return [
        figure
        for columns in ("all", "baseline")
        for figure in measured_by_folds(rows, replace(chosen, columns=columns))
    ]


def measured_by_folds(rows: SiteRows, settings: SiteTraining) -> list[SiteFigures]:
    """Return the figures of one choice of columns, all sites first, then groups of them."""
    parts = [_answers(rows, replace(settings, fold=name)) for name in PROTOCOL_FOLDS]
    answers = _Answers(
        np.concatenate([p.said for p in parts]),
        np.concatenate([p.even for p in parts]),
        np.concatenate([p.truth for p in parts]),
        tuple(sample for p in parts for sample in p.samples),
    )
    return [
        SiteFigures(
            settings.columns,
            name,
            measure(answers.even[chosen], answers.truth[chosen]),
            measure(answers.said[chosen], answers.truth[chosen]),
        )
        for name, chosen in _groups(answers)
    ]


def _answers(rows: SiteRows, settings: SiteTraining) -> _Answers:
    fold = fold_named(settings.fold)
    sites = rows.training(fold)
    asked = sites & rows.asked
    crossed = crossed_logits(rows, sites, settings)[asked]
    share = yes_share(rows.truth[asked])
    calibration = fit_temperature(crossed, rows.truth[asked], "the training block", share)
    test = np.flatnonzero(fold.tests_at(rows.section) & rows.asked)
    values = rows.values[:, rows.columns(settings.columns)]
    logits = rows.logits(tree_logits(fitted(rows, sites, settings), values))[test]
    said = np.clip(probabilities(logits, calibration.temperature), 1e-9, 1 - 1e-9)
    samples = [rows.samples[index] for index in test.tolist()]
    return _Answers(
        said=said,
        even=np.asarray(expit(logit(said) - logit(share))),
        truth=rows.truth[test],
        samples=tuple(sample for sample in samples if sample is not None),
    )


def _groups(answers: _Answers) -> Iterator[tuple[str, Mask]]:
    """Yield groups with both answers: all, by segmentation, by place, real errors alone."""
    truth = answers.truth
    yield "all", np.ones(len(truth), np.bool_)
    for key in ("segmentation", "place"):
        found = np.array([sample.notes.get(key, "") for sample in answers.samples])
        for name in np.unique(found[found != ""]).tolist():
            if _both(truth[found == name]):
                yield f"{key}: {name}", found == name
    made = np.array([sample.synthetic for sample in answers.samples], np.bool_)
    if _both(truth[~made]) and made.any():
        yield "errors that no one made on purpose", ~made


def _both(truth: Mask) -> bool:
    return bool(truth.any() and not truth.all())
