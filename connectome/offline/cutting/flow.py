"""The minimal source side of a minimum cut, in exact arithmetic.

Many cuts may be minimal. The one wanted holds every vertex that no minimum cut can take
from the source: what the residual graph of any maximum flow reaches. In exact arithmetic
that set does not depend on how the flow was found.

Affinities are 32-bit floats, so each is an integer times a power of two. scipy's maximum
flow takes 32-bit integers; the flow is therefore found in rounds, from the highest bits
to the lowest, each round working on what the last one left over.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from connectome.offline.cutting.contraction import Index

__all__ = ["exact_integers", "source_side"]

_ROUND_BITS = 30
"""A flow and its counterflow together must stay below 2**31."""
_WORD_BITS = 61
"""Sums of two residual capacities must stay below 2**63."""

Whole = NDArray[Any]
"""Integers: int64 where they fit, else Python's in an array of objects."""


def exact_integers(affinity: NDArray[np.float32]) -> Whole:
    """Return integers whose sums compare as the sums of the affinities do, shape (n,).

    Where a group of affinities is so small that even all of it together is less than the
    last bit of the next larger group, the distance between the two groups does not matter
    and is taken out; fake edges (1e-38) would need 150 bits otherwise.
    """
    mantissa, exponent = np.frexp(affinity.astype(np.float64))
    number = (mantissa * 2.0**24).astype(np.int64)
    positive = number > 0
    # An odd number times a power of two: fewer bits, and groups by that power.
    zeros = np.zeros(len(number), dtype=np.int64)
    zeros[positive] = np.frexp((number[positive] & -number[positive]).astype(np.float64))[1] - 1
    number >>= zeros
    power = exponent.astype(np.int64) + zeros
    levels, level = np.unique(power[positive], return_inverse=True)
    shifts, total = _packed_shifts(levels.tolist(), level, number[positive])
    out: Whole = np.zeros(len(number), dtype=np.int64)
    if total.bit_length() > _WORD_BITS:
        out, number = out.astype(object), number.astype(object)
    out[positive] = number[positive] << np.asarray(shifts, dtype=out.dtype)[level]
    return out


def _packed_shifts(
    levels: list[int], level: Index, number: NDArray[np.int64]
) -> tuple[list[int], int]:
    """Return how far to shift the numbers of each level, and the sum of all shifted."""
    shifts: list[int] = []
    total = 0
    for k, power in enumerate(levels):
        shift = 0
        if k:
            shift = min(shifts[-1] + power - levels[k - 1], total.bit_length())
        shifts.append(shift)
        # No sum of 2**24-sized numbers over any array in memory exceeds 63 bits.
        total += int(number[level == k].sum()) << shift
    return shifts, total


def source_side(
    n: int, a: Index, b: Index, affinity: NDArray[np.float32], sources: Index, sinks: Index
) -> NDArray[np.bool_]:
    """Return which vertices are on the minimal source side of a minimum cut, shape (n,).

    Parameters
    ----------
    n : int
        Number of vertices.
    a, b : ndarray, shape (e,)
        Undirected edges; parallel ones add up, self-loops do not matter.
    affinity : ndarray, shape (e,), float32
        Their capacity in both directions: finite, zero or more.
    sources, sinks : ndarray
        Vertices, no vertex in both; those of one side count as one.
    """
    merged = np.arange(n)
    merged[sources], merged[sinks] = sources[0], sinks[0]
    network = _Network(n, merged[a], merged[b], exact_integers(affinity))
    side = network.reached_by_maximum_flow(int(sources[0]), int(sinks[0]))
    return side[merged]


class _Network:
    """Residual capacities of a symmetric network, in the layout of a sparse matrix."""

    def __init__(self, n: int, a: Index, b: Index, capacity: Whole) -> None:
        kept = a != b
        tail = np.concatenate([a[kept], b[kept]])
        head = np.concatenate([b[kept], a[kept]])
        key = tail * n + head
        order = np.argsort(key, kind="stable")
        _, start = np.unique(key[order], return_index=True)
        both = np.concatenate([capacity[kept], capacity[kept]])[order]
        self._n = n
        self._tail, self._head = tail[order][start], head[order][start]
        self._residual: Whole = np.add.reduceat(both, start) if len(both) else both
        self._pointer = np.searchsorted(self._tail, np.arange(n + 1)).astype(np.int32)

    def reached_by_maximum_flow(self, source: int, sink: int) -> NDArray[np.bool_]:
        """Send a maximum flow and return what the source still reaches, shape (n,)."""
        bound = min(self._leaving(self._tail == source), self._leaving(self._head == sink))
        while bound > 0:
            shift = max(0, bound.bit_length() - _ROUND_BITS)
            small = (np.minimum(self._residual, bound) >> shift).astype(np.int32)
            flow = self._flow(small, source, sink)
            self._residual = self._residual - (flow.astype(self._residual.dtype) << shift)
            if shift == 0:
                break
            side = self._reached(small - flow > 0, source)
            bound = self._leaving(side[self._tail] & ~side[self._head])
        return self._reached((self._residual > 0).astype(np.bool_), source)

    def _leaving(self, entries: NDArray[np.bool_]) -> int:
        return int(self._residual[entries].sum())

    def _flow(self, capacity: NDArray[np.int32], source: int, sink: int) -> NDArray[np.int32]:
        from scipy.sparse import csr_array
        from scipy.sparse.csgraph import maximum_flow

        layout = (capacity, self._head.astype(np.int32), self._pointer)
        graph = csr_array(layout, shape=(self._n, self._n))
        # The matrix is symmetric and sorted, so the flow comes back in the same layout.
        return np.asarray(maximum_flow(graph, source, sink).flow.data, dtype=np.int32)

    def _reached(self, open_entries: NDArray[np.bool_], source: int) -> NDArray[np.bool_]:
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import breadth_first_order

        tail, head = self._tail[open_entries], self._head[open_entries]
        ones = np.ones(len(tail), dtype=np.int8)
        graph = coo_array((ones, (tail, head)), shape=(self._n, self._n)).tocsr()
        found = breadth_first_order(graph, source, return_predecessors=False)
        reached = np.zeros(self._n, dtype=np.bool_)
        reached[found] = True
        return reached
