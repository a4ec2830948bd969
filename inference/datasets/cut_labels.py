"""Whether a proposed cut is good, judged by the truth.

A cut is good when it parts the true bodies of a segment and hardly harms any: for every
relevant body the supervoxels on its side exceed `CutRule.ratio` times those on the
other, and two relevant bodies lie on different sides.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from connectome.errors import InputError
from connectome.graph import SplitPreview

__all__ = ["BodySides", "CutLabel", "CutRule", "judge_cut", "sides_of", "truth_overlaps"]

Overlaps = Mapping[int, Mapping[int, int]]
"""Supervoxel to true body to the voxels that both share."""


@dataclass(frozen=True)
class CutRule:
    """When a cut is good.

    Parameters
    ----------
    ratio : float
        How many times the supervoxels of a body that went astray the others must exceed.
    smallest_body : int
        A body counts when the cut segment holds more than so many of its voxels.
    cutout_nm : float
        Width of the box around the cut in which supervoxels and voxels are counted.
    """

    ratio: float = 20.0
    smallest_body: int = 1000
    cutout_nm: float = 7500.0

    def __post_init__(self) -> None:
        if self.ratio < 1 or self.smallest_body < 0 or self.cutout_nm <= 0:
            raise InputError(
                "The rule for good cuts is impossible.",
                "Give a ratio of at least 1, a body size of at least 0 and a positive cutout.",
            )


@dataclass(frozen=True)
class BodySides:
    """Where one relevant body lies after a cut.

    Parameters
    ----------
    body : int
        The true body.
    voxels : int
        Its voxels in the cut segment.
    side : int
        The side with most of its supervoxels; 0 where both have as many.
    kept, strayed : int
        Its supervoxels on that side and on the other.
    """

    body: int
    voxels: int
    side: int
    kept: int
    strayed: int


@dataclass(frozen=True)
class CutLabel:
    """The answer for one cut, and the relevant bodies it rests on, by number."""

    good: bool
    bodies: tuple[BodySides, ...]


def judge_cut(
    side_of_supervoxel: Mapping[int, int], truth_overlaps: Overlaps, rule: CutRule
) -> CutLabel:
    """Tell whether a cut is good.

    Parameters
    ----------
    side_of_supervoxel : mapping
        The side, 1 or 2, of each supervoxel of the cut segment in the cutout.
    truth_overlaps : mapping
        For each of them the voxels it shares with true bodies in the cutout; body 0 is
        unknown. A supervoxel counts for the body it shares most with, the smaller number
        where two are equal.
    rule : CutRule
        When a cut is good.

    Raises
    ------
    InputError
        If a side is neither 1 nor 2.
    """
    if not set(side_of_supervoxel.values()) <= {1, 2}:
        raise InputError("The sides of a cut are 1 and 2.", "Leave out what is on no side.")
    counts: dict[int, list[int]] = {}
    voxels: dict[int, int] = {}
    for supervoxel, side in side_of_supervoxel.items():
        overlaps = {b: n for b, n in truth_overlaps.get(supervoxel, {}).items() if b and n > 0}
        for body, shared in overlaps.items():
            voxels[body] = voxels.get(body, 0) + shared
        if overlaps:
            main = min(overlaps, key=lambda body: (-overlaps[body], body))
            counts.setdefault(main, [0, 0])[side - 1] += 1
    relevant = sorted(body for body, total in voxels.items() if total > rule.smallest_body)
    bodies = tuple(_sides(body, voxels[body], counts.get(body, [0, 0])) for body in relevant)
    apart = {body.side for body in bodies} >= {1, 2}
    clean = all(body.kept > rule.ratio * body.strayed for body in bodies if body.kept)
    return CutLabel(apart and clean, bodies)


def _sides(body: int, voxels: int, counts: list[int]) -> BodySides:
    one, two = counts
    side = 0 if one == two else 1 if one > two else 2
    return BodySides(body, voxels, side, max(one, two), min(one, two))


def sides_of(preview: SplitPreview) -> dict[int, int]:
    """Return the side of each supervoxel in the first two parts of a previewed cut."""
    return {
        int(supervoxel): side
        for side, part in enumerate(preview.parts[:2], start=1)
        for supervoxel in part
    }


def truth_overlaps(
    supervoxels: NDArray[np.integer], truth: NDArray[np.integer], wanted: Iterable[int]
) -> dict[int, dict[int, int]]:
    """Count the voxels that supervoxels share with true bodies.

    Parameters
    ----------
    supervoxels, truth : ndarray, one shape
        Ids of the cutout's voxels; 0 is nothing.
    wanted : iterable of int
        The supervoxels asked about.
    """
    names = np.array(sorted(set(wanted)), np.uint64)
    ids = supervoxels.ravel().astype(np.uint64)
    kept = np.isin(ids, names) & (truth.ravel() != 0)
    found: dict[int, dict[int, int]] = {}
    if not kept.any():
        return found
    both = np.stack([ids[kept], truth.ravel()[kept].astype(np.uint64)])
    rows, counts = np.unique(both, axis=1, return_counts=True)
    for (name, body), count in zip(rows.T.tolist(), counts.tolist(), strict=True):
        found.setdefault(name, {})[body] = count
    return found
