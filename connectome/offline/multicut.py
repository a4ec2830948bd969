"""The production's multicut: which edges to remove so that two sets of points come apart.

The steps are those of PyChunkedGraph (its ``cutting`` module): contract what infinite
affinities join, hold the points of each side together along shortest paths, take the
minimal source side of a minimum cut, and check what is left. Free of I/O.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from connectome.graph import Ids
from connectome.offline.cutting.contraction import Index, LocalGraph, component_numbers, contract
from connectome.offline.cutting.flow import source_side
from connectome.offline.cutting.shortest import Path, Roads

__all__ = [
    "MulticutError",
    "MulticutPostconditionError",
    "MulticutPreconditionError",
    "multicut",
    "split_components",
]

_NOT_JOINED = (
    "Sinks and sources are not connected through the local graph. "
    "Please try a different set of vertices to perform the mincut."
)
_OVER_LABELS = (
    "Paths between source or sink points irreparably overlap other labels from other side. "
    "Check that labels are correct and consider spreading points out farther."
)
_OVER_PATHS = (
    "Paths between source point pairs and sink point pairs overlapped irreparably. "
    "Consider doing cut in multiple parts."
)
_NOT_APART = (
    "Failed to find a cut that separated the sources from the sinks. "
    "Please try another cut that partitions the sets cleanly if possible. "
    "If there is a clear path between all the supervoxels in each set, "
    "that helps the mincut algorithm."
)
_ONLY_LABELS = (
    "Split cut off only the labeled points on the {side} side. "
    "Please additional points to other parts of the merge error on that side."
)


class MulticutError(ValueError):
    """A cut that the production refuses; the message is the production's."""


class MulticutPreconditionError(MulticutError):
    """The points ask for a cut that cannot be made (400 in the production)."""


class MulticutPostconditionError(MulticutError):
    """There is nothing to cut (500 in the production)."""


def multicut(
    edges: ArrayLike,
    affinities: ArrayLike,
    sources: ArrayLike,
    sinks: ArrayLike,
    *,
    disallow_isolating_cut: bool = True,
) -> Ids:
    """Return the edges to remove so that the sources come apart from the sinks.

    Parameters
    ----------
    edges : array-like, shape (n, 2), uint64
        Pairs of supervoxels. Parallel edges add up.
    affinities : array-like, shape (n,), float32
        Zero or more. Infinite where the two are parts of one supervoxel: never cut.
    sources, sinks : array-like, uint64
        Supervoxels of each side.
    disallow_isolating_cut : bool
        Refuse a cut that takes off nothing but the labelled points and the paths between
        them.

    Returns
    -------
    ndarray, shape (m, 2), uint64
        The rows of `edges` whose ends lie on different sides, in the orientation they were
        given in. Each row once, ascending (the production may repeat rows).

    Raises
    ------
    MulticutPreconditionError, MulticutPostconditionError
        Where the production refuses, in its words.
    ValueError
        If an affinity is negative or no number, or a shape is wrong.

    Notes
    -----
    The cut is that of exact arithmetic (see `cutting.flow`), so it does not depend on the
    order of the edges. Their order matters in one place only: where several paths between
    two labels are equally short, the one is taken that the search of the Boost Graph
    Library finds first. Verified against independent slow implementations of all steps in
    exact rational arithmetic, and of that search's heap; not against a running server. Two
    things differ on purpose: path edges are uncuttable (the production gives them the
    largest 32-bit float), and a label that only infinite affinities touch is a vertex of
    its own (there the production's numbering of vertices slips).
    """
    pairs, weights, source, sink = _arrays(edges, affinities, sources, sinks)
    attempt = _Attempt.make(pairs, weights, source, sink)
    problem = attempt.problem(disallow_isolating_cut=disallow_isolating_cut)
    if problem:
        raise MulticutPreconditionError(problem)
    cut = pairs[attempt.crossed(pairs)]
    if not len(cut):
        raise MulticutPostconditionError("Mincut failed. Try with a different set of points.")
    return np.unique(cut, axis=0)


def split_components(
    edges: ArrayLike,
    affinities: ArrayLike,
    sources: ArrayLike,
    sinks: ArrayLike,
    *,
    disallow_isolating_cut: bool = True,
) -> tuple[list[Ids], bool]:
    """Return what a cut would leave of the local graph, as the production's preview does.

    Parameters are those of `multicut`.

    Returns
    -------
    parts : list of ndarray, uint64
        Supervoxels of each component after the cut: first that with the most sources, then
        that with the most sinks (empty if it is the same one), then the others.
    illegal : bool
        Whether `multicut` would refuse the cut because of what it leaves.

    Raises
    ------
    MulticutPreconditionError, MulticutPostconditionError
        As `multicut`, but for what `illegal` tells. An empty cut between points that no
        local edge connects is no error here, as in the production.
    """
    pairs, weights, source, sink = _arrays(edges, affinities, sources, sinks)
    attempt = _Attempt.make(pairs, weights, source, sink)
    problem = attempt.problem(disallow_isolating_cut=disallow_isolating_cut)
    return attempt.parts(), bool(problem)


