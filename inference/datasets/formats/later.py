"""What later edits say of earlier ones: taken back, or joined after all.

The published set labels edits that were taken back as if they were right, and touching
pairs that a later edit joins as if they were two neurons; both are left out here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from connectome.space import PointNm
from inference.datasets.formats.operations import Operation

__all__ = ["LaterEdits"]

HOPS = 2
REACH_NM = 2500.0
"""An edit is taken back by one of the other kind this near, at most so many edits later."""


@dataclass(frozen=True, slots=True)
class _Edit:
    number: int
    is_merge: bool
    after: tuple[int, ...]
    point_nm: PointNm


class LaterEdits:
    """Which edit replaced which segment; edits are added in any order."""

    def __init__(self) -> None:
        self._replaced_by: dict[int, _Edit] = {}

    def add(self, operation: Operation) -> None:
        """Take an edit into account."""
        edit = _Edit(
            operation.operation_id, operation.is_merge, operation.after, operation.point_nm
        )
        for root in operation.before:
            self._replaced_by[root] = edit

    def take_back(self, operation: Operation) -> bool:
        """Tell whether a later edit of the other kind, near it, changed what it made."""
        roots = operation.after
        for _ in range(HOPS):
            edits = self._edits_of(roots)
            for edit in edits:
                if self._takes_back(edit, operation):
                    return True
            roots = tuple(root for edit in edits for root in edit.after)
        return False

    def join(self, a: int, b: int) -> bool:
        """Tell whether later edits make two segments, or pieces of them, one."""
        return not self._descendants(a).isdisjoint(self._descendants(b))

    @staticmethod
    def _takes_back(edit: _Edit, operation: Operation) -> bool:
        # Servers number edits in their order; not all files have their times.
        later = edit.number > operation.operation_id
        near = math.dist(edit.point_nm, operation.point_nm) <= REACH_NM
        return later and near and edit.is_merge != operation.is_merge

    def _descendants(self, root: int) -> set[int]:
        """Return a segment and all that came of it."""
        found, waiting = {root}, [root]
        while waiting:
            for edit in self._edits_of((waiting.pop(),)):
                fresh = [child for child in edit.after if child not in found]
                found.update(fresh)
                waiting.extend(fresh)
        return found

    def _edits_of(self, roots: tuple[int, ...]) -> list[_Edit]:
        return [self._replaced_by[root] for root in roots if root in self._replaced_by]
