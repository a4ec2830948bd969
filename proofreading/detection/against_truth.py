"""Sites against ground truth: how many true split errors they find, and how many are one.

A *true split error* is a pair of segments that touch (background between them filled by
up to three voxels), each at least 70 % of one and the same true body, counted over the
voxels whose truth is known. It is *recalled* when an endpoint site names the pair: one
as its own segment, the other among its partners. *Precision* is the share of endpoint
sites, those at the volume's faces left out, that name some true pair.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from connectome.errors import VolumeError
from connectome.space import BoxNm, Cutout, PointNm
from proofreading.sites import Site, SiteKind

__all__ = ["Labels", "TrueSplitError", "TruthReport", "against_truth", "true_split_errors"]


class Labels(Protocol):
    """What reads labels of a box: a `Segmentation`, of the datastack or of the truth."""

    def read_roots(self, box: BoxNm, scale: int = 0) -> Cutout:
        """Return the labels of a box."""
        ...


@dataclass(frozen=True)
class TrueSplitError:
    """Two touching segments of one true body, and where they touch: (n, 3) xyz in nm."""

    pair: frozenset[int]
    body: int
    contact_nm: NDArray[np.float64]


@dataclass(frozen=True)
class TruthReport:
    """How endpoint sites compare with the true split errors.

    Parameters
    ----------
    true_split_errors : int
        Pairs that ought to be found.
    recalled : int
        Of these, named by an endpoint site and one of its partners.
    recalled_by_first_partner : int
        Of these, named by an endpoint site and its best partner.
    recalled_by_position : int
        With an endpoint site of either segment within `position_nm` of the contact.
    endpoint_sites, endpoint_sites_at_face : int
        All endpoint sites, and those where the neurite leaves the volume.
    right_endpoint_sites : int
        Endpoint sites, not at a face, that name a true pair.
    """

    true_split_errors: int
    recalled: int
    recalled_by_first_partner: int
    recalled_by_position: int
    endpoint_sites: int
    endpoint_sites_at_face: int
    right_endpoint_sites: int
    position_nm: float

    @property
    def recall(self) -> float | None:
        """Share of true split errors named by a site; None if there are none."""
        return _share(self.recalled, self.true_split_errors)

    @property
    def recall_by_position(self) -> float | None:
        """Share of true split errors with a site at their contact; None if there are none."""
        return _share(self.recalled_by_position, self.true_split_errors)

    @property
    def precision(self) -> float | None:
        """Share of endpoint sites inside the volume that name a true pair."""
        return _share(self.right_endpoint_sites, self.endpoint_sites - self.endpoint_sites_at_face)

    def as_dict(self) -> dict[str, int | float | None]:
        """Return counts and shares, ready for JSON."""
        return {
            **vars(self),
            "recall": self.recall,
            "recall_by_position": self.recall_by_position,
            "precision": self.precision,
        }


def against_truth(
    sites: Iterable[Site],
    segmentation: Labels,
    truth: Labels,
    box: BoxNm,
    *,
    ignore: Iterable[int] = (),
    position_nm: float = 300.0,
) -> TruthReport:
    """Compare endpoint sites with the true split errors inside a box.

    Parameters
    ----------
    box : BoxNm
        Usually the whole volume, ``segmentation.scales[0].bounds_nm``; it is read at once.
    ignore : iterable of int
        True bodies that count as unknown, besides 0.

    Raises
    ------
    VolumeError
        If segmentation and truth differ in shape.
    """
    roots, bodies = segmentation.read_roots(box), truth.read_roots(box)
    errors = true_split_errors(
        roots.data, bodies.data, roots.scale.voxel_nm, roots.origin_nm, ignore=ignore
    )
    endpoints = [site for site in sites if site.kind is SiteKind.ENDPOINT]
    named = {pair for site in endpoints for pair in _pairs(site)}
    first = {pair for site in endpoints for pair in _pairs(site)[:1]}
    true_pairs = {error.pair for error in errors}
    inside = [site for site in endpoints if not site.at_volume_face]
    return TruthReport(
        true_split_errors=len(errors),
        recalled=len(true_pairs & named),
        recalled_by_first_partner=len(true_pairs & first),
        recalled_by_position=sum(_is_near(error, endpoints, position_nm) for error in errors),
        endpoint_sites=len(endpoints),
        endpoint_sites_at_face=len(endpoints) - len(inside),
        right_endpoint_sites=sum(not true_pairs.isdisjoint(_pairs(site)) for site in inside),
        position_nm=position_nm,
    )


def true_split_errors(
    roots: NDArray[np.unsignedinteger],
    bodies: NDArray[np.unsignedinteger],
    voxel_nm: tuple[float, float, float],
    origin_nm: PointNm = (0.0, 0.0, 0.0),
    *,
    ignore: Iterable[int] = (),
    gap_voxels: int = 3,
    purity: float = 0.7,
) -> list[TrueSplitError]:
    """Return the touching pairs of one true body, from zyx arrays of one shape."""
    if roots.shape != bodies.shape:
        raise VolumeError(
            f"Segmentation {roots.shape} and ground truth {bodies.shape} differ in shape.",
            "Give volumes of one shape.",
        )
    ids, small = np.unique(roots, return_inverse=True)
    body_of = _main_bodies(small.ravel(), len(ids), bodies.ravel(), ignore, purity)
    body_of[ids == 0] = 0
    filled = _filled(small.reshape(roots.shape).astype(np.int32), ids, gap_voxels)
    low, high, places = _touching(filled, body_of)
    centers = (places + 0.5) * np.asarray(voxel_nm) + np.asarray(origin_nm)
    found = []
    keys = low.astype(np.int64) * len(ids) + high
    order = np.argsort(keys, kind="stable")
    for part in np.split(order, np.flatnonzero(np.diff(keys[order])) + 1) if len(order) else []:
        a, b = int(low[part[0]]), int(high[part[0]])
        pair = frozenset({int(ids[a]), int(ids[b])})
        found.append(TrueSplitError(pair, int(body_of[a]), centers[part]))
    return found


def _main_bodies(
    small: NDArray[np.int64],
    count: int,
    bodies: NDArray[np.unsignedinteger],
    ignore: Iterable[int],
    purity: float,
) -> NDArray[np.uint64]:
    """Return for each segment number the body that it mostly is, 0 if it is too mixed."""
    names, small_bodies = np.unique(bodies, return_inverse=True)
    keys, overlaps = np.unique(small * len(names) + small_bodies, return_counts=True)
    segment, body = np.divmod(keys, len(names))
    known = ~np.isin(names[body], [0, *ignore])
    segment, body, overlaps = segment[known], body[known], overlaps[known]
    totals = np.bincount(segment, weights=overlaps, minlength=count)
    main = np.zeros(count, np.uint64)
    pure = overlaps >= purity * totals[segment]
    main[segment[pure]] = names[body[pure]]
    return main


def _filled(
    small: NDArray[np.int32], ids: NDArray[np.unsignedinteger], gap_voxels: int
) -> NDArray[np.int32]:
    """Give background near a segment to the nearest one; the rest becomes -1."""
    if ids[0] != 0:
        return small
    distance, nearest = ndimage.distance_transform_edt(small == 0, return_indices=True)
    filled = small[tuple(nearest)]
    return np.where((distance <= gap_voxels) & (filled != 0), filled, np.int32(-1))


def _touching(
    filled: NDArray[np.int32], body_of: NDArray[np.uint64]
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int64]]:
    """Return both numbers and the voxel (x, y, z) of every face between parts of one body."""
    lows, highs, places = [], [], []
    for axis in range(3):
        first = filled.take(range(filled.shape[axis] - 1), axis=axis)
        second = filled.take(range(1, filled.shape[axis]), axis=axis)
        here = (first != second) & (first >= 0) & (second >= 0)
        voxels = np.argwhere(here)
        a, b = first[here], second[here]
        same = (body_of[a] == body_of[b]) & (body_of[a] != 0)
        lows.append(np.minimum(a, b)[same])
        highs.append(np.maximum(a, b)[same])
        places.append(voxels[same][:, ::-1])
    return np.concatenate(lows), np.concatenate(highs), np.concatenate(places)


def _pairs(site: Site) -> list[frozenset[int]]:
    return [frozenset({site.root, partner.root}) for partner in site.partners]


def _is_near(error: TrueSplitError, endpoints: list[Site], position_nm: float) -> bool:
    """Tell whether a site of either segment lies at the contact."""
    points = [site.point_nm for site in endpoints if site.root in error.pair]
    if not points:
        return False
    nearest, _ = cKDTree(error.contact_nm).query(np.asarray(points))
    return bool(np.any(nearest <= position_nm))


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
