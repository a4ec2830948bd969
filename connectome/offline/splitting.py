"""Which edges a split removes, and when it is refused, in the production's words. Free of I/O."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from connectome.graph import Ids
from connectome.offline.base import Rows
from connectome.offline.editing import rows_near
from connectome.offline.multicut import (
    MulticutPostconditionError,
    MulticutPreconditionError,
    multicut,
    split_components,
)
from connectome.offline.reading import ancestors, descendants
from connectome.offline.refusal import GraphRefusalError
from connectome.offline.rewiring import components
from connectome.offline.state import GraphState

__all__ = ["Cut", "edges_of", "listed_rows", "minimum_cut", "parts_after", "voxels_after"]


@dataclass(frozen=True, eq=False)
class Cut:
    """What a split is asked to do.

    Parameters
    ----------
    sources, sinks : ndarray, uint64
        Supervoxels of each side.
    source_coords, sink_coords : list
        Their points, voxels (x, y, z).
    reach : tuple of int
        How far beyond the points edges count, voxels (x, y, z); chunks that meet the box
        count whole.
    """

    sources: Ids
    sinks: Ids
    source_coords: list[list[int]]
    sink_coords: list[list[int]]
    reach: tuple[int, int, int]

    def request(self) -> dict[str, Any]:
        """Return what the log says of it, as JSON values."""
        return {
            "source_ids": [str(i) for i in self.sources],
            "sink_ids": [str(i) for i in self.sinks],
            "source_coords": self.source_coords,
            "sink_coords": self.sink_coords,
            "bb_offset": list(self.reach),
        }


def minimum_cut(state: GraphState, cut: Cut) -> Rows:
    """Return the rows of the edges that the multicut removes.

    Raises
    ------
    GraphRefusalError
        400 where the points cannot be cut apart, 500 where there is nothing to cut (the
        production does not translate that one).
    """
    rows, pairs = _local_edges(state, cut)
    with _refusals():
        removed = multicut(pairs, state.edge_affinities(rows), cut.sources, cut.sinks)
    return rows[_among(pairs, removed)]


def parts_after(state: GraphState, cut: Cut) -> tuple[list[Ids], bool]:
    """Return the supervoxels near the points in the parts that a cut leaves.

    Returns
    -------
    parts : list of ndarray
        See `multicut.split_components`.
    illegal : bool
        Whether the split would be refused.

    Raises
    ------
    GraphRefusalError
        As `minimum_cut`.
    """
    rows, pairs = _local_edges(state, cut)
    with _refusals():
        return split_components(pairs, state.edge_affinities(rows), cut.sources, cut.sinks)


def voxels_after(state: GraphState, cut: Cut) -> tuple[int, int]:
    """Return how many voxels of the whole object each side of a cut would have.

    Where the object holds together elsewhere, the first is all of it and the second 0.

    Raises
    ------
    GraphRefusalError
        As `minimum_cut`.
    """
    removed = minimum_cut(state, cut)
    root = _common_root(state, np.concatenate([cut.sources, cut.sinks]))
    leaves = np.sort(descendants(state, int(root), 1))
    chunks = np.unique(state.base.layout.chunk_of(leaves, 1), axis=0)
    rows = np.concatenate([state.base.rows_from_chunks(chunks), state.fake_rows])
    rows = np.setdiff1d(rows[state.edge_active[rows]], removed)
    pairs = edges_of(state, rows)
    inside = np.isin(pairs, leaves).all(axis=1)
    a, b = np.searchsorted(leaves, pairs[inside]).T
    sizes = state.base.sv_sizes[state.base.positions(leaves)]
    part = np.zeros(len(leaves), np.int64)
    for number, members in enumerate(components(len(leaves), a, b)):
        part[members] = number
    one, other = (
        np.isin(part, part[np.searchsorted(leaves, side)]) for side in (cut.sources, cut.sinks)
    )
    if (one & other).any():
        return int(sizes[one | other].sum()), 0
    return int(sizes[one].sum()), int(sizes[other].sum())


def listed_rows(state: GraphState, sources: Ids, sinks: Ids) -> Rows:
    """Return the rows of the edges between the listed pairs, for a split without a multicut.

    Raises
    ------
    GraphRefusalError
        400 if the lists differ in length or a pair is no edge of one object.
    """
    if len(sources) != len(sinks):
        raise GraphRefusalError(
            400, "Split operation require the same number of source and sink IDs."
        )
    if (sources == sinks).any():
        raise GraphRefusalError(400, "Requested split operation contains at least one self-loop.")
    _common_root(state, np.concatenate([sources, sinks]))
    chunks = np.unique(state.base.layout.chunk_of(np.append(sources, sinks), 1), axis=0)
    rows = np.concatenate([state.base.rows_from_chunks(chunks), state.fake_rows])
    rows = rows[state.edge_active[rows]]
    pairs = edges_of(state, rows)
    wanted = np.stack([sources, sinks], axis=1)
    found = _among(pairs, wanted) | _among(pairs, wanted[:, ::-1])
    known = np.concatenate([pairs[found], pairs[found][:, ::-1]])
    if not _among(wanted, known).all():
        raise GraphRefusalError(400, "All edges must exist.")
    return np.asarray(rows[found], dtype=np.int64)


def edges_of(state: GraphState, rows: Rows) -> Ids:
    """Return the supervoxels of edges, shape (n, 2)."""
    a, b = state.edge_ends(rows)
    return np.stack([state.base.sv_ids[a], state.base.sv_ids[b]], axis=1)


def _local_edges(state: GraphState, cut: Cut) -> tuple[Rows, Ids]:
    """Return the active edges of the object near the points."""
    if not len(cut.sources) or not len(cut.sinks):
        raise GraphRefusalError(400, "A split needs at least one source and one sink.")
    if np.isin(cut.sources, cut.sinks).any():
        raise GraphRefusalError(
            400,
            "Supervoxels exist in both sink and source, try placing the points further apart.",
        )
    root = _common_root(state, np.concatenate([cut.sources, cut.sinks]))
    coords = [*cut.source_coords, *cut.sink_coords]
    rows = rows_near(state, coords, cut.reach, active=True)
    a, _ = state.edge_ends(rows)
    rows = rows[state.l2_root[state.sv_l2[a]] == root]
    if not len(rows):
        raise GraphRefusalError(400, "No local edges found.")
    return rows, edges_of(state, rows)


def _common_root(state: GraphState, supervoxels: Ids) -> np.uint64:
    roots = np.unique(ancestors(state, supervoxels, None))
    if len(roots) != 1:
        raise GraphRefusalError(400, "Supervoxels must belong to the same object.")
    return np.uint64(roots[0])


def _among(pairs: Ids, wanted: Ids) -> NDArray[np.bool_]:
    """Tell which rows of one (n, 2) array are rows of another."""
    both = np.concatenate([wanted, pairs])
    _, number = np.unique(both, axis=0, return_inverse=True)
    number = number.ravel()
    return np.asarray(np.isin(number[len(wanted) :], number[: len(wanted)]), dtype=np.bool_)


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except MulticutPreconditionError as error:
        raise GraphRefusalError(400, str(error)) from error
    except MulticutPostconditionError as error:
        raise GraphRefusalError(500, str(error)) from error
