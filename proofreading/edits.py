"""Edits: what an accepted decision changes in the graph, and how far it has come."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from connectome.graph import GraphPoint

__all__ = ["Edit", "EditRecord", "EditState", "MergeEdit", "SplitEdit"]


class EditState(StrEnum):
    """How far an edit has come.

    ``submitted`` is written before the request leaves; after a crash it means that
    the answer is unknown until it has been read from the server.
    """

    QUEUED = "queued"
    PREVIEWED = "previewed"
    SUBMITTED = "submitted"
    COMMITTED = "committed"
    PARTIAL = "partial"
    CONFLICT = "conflict"
    UNKNOWN = "unknown"
    FAILED = "failed"
    UNDONE = "undone"


@dataclass(frozen=True)
class MergeEdit:
    """Join two objects: repairs a split error.

    `expected_roots` are the roots of `a` and `b` that the person saw.
    """

    id: str
    decision_id: str
    site_id: str
    a: GraphPoint
    b: GraphPoint
    expected_roots: tuple[int, int]


@dataclass(frozen=True)
class SplitEdit:
    """Cut one object: repairs a merge error. `expected_root` is the one the person saw."""

    id: str
    decision_id: str
    site_id: str
    sources: tuple[GraphPoint, ...]
    sinks: tuple[GraphPoint, ...]
    expected_root: int


Edit = MergeEdit | SplitEdit


@dataclass(frozen=True)
class EditRecord:
    """An edit with its present state, folded from the ledger."""

    edit: Edit
    state: EditState
    changed_at: datetime
    operation_id: int | None = None
    new_roots: tuple[int, ...] = ()
    message: str = ""
