"""The dry run of an undo: what was built on the edit, and whether the server may refuse."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from connectome.graph import Graph, OperationDetails
from proofreading.edits import EditRecord, EditState, MergeEdit
from proofreading.export.history import History, log_rows, present_sides, read_history
from proofreading.export.reading import goal_met
from proofreading.ledger.fold import LedgerState

__all__ = ["LaterOperation", "UndoPlan", "plan_undo"]


@dataclass(frozen=True)
class LaterOperation:
    """An operation on the objects that an edit made.

    Parameters
    ----------
    edit_id : str or None
        The edit of this session that it applied; None if it is somebody else's.
    """

    operation_id: int
    edit_id: str | None
    user: str
    timestamp: datetime | None


@dataclass(frozen=True)
class UndoPlan:
    """What an undo would meet; nothing was written or sent.

    Parameters
    ----------
    later : tuple of LaterOperation
        What changed the objects at the edit's points since, oldest first.
    taken_back : bool
        Whether the graph is no longer as the edit left it at its points.
    obstacle : str
        Why the server is likely to refuse; empty if nothing is in the way.
    """

    edit_id: str
    operation_id: int
    later: tuple[LaterOperation, ...] = ()
    taken_back: bool = False
    obstacle: str = ""

    @property
    def own(self) -> tuple[LaterOperation, ...]:
        """Later edits of this session."""
        return tuple(one for one in self.later if one.edit_id is not None)

    @property
    def others(self) -> tuple[LaterOperation, ...]:
        """Later edits of anybody else."""
        return tuple(one for one in self.later if one.edit_id is None)


def plan_undo(state: LedgerState, graph: Graph, record: EditRecord, operation_id: int) -> UndoPlan:
    """Return what the undo of an applied edit would meet.

    Raises
    ------
    ServiceError
        If the graph cannot be read.
    """
    sides = present_sides(graph, record.edit)
    history = read_history(graph, record.new_roots, sides.roots - {0})
    rows = _rows(graph, history)
    later = tuple(_later(state, row) for row in rows)
    if any(row.undoes == operation_id for row in rows):
        taken_back, obstacle = True, "It is undone already."
    elif record.state is not EditState.PARTIAL and not goal_met(record.edit, sides):
        taken_back, obstacle = True, _changed_back(record)
    else:
        taken_back, obstacle = False, _same_edges(graph, operation_id, rows)
    return UndoPlan(record.edit.id, operation_id, later, taken_back, obstacle)


def _rows(graph: Graph, history: History) -> list[OperationDetails]:
    rows = log_rows(graph, history.operation_ids)
    return [rows[number] for number in sorted(rows)]


def _later(state: LedgerState, row: OperationDetails) -> LaterOperation:
    ours = state.edit_of_operation(row.operation_id)
    edit_id = None if ours is None else ours.edit.id
    return LaterOperation(row.operation_id, edit_id, row.user, row.timestamp)


def _changed_back(record: EditRecord) -> str:
    if isinstance(record.edit, MergeEdit):
        return "Another edit has separated the objects since."
    return "Another edit has joined the parts since."


def _same_edges(graph: Graph, operation_id: int, rows: Iterable[OperationDetails]) -> str:
    """Say whether a later operation switched the same edges."""
    own = graph.operations([operation_id]).get(operation_id)
    if own is None:
        return ""
    edges = _edges(own)
    for row in rows:
        if edges & _edges(row):
            return f"Operation {row.operation_id} has changed the same connections since."
    return ""


def _edges(row: OperationDetails) -> set[frozenset[int]]:
    return {frozenset(edge) for edge in (*row.added_edges, *row.removed_edges)}
