"""The local graph of a cut: what infinite affinities join is one vertex."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from connectome.graph import Ids

__all__ = ["Index", "LocalGraph", "component_numbers", "contract"]

Index = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class LocalGraph:
    """Supervoxels contracted over the edges of infinite affinity.

    Parameters
    ----------
    ids : ndarray, shape (k,), uint64
        Every supervoxel of the edges, ascending.
    representative : ndarray, shape (k,), uint64
        For each the smallest id that infinite affinities join it to.
    vertices : ndarray, shape (v,), uint64
        Representatives that a finite edge or a label touches, ascending. A vertex is its
        position here.
    a, b : ndarray, shape (e,), int64
        Vertices of the finite edges in the order they were given, parallel edges and
        self-loops included.
    affinity : ndarray, shape (e,), float32
        Affinity of each.
    """

    ids: Ids
    representative: Ids
    vertices: Ids
    a: Index
    b: Index
    affinity: NDArray[np.float32]

    def vertices_of(self, supervoxels: Ids) -> Index:
        """Return the vertices of supervoxels of this graph, each once, ascending."""
        found = self.representative[np.searchsorted(self.ids, supervoxels)]
        return np.unique(np.searchsorted(self.vertices, found)).astype(np.int64)

    def supervoxels_of(self, vertices: Index) -> Ids:
        """Return what the vertices (ascending) stand for, ordered by vertex, then by id."""
        mine = np.flatnonzero(np.isin(self.representative, self.vertices[vertices]))
        order = np.argsort(self.representative[mine], kind="stable")
        return self.ids[mine[order]]


def contract(edges: Ids, affinities: NDArray[np.float32], labels: Ids) -> LocalGraph:
    """Return the local graph of edges (n, 2); the labels must be among their ends."""
    ids, ends = np.unique(edges, return_inverse=True)
    ends = ends.reshape(-1, 2)
    rigid = np.isinf(affinities)
    component = component_numbers(len(ids), ends[rigid, 0], ends[rigid, 1])
    # A component is numbered by its first member, and ids ascend.
    representative = ids[component]
    pairs = representative[ends[~rigid]].reshape(-1, 2)
    touched = representative[np.searchsorted(ids, labels)]
    vertices = np.unique(np.concatenate([pairs.ravel(), touched]))
    a, b = np.searchsorted(vertices, pairs).astype(np.int64).T
    return LocalGraph(ids, representative, vertices, a, b, affinities[~rigid])


def component_numbers(n: int, a: Index, b: Index) -> Index:
    """Return for each of n vertices the smallest vertex that the edges join it to, shape (n,)."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(a), dtype=np.int8), (a, b)), shape=(n, n))
    _, number = connected_components(graph, directed=False)
    _, first = np.unique(number, return_index=True)
    return np.asarray(first[number], dtype=np.int64)
