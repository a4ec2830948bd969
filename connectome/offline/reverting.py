"""What an undo or redo switches, when it is refused, and which later edit is in the way."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from connectome.graph import Ids
from connectome.offline.base import Rows
from connectome.offline.refusal import GraphRefusalError
from connectome.offline.rewiring import Switches
from connectome.offline.state import EditRecord, GraphState

__all__ = ["checked_switches", "reverted_request"]

_MISSING = "All edges must exist."
_APART = "Supervoxels must belong to the same object."
_JOINED = "Supervoxels must belong to different objects."


def checked_switches(
    state: GraphState, on: Rows, off: Rows, since: Sequence[EditRecord]
) -> Switches:
    """Return the switches of an undo or redo: exactly the edges of the edit it is about.

    Parameters
    ----------
    state : GraphState
        The graph now.
    on, off : ndarray of int64
        Rows of the edges to activate and to deactivate.
    since : sequence of EditRecord
        The last edit, undo or redo that switched these edges the other way, and every
        edit after it.

    Raises
    ------
    GraphRefusalError
        400 if a later edit left no room for it: the production's sentence, and which
        operation it was.
    """
    a, b = state.edge_ends(np.concatenate([on, off]))
    root_a, root_b = state.l2_root[state.sv_l2[a]], state.l2_root[state.sv_l2[b]]
    if not state.edge_active[off].all():
        raise _refusal(_MISSING, _last(since, lambda record: np.isin(record.off, off)))
    if state.edge_active[on].any():
        raise _refusal(_JOINED, _last(since, lambda record: np.isin(record.on, on)))
    ends = (state.base.sv_ids[a], state.base.sv_ids[b])
    if len(off) and _in_several(root_a, root_b):
        raise _refusal(_APART, _turning_point(since, ends, _in_several))
    # What left the object in one piece (a partial split) can be taken back while it is one.
    left_one_piece = len(since[0].new_roots) == 1
    if len(on) and not left_one_piece and _all_joined(root_a, root_b):
        raise _refusal(_JOINED, _turning_point(since, ends, _all_joined))
    return Switches.of(on=on, off=off)


def reverted_request(request: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """Return what the log says of an undo or redo of a request.

    An undo removes the edges that were asked to be added, and the reverse.
    """
    other = {"added_edges": "removed_edges", "removed_edges": "added_edges"}
    names = other if kind == "undo" else {}
    return {names.get(key, key): value for key, value in request.items()}


def _refusal(sentence: str, operation: int | None) -> GraphRefusalError:
    if operation is None:
        return GraphRefusalError(400, sentence)
    return GraphRefusalError(
        400, f"{sentence} (operation {operation} is in the way: undo that one first)"
    )


def _in_several(root_a: Ids, root_b: Ids) -> bool:
    return len(np.unique(np.concatenate([root_a, root_b]))) > 1


def _all_joined(root_a: Ids, root_b: Ids) -> bool:
    return bool((root_a == root_b).all())


def _last(
    since: Sequence[EditRecord], touched: Callable[[EditRecord], NDArray[np.bool_]]
) -> int | None:
    """Return the last operation after the first that touched something."""
    numbers = (record.operation_id for record in reversed(since[1:]) if touched(record).any())
    return next(numbers, None)


def _turning_point(
    since: Sequence[EditRecord], ends: tuple[Ids, Ids], holds: Callable[[Ids, Ids], bool]
) -> int | None:
    """Return the last operation that made something hold for the roots of the ends.

    The first edit switched edges at all of these ends, so it names the L2 nodes and roots
    of all of them; from there on they are followed through the edits.
    """
    supervoxels = np.concatenate(ends)
    l2, root = np.zeros_like(supervoxels), np.zeros_like(supervoxels)
    turned, held = None, False
    for record in since:
        for node, members in record.new_l2:
            l2[np.isin(supervoxels, members)] = node
        for new, children in record.new_roots:
            root[np.isin(l2, children)] = new
        now = holds(root[: len(ends[0])], root[len(ends[0]) :])
        turned = record.operation_id if now and not held else turned
        held = now
    return turned