def _arrays(
    edges: ArrayLike, affinities: ArrayLike, sources: ArrayLike, sinks: ArrayLike
) -> tuple[Ids, NDArray[np.float32], Ids, Ids]:
    pairs = np.asarray(edges, dtype=np.uint64).reshape(-1, 2)
    weights = np.asarray(affinities, dtype=np.float32)
    if weights.shape != (len(pairs),):
        raise ValueError(f"There are {len(pairs)} edges, but {weights.size} affinities.")
    if np.isnan(weights).any() or (weights < 0).any():
        raise ValueError("Affinities must be zero or more.")
    if np.isinf(weights).all():
        raise MulticutPostconditionError("Local graph somehow only contains cross chunk edges")
    labels = [np.unique(np.asarray(side, dtype=np.uint64)) for side in (sources, sinks)]
    if not all(len(side) and np.isin(side, pairs).all() for side in labels):
        raise MulticutPreconditionError(_NOT_JOINED)
    return pairs, weights, labels[0], labels[1]


@dataclass(frozen=True, eq=False)
class _Attempt:
    """A cut and everything that is asked about it.

    `source_side` tells for each vertex whether it is on the sources' side, `component` is
    the number of its component after the cut, and `on_paths` are the vertices on the paths
    of each side.
    """

    graph: LocalGraph
    sources: Index
    sinks: Index
    on_paths: tuple[Index, Index]
    source_side: NDArray[np.bool_]
    component: Index

    @classmethod
    def make(cls, pairs: Ids, weights: NDArray[np.float32], sources: Ids, sinks: Ids) -> _Attempt:
        graph = contract(pairs, weights, np.concatenate([sources, sinks]))
        source, sink = graph.vertices_of(sources), graph.vertices_of(sinks)
        paths = _paths_apart(Roads(graph), source, sink)
        on_paths = (_touched(paths[0]), _touched(paths[1]))
        n, held = len(graph.vertices), (_held(source, on_paths[0]), _held(sink, on_paths[1]))
        side = np.zeros(n, dtype=np.bool_)
        if not np.isin(source, sink).any():
            side = source_side(n, graph.a, graph.b, graph.affinity, *held)
        kept = side[graph.a] == side[graph.b]
        component = component_numbers(n, graph.a[kept], graph.b[kept])
        return cls(graph, source, sink, on_paths, side, component)

    def crossed(self, pairs: Ids) -> NDArray[np.bool_]:
        """Tell which of the given edges (n, 2) the cut goes through."""
        graph = self.graph
        vertex = np.searchsorted(graph.vertices, graph.representative)
        # What only infinite affinities touch is no vertex; both ends get the same side then.
        side = self.source_side[np.minimum(vertex, len(graph.vertices) - 1)]
        one, other = side[np.searchsorted(graph.ids, pairs)].T
        return np.asarray(one != other, dtype=np.bool_)

    def problem(self, *, disallow_isolating_cut: bool) -> str:
        """Return why the cut must be refused, empty if it need not be."""
        labelled = np.concatenate([self.sources, self.sinks])
        sides = (
            ("Source", self.sources, self.sinks, self.on_paths[0]),
            ("Sink", self.sinks, self.sources, self.on_paths[1]),
        )
        for number in np.unique(self.component[labelled]):
            here = self.component == number
            for name, own, others, on_paths in sides:
                if not here[own].any():
                    continue
                if not here[own].all() or here[others].any():
                    return _NOT_APART
                alone = disallow_isolating_cut and len(on_paths) == np.count_nonzero(here)
                if alone and not self._leads_to_labels_only(here, labelled):
                    return _ONLY_LABELS.format(side=name)
        return ""

    def _leads_to_labels_only(self, here: NDArray[np.bool_], labelled: Index) -> bool:
        a, b = self.graph.a, self.graph.b
        neighbours = np.concatenate([b[here[a]], a[here[b]]])
        return bool(np.isin(neighbours, labelled).all())

    def parts(self) -> list[Ids]:
        """Return the supervoxels of each component, in the order of a preview."""
        numbers = np.unique(self.component)
        first, second = (
            numbers[np.argmax([np.count_nonzero(self.component[side] == k) for k in numbers])]
            for side in (self.sources, self.sinks)
        )
        order = [first, second, *(k for k in numbers if k not in (first, second))]
        parts = [self.graph.supervoxels_of(np.flatnonzero(self.component == k)) for k in order]
        if first == second:
            parts[1] = parts[1][:0]
        return parts


def _paths_apart(roads: Roads, sources: Index, sinks: Index) -> tuple[list[Path], list[Path]]:
    """Return the paths that hold each side together, no vertex on both.

    Where the shortest ones meet, the side whose paths are shorter in the geometric mean
    keeps its own, and the other goes around; if it cannot, the roles are changed once.
    """
    own, other = roads.all_to_all(sources, sinks), roads.all_to_all(sinks, sources)
    if own is None or other is None:
        raise MulticutPreconditionError(_OVER_LABELS)
    if not np.isin(_touched(own), _touched(other)).any():
        return own, other
    source_first = _mean_length(own) < _mean_length(other)
    for source_wins in (source_first, not source_first):
        around = (
            roads.all_to_all(sinks, _touched(own))
            if source_wins
            else roads.all_to_all(sources, _touched(other))
        )
        if around is not None:
            return (own, around) if source_wins else (around, other)
    raise MulticutPreconditionError(_OVER_PATHS)


def _mean_length(paths: list[Path]) -> float:
    with np.errstate(over="ignore", under="ignore"):
        product = np.prod([path.length for path in paths])
        return float(np.power(product, 1 / len(paths)))


def _touched(paths: list[Path]) -> Index:
    vertices = sorted({vertex for path in paths for vertex in path.vertices})
    return np.asarray(vertices, dtype=np.int64)


def _held(labels: Index, on_paths: Index) -> Index:
    return np.union1d(labels, on_paths)
