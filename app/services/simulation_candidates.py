"""The questions of a simulated session: touching pairs, what is said of them, and the truth."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from app.services.panel import QUICK_SITES, can_be_asked
from connectome.errors import InputError
from connectome.graph import Ids
from inference.adaptive.model import Rows
from inference.features.cutout import PairPlace, site_pair_features
from inference.features.pairs import feature_names
from inference.features.spec import FeatureSpec
from inference.judges.features import CONTACT_REACH_NM
from proofreading.detection.contacts import contact_sites
from proofreading.detection.settings import DetectionSettings
from proofreading.sites import Site
from proofreading.verdicts import Task, Verdict

if TYPE_CHECKING:
    from connectome.datastack import Datastack
    from connectome.offline.datastack import OfflineDatastack
    from inference.judges.base import SiteJudge

__all__ = ["Candidates", "Scorer", "Scores", "find_candidates", "judged", "same_bodies"]

PURITY = 0.7
"""Share of a segment's known voxels that one body must have."""

Overlaps = tuple[Ids, Ids, NDArray[np.int64]]
Report = Callable[[str, float | None], None]


@dataclass(frozen=True)
class Scores:
    """What is known of pairs before anybody looks.

    Parameters
    ----------
    rows : Rows
        One for each site.
    names : tuple of str
        The features.
    known : ndarray of bool, shape (n,)
        Whether any model may say something; the others are not asked.
    base : tuple of str
        Ids of the models whose answers the base is.
    """

    rows: Rows
    names: tuple[str, ...]
    known: NDArray[np.bool_]
    base: tuple[str, ...]


Scorer = Callable[["Datastack", Sequence[Site]], Scores]


@dataclass(frozen=True)
class Candidates:
    """The pairs that can be asked about.

    Parameters
    ----------
    ids : tuple of str
        Ids of their sites.
    roots : ndarray, shape (n, 2), uint64
        The two segments.
    scores : Scores
        What is known of them.
    same : ndarray of bool, shape (n,)
        Whether a person who makes no mistake says that they are one.
    without_truth, without_score : int
        Pairs left out: the truth knows no body there, or no model may answer there.
    """

    ids: tuple[str, ...]
    roots: NDArray[np.uint64]
    scores: Scores
    same: NDArray[np.bool_]
    without_truth: int
    without_score: int

    def __len__(self) -> int:
        return len(self.ids)


def find_candidates(
    datastack: OfflineDatastack,
    overlaps: Overlaps,
    scorer: Scorer,
    ignore: tuple[int, ...],
    report: Report,
) -> Candidates:
    """Return every touching pair of a datastack, with its scores and its truth.

    Parameters
    ----------
    overlaps : tuple of ndarray
        As for `same_bodies`.

    Raises
    ------
    InputError
        If there is nothing to ask.
    """
    found = contact_sites(
        datastack, DetectionSettings(), progress=lambda share: report("finding contacts", share)
    )
    sites = list(found)
    same, certain = same_bodies(_roots(sites), overlaps, ignore)
    sites = [site for site, wanted in zip(sites, certain, strict=True) if wanted]
    report(f"scoring {len(sites)} pairs", None)
    scores = scorer(datastack, sites)
    known = scores.known
    if not known.any():
        raise InputError(
            "There is no pair of which a model may say something.",
            "Name models that were not trained on this dataset, or leave --held-out away.",
        )
    asked = [site for site, wanted in zip(sites, known, strict=True) if wanted]
    return Candidates(
        ids=tuple(site.id for site in asked),
        roots=_roots(asked),
        scores=Scores(scores.rows.take(known), scores.names, known[known], scores.base),
        same=same[certain][known],
        without_truth=int((~certain).sum()),
        without_score=int((~known).sum()),
    )


