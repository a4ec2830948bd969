"""What the graph says about an edit after it was sent: reads only.

An operation of the server's log is ours when it did exactly what we asked for and made a
root that descends from the roots that the edit was checked against.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from connectome.graph import Graph, GraphPoint, OperationDetails
from connectome.space import PointNm
from proofreading.edits import Edit, EditRecord, EditState, MergeEdit, SplitEdit
from proofreading.export.history import Sides, present_sides, read_history

__all__ = ["Found", "Outcome", "goal_met", "read_edit", "read_undo"]

COORDINATE_NM = 100.0
"""The log rounds positions to voxels, whose sides are shorter than this in every dataset."""


class Outcome(StrEnum):
    """What became of an edit that was sent."""

    APPLIED = "applied"
    PARTIAL = "partial"
    """A cut was applied and the object still holds together."""
    NOT_APPLIED = "not applied"
    """Not applied so far; final only when nothing can be under way any more."""
    OVERTAKEN = "overtaken"
    """Somebody else's edit did the same."""
    UNCLEAR = "unclear"
    """The objects changed, and the server does not say by which edits."""


@dataclass(frozen=True)
class Found:
    """What reading told about an edit that was sent."""

    outcome: Outcome
    operation_id: int | None = None
    new_roots: tuple[int, ...] = ()
    message: str = ""

    @property
    def certain(self) -> bool:
        """Whether waiting cannot change it: only our own operation in the log is that sure.

        Where somebody else did the same, their edit may be taken back before our request,
        still on its way, arrives.
        """
        return self.operation_id is not None


def goal_met(edit: Edit, sides: Sides) -> bool:
    """Tell whether the graph is as the edit wants it: joined, or apart."""
    return sides.joined if isinstance(edit, MergeEdit) else sides.apart


def read_edit(graph: Graph, edit: Edit, me: str | None = None) -> Found:
    """Return what became of an edit that was sent against `edit.seen_roots`.

    Parameters
    ----------
    me : str, optional
        The person as the server's log calls them; operations of others are then not ours,
        whatever they did.

    Raises
    ------
    ServiceError
        If the graph cannot be read.
    """
    sides = present_sides(graph, edit)
    met = goal_met(edit, sides)
    history = read_history(graph, edit.seen_roots, sides.roots - {0})
    ours = history.find(graph, _ours(edit, me))
    if ours is not None:
        return _of_ours(edit, ours, met=met)
    if met and history.told:
        done = "joined them" if isinstance(edit, MergeEdit) else "has cut them apart"
        return Found(Outcome.OVERTAKEN, message=f"Nothing left to do: another edit {done}.")
    if met:
        text = "The graph is as wanted; the server does not say by which edit."
        return Found(Outcome.APPLIED, None, tuple(sorted(sides.roots)), text)
    if not history.told:
        text = "The objects were edited since; the server does not say by which edits."
        return Found(Outcome.UNCLEAR, message=text)
    return Found(Outcome.NOT_APPLIED)


def read_undo(graph: Graph, record: EditRecord, sent_against: tuple[int, ...]) -> Found:
    """Return what became of an undo that was sent when the points' roots were these.

    That another edit has brought the points apart, or together, does not undo this one: a
    merge may have joined more than its two points. Only the log tells.

    Raises
    ------
    ServiceError
        If the graph cannot be read.
    """
    sides = present_sides(graph, record.edit)
    today = sides.roots - {0}
    since = read_history(graph, sent_against or record.new_roots, today)
    ours = since.find(graph, lambda row: row.undoes == record.operation_id)
    if ours is not None:
        return Found(Outcome.APPLIED, ours.operation_id, ours.new_roots)
    if not since.told and record.state is EditState.COMMITTED and not goal_met(record.edit, sides):
        return Found(Outcome.APPLIED)
    theirs = _undone_by(read_history(graph, record.new_roots, today).rows(graph), record)
    if theirs is not None:
        return Found(Outcome.OVERTAKEN, theirs.operation_id, theirs.new_roots)
    return Found(Outcome.NOT_APPLIED)


def _undone_by(rows: list[OperationDetails], record: EditRecord) -> OperationDetails | None:
    """Return the undo in force of an edit's operation, whoever made it."""
    found = None
    for row in rows:
        if row.applied and row.undoes == record.operation_id:
            found = row
        elif found is not None and row.redoes in (record.operation_id, found.operation_id):
            found = None
    return found


def _of_ours(edit: Edit, row: OperationDetails, *, met: bool) -> Found:
    if isinstance(edit, SplitEdit) and len(row.new_roots) < 2 and not met:
        text = "The cut was applied, and the object still holds together."
        return Found(Outcome.PARTIAL, row.operation_id, row.new_roots, text)
    back = "separated the objects" if isinstance(edit, MergeEdit) else "joined the parts"
    text = "" if met else f"Applied; another edit has {back} since."
    return Found(Outcome.APPLIED, row.operation_id, row.new_roots, text)


def _ours(edit: Edit, me: str | None) -> Callable[[OperationDetails], bool]:
    def is_ours(row: OperationDetails) -> bool:
        if row.undoes is not None or row.redoes is not None:
            return False
        if me and row.user and row.user != me:
            return False
        return _joins(row, edit) if isinstance(edit, MergeEdit) else _cuts(row, edit)

    return is_ours


def _joins(row: OperationDetails, edit: MergeEdit) -> bool:
    pair = {edit.a.supervoxel, edit.b.supervoxel}
    return any(set(edge) == pair for edge in row.added_edges)


def _cuts(row: OperationDetails, edit: SplitEdit) -> bool:
    if not row.removed_edges:
        return False
    if row.source_ids or row.sink_ids:
        return _same_ids(row.source_ids, edit.sources) and _same_ids(row.sink_ids, edit.sinks)
    return _same_places(row.source_coords_nm, edit.sources) and _same_places(
        row.sink_coords_nm, edit.sinks
    )


def _same_ids(ids: tuple[int, ...], points: tuple[GraphPoint, ...]) -> bool:
    return set(ids) == {point.supervoxel for point in points}


def _same_places(places: tuple[PointNm, ...], points: tuple[GraphPoint, ...]) -> bool:
    return len(places) == len(points) and all(
        any(_near(place, point.position_nm) for place in places) for point in points
    )


def _near(a: PointNm, b: PointNm) -> bool:
    return all(abs(p - q) < COORDINATE_NM for p, q in zip(a, b, strict=True))
