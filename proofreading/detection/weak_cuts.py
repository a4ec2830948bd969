"""Weak cuts of a graph of supervoxels: where little holds two large parts together.

A maximum spanning tree keeps the strongest links of every segment; each of its edges parts
the segment in two, and all links across these two make one cut (the tree edge is the
strongest of them, as in Gomory and Hu's cut trees). A cut is weak when the mean openness
over its whole surface is low: membrane lies between the sides. Where nothing was measured,
it is weak when its surface is small for the smaller side. Both are normalised cuts
(Shi and Malik 2000): neither prefers to cut off crumbs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csr_array
from scipy.sparse.csgraph import breadth_first_order, connected_components, minimum_spanning_tree

__all__ = ["Cuts", "weak_cuts"]


@dataclass(frozen=True)
class Cuts:
    """Cuts of a graph, one for each edge of its spanning forest.

    Parameters
    ----------
    link : ndarray, shape (n,), int
        The strongest link across each cut.
    area_nm2 : ndarray, shape (n,)
        Area of all links across it.
    openness : ndarray, shape (n,)
        Mean over that area, 0 to 1.
    smaller_nm3 : ndarray, shape (n,)
        Volume of the smaller side.
    """

    link: NDArray[np.int64]
    area_nm2: NDArray[np.float64]
    openness: NDArray[np.float64]
    smaller_nm3: NDArray[np.float64]

    @property
    def narrowness(self) -> NDArray[np.float64]:
        """Area of the cut for the size of the smaller side; about 1.9 halves a ball."""
        return np.asarray(self.area_nm2 / self.smaller_nm3 ** (2 / 3))


def weak_cuts(
    links: NDArray[np.int64],
    area_nm2: NDArray[np.float64],
    openness: NDArray[np.float64],
    volume_nm3: NDArray[np.float64],
) -> Cuts:
    """Return the cut of every edge of the maximum spanning forest of a graph.

    Parameters
    ----------
    links : ndarray, shape (m, 2), int
        Nodes that touch, each pair once.
    area_nm2, openness : ndarray, shape (m,)
        Of each link; openness 0 to 1.
    volume_nm3 : ndarray, shape (n,)
        Of each node.
    """
    strength = area_nm2 * np.maximum(openness, 1e-3)
    tree = _forest(links, strength, len(volume_nm3))
    order, parent, depth = _walked(tree, len(volume_nm3))
    measures = np.stack([area_nm2, area_nm2 * openness], axis=1)
    crossing = _crossing(links, measures, order, parent, depth)
    below = _subtree_sums(volume_nm3[:, None], order, parent)[:, 0]
    _, component = connected_components(tree, directed=False)
    whole = np.bincount(component, weights=volume_nm3)[component]
    child = np.flatnonzero(parent >= 0)
    area = crossing[child, 0]
    return Cuts(
        link=_links_of(links, child, parent),
        area_nm2=area,
        openness=crossing[child, 1] / area,
        smaller_nm3=np.minimum(below, whole - below)[child],
    )


def _forest(links: NDArray[np.int64], strength: NDArray[np.float64], nodes: int) -> csr_array:
    # Ranks make every weight different, so that the same graph gives the same tree.
    rank = np.empty(len(links))
    rank[np.lexsort((links[:, 1], links[:, 0], -strength))] = np.arange(1, len(links) + 1)
    graph = coo_matrix((rank, (links[:, 0], links[:, 1])), shape=(nodes, nodes))
    return csr_array(minimum_spanning_tree(graph.tocsr()))


def _walked(
    tree: csr_array, nodes: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the nodes, parents first, and each one's parent (-1 at the top) and depth."""
    # One more node above every tree lets a single walk visit the whole forest.
    _, component = connected_components(tree, directed=False)
    tops = np.unique(component, return_index=True)[1]
    found = tree.tocoo()
    rows = np.concatenate([found.row, np.full(len(tops), nodes)])
    columns = np.concatenate([found.col, tops])
    joined = coo_matrix((np.ones(len(rows)), (rows, columns)), shape=(nodes + 1, nodes + 1))
    order, parent = breadth_first_order(joined.tocsr(), nodes, directed=False)
    parent = np.where(parent[:-1] == nodes, -1, parent[:-1]).astype(np.int64)
    depth = np.zeros(nodes, np.int64)
    for node in order[1:].tolist():
        if parent[node] >= 0:
            depth[node] = depth[parent[node]] + 1
    return np.asarray(order[1:], np.int64), np.asarray(parent), depth


def _crossing(
    links: NDArray[np.int64],
    measures: NDArray[np.float64],
    order: NDArray[np.int64],
    parent: NDArray[np.int64],
    depth: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Return for each node the sums over the links between its subtree and the rest."""
    meeting = _meeting(links, parent, depth)
    sums = np.zeros((len(parent), measures.shape[1]))
    np.add.at(sums, links[:, 0], measures)
    np.add.at(sums, links[:, 1], measures)
    # A link with both ends in a subtree crosses none of the cuts above their meeting.
    np.add.at(sums, meeting, -2 * measures)
    return _subtree_sums(sums, order, parent)


def _meeting(
    links: NDArray[np.int64], parent: NDArray[np.int64], depth: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return the lowest common ancestor of both ends of each link."""
    a, b = links[:, 0].copy(), links[:, 1].copy()
    while (apart := a != b).any():
        up_a, up_b = apart & (depth[a] >= depth[b]), apart & (depth[b] >= depth[a])
        a, b = np.where(up_a, parent[a], a), np.where(up_b, parent[b], b)
    return a


def _subtree_sums(
    values: NDArray[np.float64], order: NDArray[np.int64], parent: NDArray[np.int64]
) -> NDArray[np.float64]:
    sums = values.astype(np.float64)
    for node in order[::-1].tolist():
        if parent[node] >= 0:
            sums[parent[node]] += sums[node]
    return sums


def _links_of(
    links: NDArray[np.int64], child: NDArray[np.int64], parent: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return the row of the link between each child and its parent."""
    nodes = len(parent)
    keys = links.min(axis=1) * nodes + links.max(axis=1)
    up = parent[child]
    wanted = np.minimum(child, up) * nodes + np.maximum(child, up)
    order = np.argsort(keys)
    return np.asarray(order[np.searchsorted(keys[order], wanted)])
