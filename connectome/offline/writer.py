"""How an edit is written: planned on the newest state, in one transaction, or refused."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from connectome.graph import OperationStatus
from connectome.offline import reverting
from connectome.offline.refusal import GraphRefusalError
from connectome.offline.rewiring import Switches, rewire
from connectome.offline.seams import Seams
from connectome.offline.splitting import edges_of
from connectome.offline.state import EditRecord, GraphState
from connectome.offline.store import EditStore, Operation, write_operation, write_record

__all__ = ["Edit", "EditWriter", "Written"]


@dataclass(frozen=True, eq=False)
class Edit:
    """What is to be done.

    Parameters
    ----------
    kind : str
        ``merge``, ``split``, ``undo`` or ``redo``.
    user : str
        Whom the log names.
    request : dict
        What the log says of it, as JSON values.
    plan : callable
        Takes the newest state and returns what to switch, or raises `GraphRefusalError`.
    target : int, optional
        The operation that is undone or redone.
    """

    kind: str
    user: str
    request: dict[str, Any]
    plan: Callable[[GraphState], Switches]
    target: int | None = None


@dataclass(frozen=True, eq=False)
class Written:
    """An edit that is committed, and the state before it."""

    record: EditRecord
    before: GraphState


class EditWriter:
    """Writes the edits of one process; the caller lets in one at a time.

    Parameters
    ----------
    store : EditStore
        The log.
    top_layer : int
        The layer of the roots.
    seams : Seams
        Where a rehearsal of failures may step in.
    """

    def __init__(self, store: EditStore, top_layer: int, seams: Seams) -> None:
        self._store = store
        self._top_layer = top_layer
        self._seams = seams

    def write(self, known: GraphState, edit: Edit) -> Written:
        """Write one edit on top of everything that any process has committed.

        Parameters
        ----------
        known : GraphState
            Any earlier state.
        edit : Edit
            What to do.

        Raises
        ------
        GraphRefusalError
            If the plan refuses; the log has a row of it then.
        """
        with self._store.transaction() as via:
            outcome = self._write(via, self._newest(via, known), edit)
        return _applied(outcome)

    def revert(self, known: GraphState, number: int, user: str, kind: str) -> Written | None:
        """Undo or redo an operation; None if there is nothing to take back or do again.

        Raises
        ------
        GraphRefusalError
            If later edits make it impossible.
        """
        with self._store.transaction() as via:
            state = self._newest(via, known)
            edit = self._reverting_edit(via, number, user, kind)
            if edit is None:
                return None
            outcome = self._write(via, state, edit)
        return _applied(outcome)

    def _newest(self, via: sqlite3.Connection, known: GraphState) -> GraphState:
        return known.advance(self._store.records(known.last_operation, via=via))

    def _reverting_edit(
        self, via: sqlite3.Connection, number: int, user: str, kind: str
    ) -> Edit | None:
        found = self._store.operations([number], via=via).get(number)
        if found is not None and found.target is not None and found.status == 0:
            # Undoing an undo is a redo of the edit it undid, and so on.
            kind = "redo" if (found.kind == "undo") == (kind == "undo") else "undo"
            found = self._store.operations([found.target], via=via).get(found.target)
        if found is None or found.status != OperationStatus.SUCCESS:
            return None
        last, last_kind = self._store.last_on_target(found.id, via) or (found.id, found.kind)
        if (last_kind == "undo") == (kind == "undo"):
            return None
        on, off = (found.off, found.on) if kind == "undo" else (found.on, found.off)
        since = self._store.records(last - 1, via=via)
        request = reverting.reverted_request(found.request, kind)
        return Edit(
            kind=kind,
            user=user,
            request=request,
            plan=lambda state: reverting.checked_switches(state, on, off, since),
            target=found.id,
        )

    def _write(
        self, via: sqlite3.Connection, state: GraphState, edit: Edit
    ) -> Written | GraphRefusalError:
        last_id, last_ms = self._store.last_row(via)
        number, ms = last_id + 1, max(_now_ms(), last_ms + 1, state.last_ms + 1)
        row = (number, edit.kind, edit.target, edit.user, ms)
        try:
            switches = self._seams.switches(state, edit.plan(state))
        except GraphRefusalError as refusal:
            # The production keeps a row of what it refused, and so uses up the number.
            none, status = np.zeros(0, dtype=np.int64), OperationStatus.CREATED
            write_operation(via, Operation(*row, status, refusal.message, edit.request, none, none))
            return refusal
        record = rewire(state, switches, number, ms)
        request = _with_cut_edges(edit, state, record)
        write_operation(via, Operation(*row, 0, "", request, record.on, record.off))
        write_record(via, record, first_fake=len(state.edge_active), top=self._top_layer)
        return Written(record, state)


def _applied(outcome: Written | GraphRefusalError) -> Written:
    """Return what was written, or raise the refusal now that its row is committed."""
    if isinstance(outcome, GraphRefusalError):
        raise outcome
    return outcome


def _with_cut_edges(edit: Edit, state: GraphState, record: EditRecord) -> dict[str, Any]:
    """Return the request with what a split removed, which nobody knew before."""
    if edit.kind != "split":
        return edit.request
    pairs = edges_of(state, record.off).tolist()
    return edit.request | {"removed_edges": [[str(a), str(b)] for a, b in pairs]}


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
