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
    "Misses",
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
        near, near_pool = own.within(radius), random.within(radius)
        drawn = [near_pool.of_places(draw) for draw in chosen]
        rows.append(
            AgainstChance(
                detector,
                radius,
                len(places),
                len(errors),
                _bootstrapped(near.recalled(), len(errors), rng),
                _bootstrapped(near.right(), len(places), rng),
                _spread([each.recalled() for each in drawn], len(errors)),
                _spread([each.right() for each in drawn], count),
            )
        )
    return rows


@dataclass(frozen=True)
class Misses:
    """How far places are from errors of their own segments; every other pair is left out.

    Parameters
    ----------
    place, error : ndarray, shape (n,), int
        Rows of both.
    apart_nm : ndarray, shape (n,)
        Distance between the two.
    """

    place: NDArray[np.int64]
    error: NDArray[np.int64]
    apart_nm: NDArray[np.float64]

    def take(self, chosen: NDArray[np.bool_]) -> Misses:
        """Return some of them."""
        return Misses(self.place[chosen], self.error[chosen], self.apart_nm[chosen])

    def within(self, radius_nm: float) -> Misses:
        """Return those no further apart than this."""
        return self.take(self.apart_nm <= radius_nm)

    def of_places(self, rows: NDArray[np.int64]) -> Misses:
        """Return those of some of the places."""
        return self.take(np.isin(self.place, rows))

    def recalled(self) -> int:
        """Return how many errors there are among them."""
        return len(np.unique(self.error))

    def right(self) -> int:
        """Return how many places there are among them."""
        return len(np.unique(self.place))


def misses(places: Sequence[Place], errors: Sequence[TrueError]) -> Misses:
    """Return how far each place is from the errors of its segments.

    One of an error's segments must be the place's, and both of a pair that the place names.
    """
    points = np.array([place.point_nm for place in places]).reshape(-1, 3)
    holders: dict[int, list[int]] = {}
    for row, place in enumerate(places):
        for root in place.roots:
            holders.setdefault(root, []).append(row)
    found: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]] = []
    for column, error in enumerate(errors):
        roots = error.pair if isinstance(error, TrueSplitError) else frozenset({error.root})
        near = sorted({row for root in roots for row in holders.get(root, ())})
        rows = np.array(
            [row for row in near if len(places[row].roots) == 1 or places[row].roots == roots],
            np.int64,
        )
        if len(rows):
            apart = np.asarray(cKDTree(error.contact_nm).query(points[rows])[0])
            found.append((rows, np.full(len(rows), column), apart))
    if not found:
        return Misses(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))
    place_of, error_of, apart_nm = (np.concatenate(each) for each in zip(*found, strict=True))
    return Misses(place_of, error_of, apart_nm)


def _bootstrapped(right: int, total: int, rng: np.random.Generator) -> Share:
    if not total:
        return Share(None, None, None)
    # Drawing n of n yes-or-no answers with replacement is a binomial draw.
    shares = rng.binomial(total, right / total, _RESAMPLES) / total
    return Share(right / total, *_interval(shares))


def _spread(counts: list[int], total: int) -> Share:
    if not total or not counts:
        return Share(None, None, None)
    shares = np.array(counts) / total
    return Share(float(shares.mean()), *_interval(shares))


def _interval(shares: NDArray[np.float64]) -> tuple[float, float]:
    low, high = np.percentile(shares, (2.5, 97.5))
    return float(low), float(high)
