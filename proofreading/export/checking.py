"""Looking before sending: reads only."""

from __future__ import annotations

import numpy as np

from connectome.errors import EditRejectedError, EditUnknownError, NotFoundError, ServiceError
from connectome.graph import Graph, SplitRequest
from proofreading.edits import Edit, MergeEdit, SplitEdit
from proofreading.export.checks import Check, Readiness
from proofreading.export.history import OutdatedError, Sides, present_sides, read_history

__all__ = ["check_edit", "preview_cut"]


def check_edit(graph: Graph, edit: Edit, sides: Sides | None = None) -> Check:
    """Look whether an edit may be sent.

    A change since the person saw the objects is harmless when each point's object comes
    from the one that was seen: it grew, or was cut elsewhere.

    Parameters
    ----------
    sides : Sides, optional
        The roots under the points now, if they were read already.

    Raises
    ------
    ServiceError
        If the graph cannot be read.
    """
    sides = sides or present_sides(graph, edit)
    try:
        return _check(graph, edit, sides)
    except OutdatedError as error:
        return Check(Readiness.STALE, tuple(sorted(sides.roots)), error.message)


def preview_cut(graph: Graph, edit: SplitEdit) -> str:
    """Return why the cut would fail, in words; empty if it would separate the points.

    Raises
    ------
    ServiceError
        If the server cannot tell.
    """
    try:
        preview = graph.preview_split(SplitRequest(edit.sources, edit.sinks))
    except EditRejectedError as error:
        return f"The preview of the cut was refused: {error.message}"
    except EditUnknownError as error:
        # Nothing was changed: a preview without an answer is a read that failed.
        raise ServiceError("The preview of a cut has no answer.", "Try again later.") from error
    return "The cut would not separate the points." if preview.illegal else ""


def _check(graph: Graph, edit: Edit, sides: Sides) -> Check:
    if 0 in sides.roots:
        return Check(Readiness.GONE, (), "A supervoxel is not part of any object.")
    needless = _needless(edit, sides)
    if needless is not None:
        return _with_operations(graph, edit, sides, needless)
    if isinstance(edit, SplitEdit) and not sides.joined:
        text = f"The points of the cut lie in {len(sides.roots)} objects now."
        check = Check(Readiness.CONFLICT, tuple(sorted(sides.roots)), text)
        return _with_operations(graph, edit, sides, check)
    return _compared(graph, edit, sides)


def _needless(edit: Edit, sides: Sides) -> Check | None:
    roots = tuple(sorted(sides.roots))
    if isinstance(edit, MergeEdit) and sides.joined:
        return Check(Readiness.JOINED, roots, "Already one object: there is nothing to merge.")
    if isinstance(edit, SplitEdit) and sides.apart:
        return Check(Readiness.APART, roots, "Already apart: there is nothing to cut.")
    return None


def _compared(graph: Graph, edit: Edit, sides: Sides) -> Check:
    roots = sides.first + sides.second if isinstance(edit, MergeEdit) else tuple(sides.roots)
    if not bool(graph.is_latest(np.array(roots, dtype=np.uint64)).all()):
        return Check(Readiness.STALE, roots, "The server answered with outdated objects.")
    if roots == edit.seen_roots:
        return Check(Readiness.READY, roots)
    try:
        history = read_history(graph, edit.seen_roots, roots)
    except NotFoundError as error:
        return Check(Readiness.CONFLICT, roots, error.message)
    pairs = zip(edit.seen_roots, roots, strict=True)
    if all(now in history.reached[seen] for seen, now in pairs):
        text = "The objects were edited since, and still are what was seen."
        return Check(Readiness.REBASED, roots, text, history.operation_ids)
    text = "An object is no longer the one that was seen."
    return Check(Readiness.CONFLICT, roots, text, history.operation_ids)


def _with_operations(graph: Graph, edit: Edit, sides: Sides, check: Check) -> Check:
    """Add what led there, if the server knows the roots that were seen."""
    try:
        history = read_history(graph, edit.seen_roots, sides.roots)
    except NotFoundError:
        return check
    return Check(check.readiness, check.roots, check.message, history.operation_ids)
