"""Rows in annotation tables that tell others of applied edits, one row for each, once.

A row carries a key made of edit, operation and side in a text column. It is written to the
ledger before it is sent; where the answer is missing, the key is looked up in the table.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from connectome.annotations import Annotations
from connectome.errors import EditRejectedError, EditUnknownError, ServiceError
from connectome.graph import Graph
from proofreading.edits import EditRecord, EditState, MergeEdit, RowRecord, VerdictRow
from proofreading.export.history import present_sides
from proofreading.export.journal import Journal
from proofreading.export.patience import Patience
from proofreading.ledger.events import RowIntended, RowSettled
from proofreading.ledger.fold import LedgerState

__all__ = ["RowSummary", "RowTables", "RowWriter"]

MERGE_SCHEMA = "bound_2tag"
ROOT_SCHEMA = "bound_tag_valid"

_ABOUT = {
    MERGE_SCHEMA: "Merges applied with Proofdesk: tag says what was decided, tag2 is "
    "edit|op=operation. Positions are nanometres.",
    ROOT_SCHEMA: "Cuts applied with Proofdesk, one row for each side: tag is "
    "verdict|edit|op=operation|side, valid_id the root. Positions are nanometres.",
}


@dataclass(frozen=True)
class RowTables:
    """The names of the tables."""

    merges: str = "proofdesk_merges"
    roots: str = "proofdesk_roots"


@dataclass(frozen=True)
class RowSummary:
    """What a run wrote: number of rows, of those that still wait, and why it ended early."""

    written: int = 0
    waiting: int = 0
    stopped: str = ""


class RowWriter:
    """Writes the rows that are due."""

    def __init__(
        self,
        journal: Journal,
        graph: Graph,
        annotations: Annotations,
        patience: Patience,
        tables: RowTables | None = None,
    ) -> None:
        self._journal = journal
        self._graph = graph
        self._annotations = annotations
        self._patience = patience
        self._tables = tables or RowTables()
        self._written = 0

    def run(self) -> RowSummary:
        """Settle what an earlier run left open, then write every row that is due.

        Raises
        ------
        StorageError
            If the ledger cannot be written; the next run finds out what was sent.
        """
        self._written = 0
        stopped = ""
        try:
            for record in self._journal.state.open_rows():
                self._settle(record)
            self._write_all()
        except (ServiceError, EditRejectedError, EditUnknownError) as error:
            stopped = str(error)
        return RowSummary(self._written, len(self.due()), stopped)

    def due(self) -> list[tuple[EditRecord, VerdictRow]]:
        """Return the edits and rows that are not in their tables yet."""
        return list(_due(self._journal.state, self._tables))

    def _write_all(self) -> None:
        ready: set[str] = set()
        for record, row in self.due():
            if row.table not in ready:
                self._annotations.ensure(row.table, row.schema, _ABOUT[row.schema])
                ready.add(row.table)
            self._post(self._complete(record, row))

    def _complete(self, record: EditRecord, row: VerdictRow) -> VerdictRow:
        """Add the root to a row that states one."""
        if row.schema != ROOT_SCHEMA:
            return row
        sides = present_sides(self._graph, record.edit)
        return replace(row, root=(sides.first if row.tag.endswith("source") else sides.second)[0])

    def _post(self, row: VerdictRow) -> None:
        if not self._journal.write(RowIntended(row), lambda state: _may_post(state, row.key)):
            return
        try:
            row_id = self._annotations.post(row.table, _content(row))
        except EditRejectedError as error:
            self._journal.write(RowSettled(row.key, None, error.message))
            raise
        except (EditUnknownError, ServiceError):
            record = self._journal.state.row(row.key)
            if record is not None:
                self._settle(record)
            return
        self._settled(row.key, row_id)

    def _settle(self, record: RowRecord) -> None:
        """Look in the table for a row whose answer is missing."""
        row = record.row
        found = self._patience.look(
            record.intended_at,
            lambda: self._annotations.find(row.table, row.column, row.key),
            bool,
        )
        if found is None:
            text = "The annotation tables cannot tell what became of a row."
            raise ServiceError(text, "Try again later.")
        self._settled(row.key, min(found, default=None))

    def _settled(self, key: str, row_id: int | None) -> None:
        self._journal.write(RowSettled(key, row_id, "" if row_id is not None else "Not written."))
        self._written += row_id is not None


def _due(state: LedgerState, tables: RowTables) -> Iterator[tuple[EditRecord, VerdictRow]]:
    for record in state.edits(EditState.COMMITTED):
        if state.stands(record.edit.decision_id):
            for row in _rows_of(record, tables, "accept"):
                if not _told(state, row):
                    yield record, row
    for record in state.edits(EditState.UNDONE):
        pairs = zip(
            _rows_of(record, tables, "accept"), _rows_of(record, tables, "undone"), strict=True
        )
        for applied, undone in pairs:
            # Nobody needs to hear of the undo of what they never heard of.
            if _told(state, applied) and not _told(state, undone):
                yield record, undone


def _told(state: LedgerState, row: VerdictRow) -> bool:
    known = state.row(row.key)
    return known is not None and known.row_id is not None


def _may_post(state: LedgerState, key: str) -> bool:
    known = state.row(key)
    return known is None or (known.settled and known.row_id is None)


def _rows_of(record: EditRecord, tables: RowTables, verdict: str) -> list[VerdictRow]:
    edit = record.edit
    operation = "?" if record.operation_id is None else record.operation_id
    key = f"{edit.id}|op={operation}"
    if isinstance(edit, MergeEdit):
        key += "" if verdict == "accept" else f"|{verdict}"
        places = (edit.a.position_nm, edit.b.position_nm)
        return [VerdictRow(edit.id, tables.merges, MERGE_SCHEMA, f"merge:{verdict}", places, key)]
    return [
        VerdictRow(
            edit.id,
            tables.roots,
            ROOT_SCHEMA,
            f"split:{verdict}|{key}|{side}",
            (points[0].position_nm,),
        )
        for side, points in zip(("source", "sink"), edit.sides, strict=True)
    ]


def _content(row: VerdictRow) -> dict[str, object]:
    first, *more = row.points_nm
    content: dict[str, object] = {"pt": {"position": first}, "tag": row.tag}
    if more:
        content |= {"pt2": {"position": more[0]}, "tag2": row.tag2}
    if row.root is not None:
        content["valid_id"] = row.root
    return content
