"""Edits: what an accepted decision changes in the graph, and how far it has come."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from connectome.graph import GraphPoint
from connectome.space import PointNm

__all__ = [
    "SECOND_LOOK",
    "Edit",
    "EditRecord",
    "EditState",
    "MergeEdit",
    "Reason",
    "RowRecord",
    "SplitEdit",
    "VerdictRow",
]


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


class Reason(StrEnum):
    """Why an edit is where it is, for programs; the message says it to people."""

    NONE = ""
    JOINED = "joined"
    """A merge without anything left to do: already one object."""
    APART = "apart"
    """A cut without anything left to do: already apart."""
    CHANGED = "changed"
    """An object is not what the person saw; held for a second look."""
    GONE = "gone"
    """A supervoxel is no longer part of any object; held for a second look."""
    WARNED = "warned"
    """A warning that the person may override; held until then."""
    UNCUTTABLE = "uncuttable"
    """The preview says that the cut does not separate the points."""
    REFUSED = "refused"
    """The server refused the edit."""
    DROPPED = "dropped"
    """The person gave it up at the second look."""


SECOND_LOOK = frozenset({Reason.CHANGED, Reason.GONE, Reason.WARNED})
"""Reasons that hold an edit until the person releases or drops it."""


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

    @property
    def sides(self) -> tuple[tuple[GraphPoint, ...], tuple[GraphPoint, ...]]:
        """The points of the one and of the other side."""
        return (self.a,), (self.b,)

    @property
    def seen_roots(self) -> tuple[int, ...]:
        """The roots that the person saw."""
        return self.expected_roots


@dataclass(frozen=True)
class SplitEdit:
    """Cut one object: repairs a merge error. `expected_root` is the one the person saw."""

    id: str
    decision_id: str
    site_id: str
    sources: tuple[GraphPoint, ...]
    sinks: tuple[GraphPoint, ...]
    expected_root: int

    @property
    def sides(self) -> tuple[tuple[GraphPoint, ...], tuple[GraphPoint, ...]]:
        """The points of the one and of the other side."""
        return self.sources, self.sinks

    @property
    def seen_roots(self) -> tuple[int, ...]:
        """The root that the person saw."""
        return (self.expected_root,)


Edit = MergeEdit | SplitEdit


@dataclass(frozen=True)
class EditRecord:
    """An edit with its present state, folded from the ledger.

    Parameters
    ----------
    reason : Reason
        Why it is in this state, where a state alone does not tell.
    rebased : bool
        Whether it was sent although its objects had been edited since they were seen.
    warnings : tuple of str
        Codes of the warnings that hold it.
    overridden : tuple of str
        Codes of the warnings that the person set aside.
    """

    edit: Edit
    state: EditState
    changed_at: datetime
    operation_id: int | None = None
    new_roots: tuple[int, ...] = ()
    message: str = ""
    reason: Reason = Reason.NONE
    rebased: bool = False
    warnings: tuple[str, ...] = ()
    overridden: tuple[str, ...] = ()

    @property
    def held(self) -> bool:
        """Whether it waits for the person's second look."""
        return self.state is EditState.CONFLICT and self.reason in SECOND_LOOK

    @property
    def needless(self) -> bool:
        """Whether somebody else's edit, or an earlier one, has done the same already."""
        quiet = (Reason.JOINED, Reason.APART)
        return self.state is EditState.CONFLICT and self.reason in quiet


@dataclass(frozen=True)
class VerdictRow:
    """A row of an annotation table that tells others of an edit.

    Parameters
    ----------
    schema : str
        ``bound_2tag`` (two points, `tag`, `tag2`) or ``bound_tag_valid`` (one point, `tag`,
        `root`).
    points_nm : tuple
        One or two positions, nm.
    root : int or None
        The root at the point when the row was made.
    """

    edit_id: str
    table: str
    schema: str
    tag: str
    points_nm: tuple[PointNm, ...]
    tag2: str = ""
    root: int | None = None

    @property
    def column(self) -> str:
        """The text column whose value no other row has."""
        return "tag2" if self.tag2 else "tag"

    @property
    def key(self) -> str:
        """The value of that column: edit, operation, and side."""
        return self.tag2 or self.tag


@dataclass(frozen=True)
class RowRecord:
    """A row with what is known of it.

    Parameters
    ----------
    intended_at : datetime
        When it was about to be sent.
    settled : bool
        Whether the outcome is certain.
    row_id : int or None
        Its id in the table; None where it is not there.
    """

    row: VerdictRow
    intended_at: datetime
    settled: bool = False
    row_id: int | None = None
    message: str = ""
