"""What the graph says about a merge, before it is sent and after: reads only.

An operation of the server's log is ours when it joined exactly our two supervoxels and
made a root that descends from the roots that the merge was checked against.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from connectome.errors import NotFoundError
from connectome.graph import Graph, Lineage, OperationDetails
from proofreading.edits import EditRecord, MergeEdit

__all__ = [
    "Check",
    "Found",
    "Outcome",
    "Readiness",
    "check_merge",
    "present_roots",
    "read_merge",
    "read_undo",
]


class Readiness(StrEnum):
    """Whether a merge may be sent."""

    READY = "ready"
    REBASED = "rebased"
    """The objects were edited since, and still hold what was seen; they are still two."""
    JOINED = "joined"
    """They are one object already."""
    CONFLICT = "conflict"
    """An object is not what was seen."""
    STALE = "stale"
    """The server answered with roots that are replaced already; ask again later."""


@dataclass(frozen=True)
class Check:
    """The outcome of looking before sending, and the two roots now."""

    readiness: Readiness
    roots: tuple[int, int]
    message: str = ""

    @property
    def ok(self) -> bool:
        """Whether the merge may be sent."""
        return self.readiness in (Readiness.READY, Readiness.REBASED)


class Outcome(StrEnum):
    """What became of an edit that was sent."""

    APPLIED = "applied"
    NOT_APPLIED = "not applied"
    """Not applied so far; final only when nothing can be under way any more."""
    OVERTAKEN = "overtaken"
    """Somebody else's edit did the same."""


@dataclass(frozen=True)
class Found:
    """What reading told about an edit that was sent."""

    outcome: Outcome
    operation_id: int | None = None
    new_roots: tuple[int, ...] = ()
    message: str = ""


def present_roots(graph: Graph, edit: MergeEdit) -> tuple[int, int]:
    """Return the roots of both supervoxels now; 0 where the server knows none."""
    supervoxels = np.array([edit.a.supervoxel, edit.b.supervoxel], dtype=np.uint64)
    a, b = graph.roots(supervoxels)
    return int(a), int(b)


def check_merge(graph: Graph, edit: MergeEdit, roots: tuple[int, int] | None = None) -> Check:
    """Look whether a merge may be sent.

    Parameters
    ----------
    roots : tuple of int, optional
        The two roots now, if they were read already.
    """
    try:
        roots = roots or present_roots(graph, edit)
        return _check(graph, edit, roots)
    except NotFoundError as error:
        return Check(Readiness.CONFLICT, roots or (0, 0), error.message)


def _check(graph: Graph, edit: MergeEdit, roots: tuple[int, int]) -> Check:
    if 0 in roots:
        return Check(Readiness.CONFLICT, roots, "A supervoxel is not part of any object.")
    if roots[0] == roots[1]:
        return Check(Readiness.JOINED, roots, "Already one object: there is nothing to merge.")
    if not bool(graph.is_latest(np.array(roots, dtype=np.uint64)).all()):
        return Check(Readiness.STALE, roots, "The server answered with outdated objects.")
    if roots == edit.expected_roots:
        return Check(Readiness.READY, roots)
    lineage = graph.lineage(edit.expected_roots)
    pairs = zip(edit.expected_roots, roots, strict=True)
    if all(now == seen or now in descendants(lineage, [seen]) for seen, now in pairs):
        return Check(Readiness.REBASED, roots, "The objects were edited since, and still differ.")
    return Check(Readiness.CONFLICT, roots, "An object is no longer the one that was seen.")


def descendants(lineage: Lineage, roots: Iterable[int]) -> set[int]:
    """Return every root that was made out of these, directly or not."""
    out: dict[int, list[int]] = {}
    for old, new in lineage.edges:
        out.setdefault(old, []).append(new)
    found: set[int] = set()
    stack = list(roots)
    while stack:
        for new in out.get(stack.pop(), ()):
            if new not in found:
                found.add(new)
                stack.append(new)
    return found


def read_merge(graph: Graph, edit: MergeEdit) -> Found:
    """Return what became of a merge that was sent against `edit.expected_roots`."""
    now = present_roots(graph, edit)
    joined = _is_one(now)
    lineage = graph.lineage(edit.expected_roots)
    later = descendants(lineage, edit.expected_roots)
    ours = _find(graph, lineage, later, lambda row: row.undoes is None and _joins(row, edit))
    if ours is not None:
        message = "" if joined else "Applied; another edit has separated the objects since."
        return Found(Outcome.APPLIED, ours.operation_id, ours.new_roots, message)
    if not joined:
        return Found(Outcome.NOT_APPLIED)
    if not any(root in lineage.operation_ids for root in later):
        message = "The objects are one; the server does not say by which edit."
        return Found(Outcome.APPLIED, None, now[:1], message)
    return Found(Outcome.OVERTAKEN, message="Already one object: another edit joined them.")


def read_undo(graph: Graph, record: EditRecord) -> Found:
    """Return what became of an undo that was sent for a committed merge."""
    lineage = graph.lineage(record.new_roots)
    later = descendants(lineage, record.new_roots)
    ours = _find(graph, lineage, later, lambda row: row.undoes == record.operation_id)
    if ours is not None:
        return Found(Outcome.APPLIED, ours.operation_id, ours.new_roots)
    edit = record.edit
    if isinstance(edit, MergeEdit) and not _is_one(present_roots(graph, edit)):
        return Found(Outcome.OVERTAKEN, message="The objects were separated already.")
    return Found(Outcome.NOT_APPLIED)


def _find(
    graph: Graph,
    lineage: Lineage,
    roots: set[int],
    wanted: Callable[[OperationDetails], bool],
) -> OperationDetails | None:
    ids = {lineage.operation_ids[root] for root in roots if root in lineage.operation_ids}
    if not ids:
        return None
    rows = graph.operations(sorted(ids))
    return next((row for row in rows.values() if row.applied and wanted(row)), None)


def _joins(row: OperationDetails, edit: MergeEdit) -> bool:
    pair = {edit.a.supervoxel, edit.b.supervoxel}
    return any(set(edge) == pair for edge in row.added_edges)


def _is_one(roots: tuple[int, int]) -> bool:
    return roots[0] == roots[1] != 0
