"""Shortest paths between labels, with the production's choice among equal ones.

Distances come from scipy. As long as only one path has the shortest length, there is no
choice. Where several have, the production takes what Boost's Dijkstra search meets first;
then, and only then, that search is done here in the same order.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from connectome.offline.cutting.contraction import Index, LocalGraph

__all__ = ["Path", "Roads"]

_ARITY = 4
_EPSILON = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class Path:
    """Vertices from one label to another, and the sum of the edges' lengths."""

    vertices: tuple[int, ...]
    length: float


class Roads:
    """The local graph as a road map: the length of an edge is 1 / (affinity + epsilon).

    Parameters
    ----------
    graph : LocalGraph
        The contracted graph.
    """

    def __init__(self, graph: LocalGraph) -> None:
        self._n = len(graph.vertices)
        self._a, self._b = graph.a, graph.b
        self._length = 1.0 / (graph.affinity.astype(np.float64) + _EPSILON)

    def all_to_all(self, labels: Index, removed: Index) -> list[Path] | None:
        """Return a shortest path for each pair of labels (first, later), None if one is missing.

        Parameters
        ----------
        labels : ndarray
            Vertices, ascending.
        removed : ndarray
            Vertices that no path may touch.
        """
        if len(labels) < 2:
            return []
        barred = np.zeros(self._n, dtype=np.bool_)
        barred[removed] = True
        if barred[labels].any():
            return None
        streets = _Streets(self, barred)
        paths: list[Path] = []
        for k, start in enumerate(labels[:-1].tolist()):
            found = streets.from_one(start, labels[k + 1 :].tolist())
            if found is None:
                return None
            paths += found
        return paths

    @cached_property
    def shortest_links(self) -> tuple[Index, Index, NDArray[np.float64]]:
        """The shortest of parallel edges, both ways and sorted, without self-loops."""
        tail, head, length = self._both_ways()
        kept = tail != head
        tail, head, length = tail[kept], head[kept], length[kept]
        order = np.lexsort((length, head, tail))
        tail, head, length = tail[order], head[order], length[order]
        fresh = np.ones(len(tail), dtype=np.bool_)
        fresh[1:] = (np.diff(tail) != 0) | (np.diff(head) != 0)
        return tail[fresh], head[fresh], length[fresh]

    @cached_property
    def links_as_listed(self) -> list[list[tuple[int, float]]]:
        """For each vertex its links in the order the production holds them.

        First the edges as they were given, then all of them reversed.
        """
        out: list[list[tuple[int, float]]] = [[] for _ in range(self._n)]
        tail, head, length = self._both_ways()
        for u, v, w in zip(tail.tolist(), head.tolist(), length.tolist(), strict=True):
            out[u].append((v, w))
        return out

    @property
    def n(self) -> int:
        """Number of vertices."""
        return self._n

    def _both_ways(self) -> tuple[Index, Index, NDArray[np.float64]]:
        tail, head = np.concatenate([self._a, self._b]), np.concatenate([self._b, self._a])
        return tail, head, np.concatenate([self._length, self._length])


class _Streets:
    """The road map without the barred vertices."""

    def __init__(self, roads: Roads, barred: NDArray[np.bool_]) -> None:
        from scipy.sparse import csr_array

        tail, head, length = roads.shortest_links
        free = ~barred[tail] & ~barred[head]
        self._roads, self._barred = roads, barred
        self._head, self._length = head[free], length[free]
        self._pointer = np.searchsorted(tail[free], np.arange(roads.n + 1))
        layout = (self._length, self._head, self._pointer)
        self._matrix = csr_array(layout, shape=(roads.n, roads.n), dtype=np.float64)

    def from_one(self, start: int, targets: list[int]) -> list[Path] | None:
        from scipy.sparse.csgraph import dijkstra

        distance = dijkstra(self._matrix, indices=[start])[0]
        if not np.isfinite(distance[targets]).all():
            return None
        before: dict[int, int] | None = None
        paths = []
        for target in targets:
            vertices = self._only_way(distance, start, target)
            if vertices is None:
                if before is None:
                    before = _search(self._roads.links_as_listed, self._barred, start)
                vertices = _walk_back(before, start, target)
            paths.append(Path(vertices, self._sum(vertices)))
        return paths

    def _only_way(
        self, distance: NDArray[np.float64], start: int, target: int
    ) -> tuple[int, ...] | None:
        """Return the shortest path if there is only one."""
        way = [target]
        while way[-1] != start:
            here = slice(self._pointer[way[-1]], self._pointer[way[-1] + 1])
            reached = distance[self._head[here]] + self._length[here] == distance[way[-1]]
            if np.count_nonzero(reached) != 1:
                return None
            way.append(int(self._head[here][reached][0]))
        return tuple(reversed(way))

    def _sum(self, vertices: tuple[int, ...]) -> float:
        lengths = []
        for u, v in itertools.pairwise(vertices):
            first, end = self._pointer[u], self._pointer[u + 1]
            lengths.append(self._length[first + np.searchsorted(self._head[first:end], v)])
        return float(np.sum(lengths))


def _walk_back(before: dict[int, int], start: int, target: int) -> tuple[int, ...]:
    way = [target]
    while way[-1] != start:
        way.append(before[way[-1]])
    return tuple(reversed(way))


def _search(
    links: list[list[tuple[int, float]]], barred: NDArray[np.bool_], start: int
) -> dict[int, int]:
    """Return the vertex before each reachable one, as Boost's Dijkstra search finds it.

    A vertex takes the first predecessor that gives it its final distance; vertices come
    out of a heap of arity 4, which decides the order among equal distances.
    """
    closed = barred.tolist()
    distance = [float("inf")] * len(links)
    distance[start] = 0.0
    before: dict[int, int] = {}
    heap = _Heap(distance)
    heap.push(start)
    while heap.items:
        u = heap.pop()
        for v, w in links[u]:
            if closed[v] or not distance[u] + w < distance[v]:
                continue
            known = v in before or v == start
            distance[v], before[v] = distance[u] + w, u
            if known:
                heap.rise(heap.place[v])
            else:
                heap.push(v)
    return before


class _Heap:
    """A heap of arity 4 that knows where each item is; only strictly smaller items rise."""

    def __init__(self, distance: list[float]) -> None:
        self.items: list[int] = []
        self.place: dict[int, int] = {}
        self._distance = distance

    def push(self, item: int) -> None:
        self.items.append(item)
        self.rise(len(self.items) - 1)

    def pop(self) -> int:
        top, last = self.items[0], self.items.pop()
        if self.items:
            self.items[0] = last
            self._sink()
        return top

    def rise(self, k: int) -> None:
        items, place, distance = self.items, self.place, self._distance
        item = items[k]
        key = distance[item]
        while k:
            parent = (k - 1) // _ARITY
            if not key < distance[items[parent]]:
                break
            items[k] = items[parent]
            place[items[k]] = k
            k = parent
        items[k], place[item] = item, k

    def _sink(self) -> None:
        items, place, distance = self.items, self.place, self._distance
        item, k, size = items[0], 0, len(items)
        key = distance[item]
        while (first := _ARITY * k + 1) < size:
            # min takes the first among equals.
            child = min(range(first, min(first + _ARITY, size)), key=lambda c: distance[items[c]])
            if not distance[items[child]] < key:
                break
            items[k] = items[child]
            place[items[k]] = k
            k = child
        items[k], place[item] = item, k
