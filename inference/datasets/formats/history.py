"""Between the edit histories that Proofdesk reads from servers and operation banks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from connectome.cave.operations import HistoryOperation
from inference.datasets.formats.operations import Operation, middle

__all__ = ["as_history", "bank_of_history"]


def bank_of_history(
    history: Iterable[HistoryOperation], species: str, dropped: Counter[str]
) -> Iterator[Operation]:
    """Yield the edits of a history as an operation bank has them, without who made them.

    Undone edits, the undoing itself, and edits of which the server kept no point are left
    out and counted.
    """
    edits = list(history)
    undone = _undone(edits)
    for edit in edits:
        if edit.kind in ("undo", "redo"):
            dropped["undoing and redoing"] += 1
        elif edit.operation_id in undone:
            dropped["edits that were undone"] += 1
        elif not (edit.source_coords_nm or edit.sink_coords_nm):
            dropped["edits without a place"] += 1
        else:
            yield _operation(edit, species)


def as_history(operation: Operation) -> HistoryOperation:
    """Return an edit of a bank as Proofdesk keeps it, without who made it.

    Raises
    ------
    ValueError
        If it has no time.
    """
    if operation.time is None:
        msg = f"operation {operation.operation_id} has no time"
        raise ValueError(msg)
    return HistoryOperation(
        operation_id=operation.operation_id,
        kind="merge" if operation.is_merge else "split",
        is_merge=operation.is_merge,
        time=operation.time,
        user_id="",
        before_roots=operation.before,
        after_roots=operation.after,
        added_edges=operation.added_edges,
        removed_edges=operation.removed_edges,
        source_coords_nm=operation.sources_nm,
        sink_coords_nm=operation.sinks_nm,
        complete=bool(operation.sources_nm or operation.sinks_nm),
    )


def _undone(history: list[HistoryOperation]) -> set[int]:
    """Return the edits that stand undone at the end."""
    undone: set[int] = set()
    source = {edit.operation_id: edit.of_operation for edit in history}
    for edit in sorted(history, key=lambda one: one.order):
        if edit.of_operation is None:
            continue
        if edit.kind == "undo":
            undone.add(edit.of_operation)
        elif edit.kind == "redo":
            # A redo names the undo that it takes back, or the edit itself.
            named = edit.of_operation
            undone.discard(named)
            original = source.get(named)
            if original is not None:
                undone.discard(original)
    return undone


def _operation(edit: HistoryOperation, species: str) -> Operation:
    return Operation(
        operation_id=edit.operation_id,
        is_merge=edit.is_merge,
        species=species,
        before=edit.before_roots,
        after=edit.after_roots,
        point_nm=middle(edit.source_coords_nm, edit.sink_coords_nm),
        time=edit.time,
        sources_nm=edit.source_coords_nm,
        sinks_nm=edit.sink_coords_nm,
        added_edges=edit.added_edges,
        removed_edges=edit.removed_edges,
    )
