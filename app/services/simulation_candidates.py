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
from connectome.space import BoxNm, Cutout
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
    from connectome.datastack import Datastack, Segmentation
    from connectome.offline.datastack import OfflineDatastack
    from inference.judges.base import SiteJudge

__all__ = ["Candidates", "Scorer", "Scores", "find_candidates", "judged", "same_bodies"]

LOOK_NM = 200.0
"""How far around the middle of a contact the virtual proofreader looks."""

_CUBE_NM = 1000.0

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
        Whether they are one body where they touch.
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
    datastack: OfflineDatastack, scorer: Scorer, ignore: tuple[int, ...], report: Report
) -> Candidates:
    """Return every touching pair of a datastack, with its scores and its truth.

    Raises
    ------
    InputError
        If the datastack has no ground truth, or there is nothing to ask.
    """
    truth = datastack.groundtruth
    if truth is None:
        raise InputError(
            f"The datastack {datastack.name} has no ground truth to answer from.",
            "Ingest it with --groundtruth.",
        )
    found = contact_sites(
        datastack, DetectionSettings(), progress=lambda share: report("finding contacts", share)
    )
    sites = list(found)
    report("reading the truth", None)
    same, certain = same_bodies(datastack.segmentation, truth, sites, ignore)
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
        roots=np.array([(s.root, s.partners[0].root) for s in asked], np.uint64),
        scores=Scores(scores.rows.take(known), scores.names, known[known], scores.base),
        same=same[certain][known],
        without_truth=int((~certain).sum()),
        without_score=int((~known).sum()),
    )


def same_bodies(
    segmentation: Segmentation, truth: Segmentation, sites: Sequence[Site], ignore: tuple[int, ...]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Tell whether the two segments of each site are one body, as seen around their contact.

    Returns
    -------
    same, certain : ndarray of bool, shape (n,)
        A segment counts as the body that most of its voxels near the contact belong to; where
        the truth knows none of them, nothing is certain.
    """
    same = np.zeros(len(sites), np.bool_)
    certain = np.zeros(len(sites), np.bool_)
    for rows in _neighbours(sites):
        points = np.array([sites[row].point_nm for row in rows])
        low, high = points.min(axis=0), points.max(axis=0)
        box = BoxNm((low[0], low[1], low[2]), (high[0], high[1], high[2])).grown(LOOK_NM)
        voxels = segmentation.read_roots(box), truth.read_roots(box)
        for row in rows:
            own, other = _bodies(voxels, sites[row], ignore)
            certain[row] = bool(own and other)
            same[row] = bool(own) and own == other
    return same, certain


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


def _verdicts(judge: SiteJudge, datastack: Datastack, sites: Sequence[Site]) -> Iterator[Verdict]:
    for begin in range(0, len(sites), QUICK_SITES):
        results = judge.judge_sites(datastack, sites[begin : begin + QUICK_SITES])
        yield from (result for result in results if isinstance(result, Verdict))


def _place(site: Site) -> PairPlace:
    return PairPlace(site.root, site.partners[0].root, site.point_nm, CONTACT_REACH_NM)


def _neighbours(sites: Sequence[Site]) -> list[list[int]]:
    """Return the rows of sites that lie in one cube, whose voxels are read at once."""
    cubes: dict[tuple[int, ...], list[int]] = {}
    for row, site in enumerate(sites):
        cubes.setdefault(tuple(int(v // _CUBE_NM) for v in site.point_nm), []).append(row)
    return list(cubes.values())


def _bodies(voxels: tuple[Cutout, Cutout], site: Site, ignore: tuple[int, ...]) -> tuple[int, int]:
    """Return the bodies of a site's two segments around their contact, 0 if unknown."""
    first, size = np.array(voxels[0].first_voxel), np.array(voxels[0].scale.voxel_nm)
    point = np.array(site.point_nm)
    low = np.maximum(np.floor((point - LOOK_NM) / size) - first, 0).astype(int)
    high = (np.floor((point + LOOK_NM) / size) - first).astype(int) + 1
    window = tuple(slice(a, b) for a, b in zip(low[::-1], high[::-1], strict=True))
    roots, bodies = (cutout.data[window] for cutout in voxels)
    seen = ~np.isin(bodies, np.array([0, *ignore], np.uint64))
    ends = (site.root, site.partners[0].root)
    own, other = (_most(bodies[seen & (roots == np.uint64(root))]) for root in ends)
    return own, other


def _most(bodies: NDArray[np.uint64]) -> int:
    """Return the body of most voxels, 0 where there are none."""
    if not bodies.size:
        return 0
    names, counts = np.unique(bodies, return_counts=True)
    return int(names[counts.argmax()])