def same_bodies(
    pairs: Ids, overlaps: Overlaps, ignore: tuple[int, ...]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Tell of which pairs (n, 2) a person who sees both whole segments says that they are one.

    A segment is taken for the body that most of its voxels belong to, if at least 70 % of those
    with a known body do; a segment of several bodies is joined with nothing, since it would join
    them all (it has to be cut first).

    Parameters
    ----------
    overlaps : tuple of ndarray, each shape (m,)
        Segment, body and voxels of every pair that occurs.

    Returns
    -------
    same, certain : ndarray of bool, shape (n,)
        Nothing is certain of a segment without a known body, or of an ignored one.
    """
    roots, bodies, counts = overlaps
    known = bodies != 0
    names, row = np.unique(roots[known], return_inverse=True)
    order = np.lexsort((counts[known], row))
    last = np.flatnonzero(np.append(np.diff(row[order]) != 0, np.ones(min(len(row), 1), np.bool_)))
    most = order[last]
    body, share = bodies[known][most], counts[known][most] / np.bincount(row, counts[known])
    at = np.minimum(np.searchsorted(names, pairs), max(len(names) - 1, 0))
    if not len(names):
        return np.zeros(len(pairs), np.bool_), np.zeros(len(pairs), np.bool_)
    certain = ((names[at] == pairs) & ~np.isin(body[at], np.array(ignore, np.uint64))).all(axis=1)
    same = (body[at][:, 0] == body[at][:, 1]) & (share[at] >= PURITY).all(axis=1)
    return np.asarray(same & certain), np.asarray(certain)


def judged(
    judges: Sequence[SiteJudge], *, held_out: bool, spec: FeatureSpec | None = None
) -> Scorer:
    """Return a scorer that asks judges of pairs and measures the features of pairs.

    Parameters
    ----------
    judges : sequence of SiteJudge
        Several may answer about one pair; the base is the mean of their logits, each also a
        feature of its kind.
    held_out : bool
        Ask each model only where its manifest says that it is an honest test, so that models
        of one recipe, trained on different blocks, together cover a volume they were trained on.
    """
    return _Judged(tuple(judges), held_out, spec or FeatureSpec())


@dataclass(frozen=True)
class _Judged:
    judges: tuple[SiteJudge, ...]
    held_out: bool
    spec: FeatureSpec

    def __call__(self, datastack: Datastack, sites: Sequence[Site]) -> Scores:
        kinds = sorted({judge.manifest.input.kind for judge in self.judges})
        said = {kind: self._answers(datastack, sites, kind) for kind in kinds}
        table = np.stack([said[kind] for kind in kinds], axis=1)
        answers = np.isfinite(table).sum(axis=1)
        base = np.nansum(table, axis=1) / np.maximum(answers, 1)
        names = tuple(f"judge.{kind}" for kind in kinds)
        if datastack.imagery is not None:
            places = [_place(site) for site in sites]
            measured = site_pair_features(datastack, places, self.spec).values
            names, table = names + feature_names(self.spec), np.hstack([table, measured])
        ids = tuple(sorted(judge.manifest.id for judge in self.judges))
        return Scores(Rows(base, table), names, answers > 0, ids)

    def _answers(
        self, datastack: Datastack, sites: Sequence[Site], kind: str
    ) -> NDArray[np.float64]:
        """Return the mean logit of the judges of a kind, NaN where none may answer, (n,)."""
        row = {site.id: number for number, site in enumerate(sites)}
        total, count = np.zeros(len(sites)), np.zeros(len(sites))
        for judge in self.judges:
            manifest = judge.manifest
            if manifest.input.kind != kind or manifest.task is not Task.SPLIT_ERROR_CORRECTION:
                continue
            asked = [s for s in sites if can_be_asked(manifest.task, s) and self._may(judge, s)]
            for verdict in _verdicts(judge, datastack, asked):
                # A probability of exactly 0 or 1 has no finite odds.
                chance = float(np.clip(verdict.probability, 1e-6, 1 - 1e-6))
                total[row[verdict.site_id]] += logit(chance)
                count[row[verdict.site_id]] += 1
        return np.where(count > 0, total / np.maximum(count, 1), np.nan)

    def _may(self, judge: SiteJudge, site: Site) -> bool:
        blocks = judge.manifest.training.held_out_blocks
        return not self.held_out or any(block.holds(site.point_nm) for block in blocks)


def _roots(sites: Sequence[Site]) -> Ids:
    return np.array([(s.root, s.partners[0].root) for s in sites], np.uint64).reshape(-1, 2)


def _verdicts(judge: SiteJudge, datastack: Datastack, sites: Sequence[Site]) -> Iterator[Verdict]:
    for begin in range(0, len(sites), QUICK_SITES):
        results = judge.judge_sites(datastack, sites[begin : begin + QUICK_SITES])
        yield from (result for result in results if isinstance(result, Verdict))


def _place(site: Site) -> PairPlace:
    return PairPlace(site.root, site.partners[0].root, site.point_nm, CONTACT_REACH_NM)
