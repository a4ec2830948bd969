"""Every detector against chance: what equally many random places would have found.

A site is *right* at a radius when it lies that near to where a true error of its own
segment is (for a split error: of either segment); an error is *recalled* when a site is
right about it. Segments are small against the radius in crowded tissue, so that random
places are often right too: only the difference counts. A site that names a pair can be
asked more: to name the two segments of the error as well.

The places drawn at random are vertices of the skeletons, or contacts; many draws give the
interval of chance. Intervals of a detector are percentile bootstraps over the errors (recall)
and over the sites (precision).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from connectome.datastack import Skeleton
from connectome.space import PointNm
from proofreading.detection.against_truth import TrueSplitError
from proofreading.detection.merge_errors import TrueMergeError
from proofreading.sites import Site

__all__ = [
    "RADII_NM",
    "AgainstChance",
    "Place",
    "Share",
    "TrueError",
    "against_chance",
    "contact_places",
    "misses",
    "site_places",
    "vertex_places",
]

RADII_NM = (100.0, 200.0, 300.0)

TrueError = TrueSplitError | TrueMergeError

_RESAMPLES = 2000


@dataclass(frozen=True)
class Place:
    """A position and the segments it speaks of: one, or the two of a pair."""

    point_nm: PointNm
    roots: frozenset[int]


@dataclass(frozen=True)
class Share:
    """A share with its 95 % interval; None where nothing was there to count."""

    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class AgainstChance:
    """One detector at one radius, beside chance.

    Parameters
    ----------
    detector : str
        What was asked.
    radius_nm : float
        How near counts.
    sites, errors : int
        How many there are.
    recall, precision : Share
        Of the detector, with bootstrap intervals.
    chance_recall, chance_precision : Share
        Of equally many random places: the mean over the draws, and 2.5 to 97.5 % of them.
    """

    detector: str
    radius_nm: float
    sites: int
    errors: int
    recall: Share
    precision: Share
    chance_recall: Share
    chance_precision: Share

    @property
    def beats_chance(self) -> bool:
        """Whether the recall lies above 97.5 % of the draws."""
        own, other = self.recall.value, self.chance_recall.high
        return own is not None and other is not None and own > other

    def as_dict(self) -> dict[str, object]:
        """Return everything ready for JSON."""
        return {**asdict(self), "beats_chance": self.beats_chance}


def site_places(sites: Iterable[Site]) -> list[Place]:
    """Return where sites are and the segment each lies in."""
    return [Place(site.point_nm, frozenset({site.root})) for site in sites]


def contact_places(sites: Iterable[Site]) -> list[Place]:
    """Return where sites are and the pair that each names with its first partner."""
    return [
        Place(site.point_nm, frozenset({site.root, site.partners[0].root}))
        for site in sites
        if site.partners
    ]


def vertex_places(skeletons: Iterable[Skeleton]) -> list[Place]:
    """Return every vertex of the skeletons as a place."""
    found: list[Place] = []
    for skeleton in skeletons:
        own = frozenset({skeleton.root})
        points = skeleton.vertices_nm.astype(float).tolist()
        found.extend(Place((x, y, z), own) for x, y, z in points)
    return found


def against_chance(
    detector: str,
    places: Sequence[Place],
    pool: Sequence[Place],
    errors: Sequence[TrueError],
    *,
    radii_nm: Sequence[float] = RADII_NM,
    draws: int = 200,
    seed: int = 0,
) -> list[AgainstChance]:
    """Compare places with as many places drawn from a pool, at each radius.

    Parameters
    ----------
    pool : sequence of Place
        What chance draws from without putting back, `vertex_places` or `contact_places`; if
        it is no larger than the places, all of it is one draw.
    """
    rng = np.random.default_rng(seed)
    own, random = misses(places, errors), misses(pool, errors)
    count = min(len(places), len(pool))
    chosen = [rng.choice(len(pool), count, replace=False) for _ in range(draws)]
    rows = []
    for radius in radii_nm:
        near, near_pool = np.asarray(own <= radius), np.asarray(random <= radius)
        drawn = [near_pool[draw] for draw in chosen]
        rows.append(
            AgainstChance(
                detector,
                radius,
                len(places),
                len(errors),
                _bootstrapped(_any(near, 0), rng),
                _bootstrapped(_any(near, 1), rng),
                _spread([_any(hits, 0) for hits in drawn]),
                _spread([_any(hits, 1) for hits in drawn]),
            )
        )
    return rows


def misses(places: Sequence[Place], errors: Sequence[TrueError]) -> NDArray[np.float32]:
    """Return how far each place is from each error in nm, shape (places, errors).

    Infinite where the place speaks of other segments: one of an error's segments must be the
    place's, and both of a pair that the place names.
    """
    apart = np.full((len(places), len(errors)), np.inf, np.float32)
    points = np.array([place.point_nm for place in places]).reshape(-1, 3)
    holders: dict[int, list[int]] = {}
    for row, place in enumerate(places):
        for root in place.roots:
            holders.setdefault(root, []).append(row)
    for column, error in enumerate(errors):
        roots = error.pair if isinstance(error, TrueSplitError) else frozenset({error.root})
        rows = sorted({row for root in roots for row in holders.get(root, ())})
        rows = [row for row in rows if len(places[row].roots) == 1 or places[row].roots == roots]
        if rows:
            apart[rows, column] = cKDTree(error.contact_nm).query(points[rows])[0]
    return apart


def _any(hits: NDArray[np.bool_], axis: int) -> NDArray[np.bool_]:
    return np.asarray(hits.any(axis=axis))


def _bootstrapped(right: NDArray[np.bool_], rng: np.random.Generator) -> Share:
    if not len(right):
        return Share(None, None, None)
    value = float(right.mean())
    # Drawing n of n yes-or-no answers with replacement is a binomial draw.
    shares = rng.binomial(len(right), value, _RESAMPLES) / len(right)
    return Share(value, *_interval(shares))


def _spread(draws: list[NDArray[np.bool_]]) -> Share:
    shares = [float(right.mean()) for right in draws if len(right)]
    if not shares:
        return Share(None, None, None)
    return Share(float(np.mean(shares)), *_interval(np.array(shares)))


def _interval(shares: NDArray[np.float64]) -> tuple[float, float]:
    low, high = np.percentile(shares, (2.5, 97.5))
    return float(low), float(high)
