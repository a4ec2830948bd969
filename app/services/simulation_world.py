"""A segmentation in memory that can be merged, and how far it is from the truth at any moment.

Nothing is written anywhere; each merge costs time in the number of bodies of one segment.
"""

from __future__ import annotations

import copy
import math

import numpy as np
from numpy.typing import NDArray

from connectome.graph import Ids

__all__ = ["SegmentWorld"]


class SegmentWorld:
    """Segments that can be joined, with the variation of information kept up to date.

    VI is that of `connectome.offline.scoring`: in nats, over voxels whose truth is neither 0
    nor ignored, voxels without a segment as one more segment.

    Parameters
    ----------
    roots, bodies, counts : ndarray, shape (n,)
        Segment, body and voxels of every pair that occurs, each pair once, body 0 included.
    ignore : tuple of int
        Bodies that do not count, beside 0.
    """

    def __init__(
        self, roots: Ids, bodies: Ids, counts: NDArray[np.int64], ignore: tuple[int, ...] = ()
    ) -> None:
        self._names, row = np.unique(roots, return_inverse=True)
        self.sizes = np.bincount(row, counts, len(self._names))
        self.volume = float(self.sizes[self._names != 0].sum())
        self._component = np.arange(len(self._names))
        kept = ~np.isin(bodies, np.array([0, *ignore], np.uint64))
        self._inside: list[dict[int, int]] = [{} for _ in self._names]
        for segment, body, count in zip(row[kept], bodies[kept], counts[kept], strict=True):
            self._inside[segment][int(body)] = int(count)
        self._total = float(counts[kept].sum())
        self._in_truth = _sum_log(np.unique(bodies[kept], return_inverse=True)[1], counts[kept])
        self._in_both = sum(_log(n) for inside in self._inside for n in inside.values())
        self._in_roots = sum(_log(sum(inside.values())) for inside in self._inside)

    def copy(self) -> SegmentWorld:
        """Return a world that can be changed without changing this one."""
        other = copy.copy(self)
        other.sizes = self.sizes.copy()
        other._component = self._component.copy()
        other._inside = [dict(inside) for inside in self._inside]
        return other

    def rows(self, roots: Ids) -> NDArray[np.int64]:
        """Return the numbers by which this world knows segments, in any shape."""
        found = np.minimum(np.searchsorted(self._names, roots), len(self._names) - 1)
        if not np.array_equal(self._names[found], roots):
            msg = "a segment that occurs nowhere in the volume"
            raise ValueError(msg)
        return np.asarray(found, np.int64)

    def components(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the segment that each one belongs to by now; `sizes` knows its voxels."""
        return np.asarray(self._component[rows])

    def merge(self, one: int, other: int) -> None:
        """Join the segments that two rows belong to by now; nothing happens if it is one."""
        into, gone = int(self._component[one]), int(self._component[other])
        if into == gone:
            return
        if len(self._inside[into]) < len(self._inside[gone]):
            into, gone = gone, into
        kept, moved = self._inside[into], self._inside[gone]
        self._in_roots -= _log(sum(kept.values())) + _log(sum(moved.values()))
        for body, count in moved.items():
            before = kept.get(body, 0)
            self._in_both += _log(before + count) - _log(before) - _log(count)
            kept[body] = before + count
        self._in_roots += _log(sum(kept.values()))
        self._inside[gone] = {}
        self.sizes[into] += self.sizes[gone]
        self.sizes[gone] = 0
        self._component[self._component == gone] = into

    @property
    def vi_split(self) -> float:
        """H(segments | truth): bodies that are in pieces."""
        return max(0.0, (self._in_truth - self._in_both) / max(self._total, 1.0))

    @property
    def vi_merge(self) -> float:
        """H(truth | segments): segments that hold several bodies."""
        return max(0.0, (self._in_roots - self._in_both) / max(self._total, 1.0))

    @property
    def vi(self) -> float:
        """Variation of information, nats."""
        return self.vi_split + self.vi_merge


def _log(count: float) -> float:
    return count * math.log(count) if count > 0 else 0.0


def _sum_log(slot: NDArray[np.intp], counts: NDArray[np.int64]) -> float:
    return sum(_log(float(n)) for n in np.bincount(slot, counts))
