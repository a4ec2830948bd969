"""What was done to some roots since: lineage, and the server's log of operations."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from connectome.errors import ServiceError
from connectome.graph import Graph, GraphPoint, Lineage, OperationDetails
from proofreading.edits import Edit

__all__ = [
    "History",
    "OutdatedError",
    "Sides",
    "descendants",
    "log_rows",
    "present_sides",
    "read_history",
]


_ROWS = 100
"""Rows of the log in one request."""


class OutdatedError(ServiceError):
    """The roots that the server told were replaced before its lineage was read."""


@dataclass(frozen=True)
class Sides:
    """The roots now under the points of an edit's two sides; 0 where there is none."""

    first: tuple[int, ...]
    second: tuple[int, ...]

    @property
    def roots(self) -> frozenset[int]:
        """Every root of both sides."""
        return frozenset(self.first + self.second)

    @property
    def joined(self) -> bool:
        """Whether all points lie in one object."""
        return len(self.roots) == 1 and 0 not in self.roots

    @property
    def apart(self) -> bool:
        """Whether no object has points of both sides."""
        return 0 not in self.roots and not set(self.first) & set(self.second)


def present_sides(graph: Graph, edit: Edit) -> Sides:
    """Return the roots under an edit's points now."""
    first, second = edit.sides
    roots = [int(root) for root in graph.roots(_supervoxels([*first, *second]))]
    return Sides(tuple(roots[: len(first)]), tuple(roots[len(first) :]))


def _supervoxels(points: Iterable[GraphPoint]) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    return np.array([point.supervoxel for point in points], dtype=np.uint64)


@dataclass(frozen=True)
class History:
    """The way from some roots to those of today.

    Parameters
    ----------
    roots : frozenset of int
        The roots made on the way, today's included, those of the start left out.
    operations : dict
        The operation that made a root, where the server names it.
    reached : dict
        For each root of the start, the roots of today that come from it.
    """

    roots: frozenset[int]
    operations: dict[int, int]
    reached: dict[int, frozenset[int]]

    @property
    def operation_ids(self) -> tuple[int, ...]:
        """The operations on the way, oldest first."""
        return tuple(sorted(set(self.operations.values())))

    @property
    def told(self) -> bool:
        """Whether the server names the operation of every step."""
        return self.roots <= self.operations.keys()

    def rows(self, graph: Graph) -> list[OperationDetails]:
        """Return the operations on the way from the server's log, oldest first.

        Raises
        ------
        ServiceError
            If the log lacks an operation that the lineage names: nothing can be concluded.
        """
        rows = log_rows(graph, self.operation_ids)
        if len(rows) < len(self.operation_ids):
            raise ServiceError("The server's log of operations has gaps.", "Try again later.")
        return [rows[number] for number in self.operation_ids]

    def find(
        self, graph: Graph, wanted: Callable[[OperationDetails], bool]
    ) -> OperationDetails | None:
        """Return the first applied operation on the way that is wanted, if there is one.

        Raises
        ------
        ServiceError
            If the log has gaps.
        """
        return next((row for row in self.rows(graph) if row.applied and wanted(row)), None)


def read_history(graph: Graph, start: Collection[int], today: Collection[int]) -> History:
    """Return what led from the roots of the start to those of today.

    Only steps that end in today's roots count, so that the other parts of a large object do
    not matter.

    Raises
    ------
    NotFoundError
        If the server does not know a root of the start.
    OutdatedError
        If a root of today was replaced in the meantime.
    """
    lineage = graph.lineage(start)
    replaced = {old for old, _ in lineage.edges}
    if replaced & set(today):
        raise OutdatedError("The server answered with outdated objects.", "Try again later.")
    after = {root: descendants(lineage, [root]) for root in start}
    before = _ancestors(lineage, today) | set(today)
    way = frozenset().union(*after.values()) & before
    reached = {root: frozenset(({root} | after[root]) & set(today)) for root in start}
    made = {root: lineage.operation_ids[root] for root in way if root in lineage.operation_ids}
    return History(way, made, reached)


def log_rows(graph: Graph, operation_ids: Sequence[int]) -> dict[int, OperationDetails]:
    """Return rows of the server's log, asked for in parts: an address has a longest length."""
    rows: dict[int, OperationDetails] = {}
    for start in range(0, len(operation_ids), _ROWS):
        rows |= graph.operations(operation_ids[start : start + _ROWS])
    return rows


def descendants(lineage: Lineage, roots: Iterable[int]) -> set[int]:
    """Return every root that was made out of these, directly or not."""
    return _walk(lineage.edges, roots)


def _ancestors(lineage: Lineage, roots: Iterable[int]) -> set[int]:
    return _walk(((new, old) for old, new in lineage.edges), roots)


def _walk(edges: Iterable[tuple[int, int]], start: Iterable[int]) -> set[int]:
    following: defaultdict[int, list[int]] = defaultdict(list)
    for here, there in edges:
        following[here].append(there)
    found: set[int] = set()
    stack = list(start)
    while stack:
        fresh = set(following.get(stack.pop(), ())) - found
        found |= fresh
        stack += fresh
    return found
