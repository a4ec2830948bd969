"""From an accepted decision to the cut that carries it out."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from connectome.errors import InputError
from connectome.graph import GraphPoint
from proofreading.decisions import Answer, Decision
from proofreading.edits import SplitEdit
from proofreading.verdicts import Task

__all__ = ["SPLIT_TASKS", "asks_for_split", "split_edit"]

_EDITS = uuid.UUID("a1f8c1de-8c6b-4d7c-9a0e-6d0c2f1f7a10")

SPLIT_TASKS = frozenset(
    {Task.MERGE_ERROR_IDENTIFICATION, Task.SPLIT_ACTION_EVALUATION, Task.SPLIT_PROPOSAL}
)


def asks_for_split(decision: Decision) -> bool:
    """Tell whether the decision says that an object must be cut."""
    return decision.answer is Answer.ACCEPT and decision.task in SPLIT_TASKS


def split_edit(
    decision: Decision,
    sources: Sequence[GraphPoint],
    sinks: Sequence[GraphPoint],
    *,
    seen_root: int,
) -> SplitEdit:
    """Return the cut between the points that the person chose or confirmed.

    The id follows from the decision's, so that deriving again gives the same edit.

    Parameters
    ----------
    seen_root : int
        The object on the screen when the person answered.

    Raises
    ------
    InputError
        If the decision asks for no cut, a side has no point, or a supervoxel is on both.
    """
    if not asks_for_split(decision):
        raise InputError(
            f"The decision {decision.id} accepts no cut.", "Only accepted cuts are sent."
        )
    if not sources or not sinks:
        raise InputError(
            "A cut needs points on both sides.", "Place at least one point on each side."
        )
    if {p.supervoxel for p in sources} & {p.supervoxel for p in sinks}:
        raise InputError(
            "A supervoxel lies on both sides of the cut.", "Place the points further apart."
        )
    return SplitEdit(
        id=str(uuid.uuid5(_EDITS, decision.id)),
        decision_id=decision.id,
        site_id=decision.site_id,
        sources=tuple(sources),
        sinks=tuple(sinks),
        expected_root=seen_root,
    )
