"""What changed under an edit between the person's decision and its sending."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from connectome.errors import ServiceError
from connectome.graph import Graph
from proofreading.edits import EditRecord
from proofreading.export.checks import Check, Readiness
from proofreading.ledger.fold import LedgerState

__all__ = ["Conflict", "conflict_of"]

MOST_ROWS = 100
"""Operations whose authors are looked up, the newest."""


@dataclass(frozen=True)
class Conflict:
    """What happened to the objects of an edit since the person saw them.

    Parameters
    ----------
    own, others : int
        Number of operations since: of this session, and of anybody else.
    users : tuple of str
        Who made the others, as the server's log calls them, as far as it tells.
    last : datetime or None
        When the newest of the others was made.
    """

    edit_id: str
    readiness: Readiness
    message: str
    own: int = 0
    others: int = 0
    users: tuple[str, ...] = ()
    last: datetime | None = None

    @property
    def held(self) -> bool:
        """Whether the edit waits for the person's second look."""
        return self.readiness in (Readiness.CONFLICT, Readiness.GONE, Readiness.WARNED)

    def __str__(self) -> str:
        if not self.others:
            return self.message
        by = f" by {', '.join(self.users)}" if self.users else ""
        times = "1 operation" if self.others == 1 else f"{self.others} operations"
        return f"{self.message} ({times}{by} since it was seen)"


def conflict_of(
    graph: Graph, state: LedgerState, record: EditRecord, check: Check
) -> Conflict | None:
    """Return what changed under an edit; None if nothing that the person should know.

    Edits of the same session that build on each other are no news.
    """
    others = [number for number in check.operations if state.edit_of_operation(number) is None]
    if check.ok and not others:
        return None
    conflict = Conflict(
        record.edit.id,
        check.readiness,
        check.message,
        own=len(check.operations) - len(others),
        others=len(others),
    )
    return _with_authors(graph, conflict, others[-MOST_ROWS:])


def _with_authors(graph: Graph, conflict: Conflict, operations: list[int]) -> Conflict:
    if not operations:
        return conflict
    try:
        rows = list(graph.operations(operations).values())
    except ServiceError:
        return conflict  # the report then says how many, not who
    users = tuple(sorted({row.user for row in rows if row.user}))
    times = [row.timestamp for row in rows if row.timestamp is not None]
    return Conflict(
        conflict.edit_id,
        conflict.readiness,
        conflict.message,
        own=conflict.own,
        others=conflict.others,
        users=users,
        last=max(times, default=None),
    )
