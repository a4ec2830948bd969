"""Which root a segment has become by this session's own merges."""

from __future__ import annotations

from collections.abc import Mapping

from proofreading.edits import EditState, MergeEdit
from proofreading.ledger.fold import LedgerState

__all__ = ["now", "successors"]


def successors(state: LedgerState) -> dict[int, int]:
    """Return the root that replaced each one, for the merges of the ledger that are applied.

    What others did is not in the ledger; an export looks at the graph before it sends.
    """
    found = {}
    for record in state.edits(EditState.COMMITTED):
        if isinstance(record.edit, MergeEdit) and len(record.new_roots) == 1:
            (new,) = record.new_roots
            found.update({old: new for old in record.edit.expected_roots if old != new})
    return found


def now(root: int, present: Mapping[int, int]) -> int:
    """Follow a root to the one that stands in its place."""
    passed = set()
    while root in present and root not in passed:
        passed.add(root)
        root = present[root]
    return root
