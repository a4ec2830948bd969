"""What a merge switches, when it is refused, and how the log tells an edit. Free of I/O."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np

from connectome.graph import Ids
from connectome.offline.base import Rows
from connectome.offline.reading import ancestors
from connectome.offline.refusal import GraphRefusalError
from connectome.offline.state import GraphState
from connectome.offline.store import Operation

__all__ = [
    "check_merge",
    "details_of",
    "edges_between",
    "rows_near",
]


def check_merge(state: GraphState, pair: Ids, max_chunk_distance: int) -> None:
    """Refuse a merge of two supervoxels that the production would refuse.

    Raises
    ------
    GraphRefusalError
        400 with the production's words.
    """
    if pair[0] == pair[1]:
        raise GraphRefusalError(400, "Requested merge operation contains at least one self-loop.")
    chunks = state.base.layout.chunk_of(pair, 1)
    if np.abs(chunks[0] - chunks[1]).max() > max_chunk_distance:
        raise GraphRefusalError(
            400,
            "Chebyshev distance between merge points exceeded allowed maximum "
            f"({max_chunk_distance} chunks).",
        )
    roots = ancestors(state, pair, None)
    if roots[0] == roots[1]:
        raise GraphRefusalError(400, "Supervoxels must belong to different objects.")


def edges_between(
    state: GraphState, pair: Ids, coords: list[list[int]], reach: tuple[int, int, int]
) -> Rows:
    """Return the inactive edges between the objects of two supervoxels near two points.

    Parameters
    ----------
    state : GraphState
        The graph.
    pair : ndarray, shape (2,), uint64
        A supervoxel of each object.
    coords, reach
        See `rows_near`.
    """
    rows = rows_near(state, coords, reach, active=False)
    a, b = state.edge_ends(rows)
    one, other = ancestors(state, pair, None)
    root_a, root_b = state.l2_root[state.sv_l2[a]], state.l2_root[state.sv_l2[b]]
    joins = ((root_a == one) & (root_b == other)) | ((root_a == other) & (root_b == one))
    return np.asarray(rows[joins], dtype=np.int64)


def rows_near(
    state: GraphState, coords: list[list[int]], reach: tuple[int, int, int], *, active: bool
) -> Rows:
    """Return the active or inactive edges with both ends near some points.

    Parameters
    ----------
    state : GraphState
        The graph.
    coords : list
        The points, voxels (x, y, z).
    reach : tuple of int
        How far beyond the points the box goes, voxels (x, y, z); chunks that meet the
        box count whole.
    active : bool
        Which edges.
    """
    base = state.base
    low = [min(c) - r for c, r in zip(zip(*coords, strict=True), reach, strict=True)]
    high = [max(c) + r + 1 for c, r in zip(zip(*coords, strict=True), reach, strict=True)]
    box = (low[0], high[0], low[1], high[1], low[2], high[2])
    first, last = base.layout.chunks_meeting(box)
    spans = [np.arange(f, e) for f, e in zip(first, last, strict=True)]
    chunks = np.stack(np.meshgrid(*spans, indexing="ij"), axis=-1).reshape(-1, 3)
    rows = np.concatenate([base.rows_from_chunks(chunks), state.fake_rows])
    rows = rows[state.edge_active[rows] == active]
    near = np.ones(len(rows), dtype=np.bool_)
    for end in state.edge_ends(rows):
        chunk = base.layout.chunk_of(base.sv_ids[end], 1)
        near &= ((chunk >= first) & (chunk < last)).all(axis=1)
    return np.asarray(rows[near], dtype=np.int64)


def details_of(operation: Operation) -> dict[str, object]:
    """Return one row of the log under the production's keys; coordinates are voxels."""
    stamp = str(datetime.fromtimestamp(operation.ms / 1000, tz=UTC))
    details: dict[str, object] = {
        "user": operation.user,
        "roots": list(operation.roots),
        "operation_status": operation.status,
        "operation_exception": operation.exception,
        "operation_ts": stamp,
        "timestamp": stamp,
    }
    if operation.target is not None:
        details[f"{operation.kind}_operation_id"] = operation.target
    for name in ("source_coords", "sink_coords", "bb_offset"):
        if name in operation.request:
            details[name] = operation.request[name]
    for name in ("source_ids", "sink_ids"):
        if name in operation.request:
            details[name] = [int(node) for node in operation.request[name]]
    for name in ("added_edges", "removed_edges"):
        if name in operation.request:
            details[name] = [[int(a), int(b)] for a, b in operation.request[name]]
    return details
