"""In-memory things that behave like the real ones, with faults on demand."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum, auto

import numpy as np
from numpy.typing import NDArray

from connectome.errors import EditRejectedError, EditUnknownError, NotFoundError, OfflineError
from connectome.graph import (
    EditReceipt,
    Ids,
    Lineage,
    MergeRequest,
    OperationDetails,
    OperationStatus,
)
from connectome.space import BoxNm

__all__ = ["Crash", "FakeClock", "Fault", "MemoryGraph"]


@dataclass
class FakeClock:
    """A clock that moves only when somebody waits."""

    now: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    waited: list[float] = field(default_factory=list)

    def __call__(self) -> datetime:
        return self.now

    def wait(self, seconds: float) -> None:
        self.waited.append(seconds)
        self.now += timedelta(seconds=seconds)


class Fault(Enum):
    """What goes wrong with one edit."""

    NONE = auto()
    DROP_BEFORE = auto()
    """The request never arrives."""
    DROP_AFTER = auto()
    """It is applied and the connection drops."""
    ERROR_AFTER = auto()
    """It is applied and the answer is a 500."""
    LATE = auto()
    """The connection drops; the server applies it `late_s` later."""
    REJECT = auto()
    """Refused, not applied."""
    REPEATED = auto()
    """Applied, then repeated by a proxy: the answer is the refusal of the repetition."""
    CRASH_BEFORE = auto()
    """This program dies before the request leaves."""
    CRASH_AFTER = auto()
    """This program dies after the server applied it."""


class Crash(BaseException):
    """Stands for kill -9: nothing of the program runs after it."""


class MemoryGraph:
    """A chunked graph in memory: supervoxels, roots, lineage, and an operation log.

    `faults` are taken one for each edit that arrives; `unreadable` reads fail; `stale` reads
    of roots answer with what was true before the last edit.
    """

    def __init__(self, supervoxels: Iterable[int], clock: FakeClock | None = None) -> None:
        self.clock = clock or FakeClock()
        self.faults: list[Fault] = []
        self.unreadable = 0
        self.stale = 0
        self.late_s = 60.0
        self.tells_operations = True
        self.sent: list[MergeRequest | int] = []
        self.log: dict[int, OperationDetails] = {}
        self._late: list[tuple[datetime, MergeRequest]] = []
        self._bonds: set[frozenset[int]] = set()
        self._root: dict[int, int] = {}
        self._before: dict[int, int] = {}
        self._edges: list[tuple[int, int]] = []
        self._made: dict[int, tuple[datetime, int]] = {}
        self._next_root = 1 << 60
        for supervoxel in supervoxels:
            self._root[supervoxel] = self._new_root(0)
        self._before = dict(self._root)

    # reading

    def roots(self, supervoxels: Ids, timestamp: datetime | None = None) -> Ids:
        self._arrive()
        known = self._root
        if self.stale:
            self.stale -= 1
            known = self._before
        return np.array([known.get(int(s), 0) for s in supervoxels], dtype=np.uint64)

    def is_latest(self, roots: Ids) -> NDArray[np.bool_]:
        self._arrive()
        current = set(self._root.values())
        return np.array([int(root) in current for root in roots], dtype=np.bool_)

    def root_timestamps(self, roots: Ids) -> list[datetime]:
        self._arrive()
        return [self._made[int(root)][0] for root in roots]

    def leaves(self, root: int, box: BoxNm | None = None) -> Ids:
        self._arrive()
        return np.array([s for s, r in self._root.items() if r == root], dtype=np.uint64)

    def lineage(self, roots: Iterable[int]) -> Lineage:
        self._arrive()
        linked = set(roots)
        if unknown := linked - set(self._made):
            raise NotFoundError(f"unknown root {unknown.pop()}")
        for _ in range(len(self._edges) + 1):
            more = {n for edge in self._edges if linked & set(edge) for n in edge}
            if more <= linked:
                break
            linked |= more
        operations = {r: self._made[r][1] for r in linked if self._made[r][1]}
        return Lineage(
            tuple(edge for edge in self._edges if edge[0] in linked),
            {r: self._made[r][0] for r in linked},
            operations if self.tells_operations else {},
        )

    def operations(self, operation_ids: Iterable[int]) -> dict[int, OperationDetails]:
        self._arrive()
        return {number: self.log[number] for number in operation_ids if number in self.log}

    # editing

    def merge(self, request: MergeRequest) -> EditReceipt:
        self.sent.append(request)
        fault = self._take_fault()
        if fault is Fault.LATE:
            due = self.clock() + timedelta(seconds=self.late_s)
            self._late.append((due, request))
            raise EditUnknownError("the connection dropped")
        self._fail_before(fault)
        receipt = self.join(request.a.supervoxel, request.b.supervoxel)
        self._fail_after(fault)
        return receipt

    def undo(self, operation_id: int) -> EditReceipt | None:
        self.sent.append(operation_id)
        fault = self._take_fault()
        self._fail_before(fault)
        receipt = self.take_back(operation_id)
        self._fail_after(fault)
        return receipt

    def join(self, a: int, b: int, user: str = "me") -> EditReceipt:
        """Apply a merge, as a person with another program would."""
        if self._root[a] == self._root[b]:
            self._record(user, OperationStatus.CREATED, (), added=((a, b),))
            raise EditRejectedError("Supervoxels must belong to different objects.")
        self._bonds.add(frozenset((a, b)))
        return self._apply(user, {self._root[a], self._root[b]}, added=((a, b),))

    def take_back(self, operation_id: int, user: str = "me") -> EditReceipt | None:
        """Apply the undo of a merge; None if it is not in force."""
        row = self.log.get(operation_id)
        bonds = {frozenset(edge) for edge in row.added_edges} if row and row.applied else set()
        if not bonds or not bonds <= self._bonds:
            return None
        self._bonds -= bonds
        roots = {self._root[s] for bond in bonds for s in bond}
        return self._apply(user, roots, undoes=operation_id)

    def applied(self, a: int, b: int, user: str = "me") -> list[OperationDetails]:
        """Return the operations of a user that joined these two."""
        return [
            row
            for row in self.log.values()
            if row.applied and row.user == user and {a, b} in [set(e) for e in row.added_edges]
        ]

    def root_of(self, supervoxel: int) -> int:
        """Return the root now, past all faults."""
        return self._root[supervoxel]

    def _arrive(self) -> None:
        due = [request for when, request in self._late if when <= self.clock()]
        self._late = [late for late in self._late if late[0] > self.clock()]
        for request in due:
            if self._root[request.a.supervoxel] != self._root[request.b.supervoxel]:
                self.join(request.a.supervoxel, request.b.supervoxel)
        if self.unreadable:
            self.unreadable -= 1
            raise OfflineError("no network", "Try again later.")

    def _take_fault(self) -> Fault:
        return self.faults.pop(0) if self.faults else Fault.NONE

    def _fail_before(self, fault: Fault) -> None:
        if fault is Fault.REJECT:
            raise EditRejectedError("The server refused.")
        if fault is Fault.DROP_BEFORE:
            raise EditUnknownError("the connection dropped")
        if fault is Fault.CRASH_BEFORE:
            raise Crash

    def _fail_after(self, fault: Fault) -> None:
        if fault in (Fault.DROP_AFTER, Fault.ERROR_AFTER):
            raise EditUnknownError("500 Internal Server Error")
        if fault is Fault.REPEATED:
            raise EditRejectedError("Supervoxels must belong to different objects.")
        if fault is Fault.CRASH_AFTER:
            raise Crash

    def _apply(
        self,
        user: str,
        old: set[int],
        *,
        added: tuple[tuple[int, int], ...] = (),
        undoes: int | None = None,
    ) -> EditReceipt:
        self._before = dict(self._root)
        number = len(self.log) + 1
        members = {s for s, root in self._root.items() if root in old}
        new = []
        while members:
            part = self._reach(members.pop())
            members -= part
            new.append(self._new_root(number))
            self._edges += [(root, new[-1]) for root in sorted({self._root[s] for s in part})]
            self._root.update(dict.fromkeys(part, new[-1]))
        self._record(user, OperationStatus.SUCCESS, tuple(new), added=added, undoes=undoes)
        return EditReceipt(number, tuple(new))

    def _reach(self, start: int) -> set[int]:
        part, stack = {start}, [start]
        while stack:
            here = stack.pop()
            for bond in self._bonds:
                if here in bond and not bond <= part:
                    stack += bond - part
                    part |= bond
        return part

    def _record(
        self,
        user: str,
        status: int,
        roots: tuple[int, ...],
        *,
        added: tuple[tuple[int, int], ...],
        undoes: int | None = None,
    ) -> None:
        number = len(self.log) + 1
        self.log[number] = OperationDetails(
            number, status, user, self.clock(), roots, added_edges=added, undoes=undoes
        )

    def _new_root(self, operation: int) -> int:
        self._next_root += 1
        self._made[self._next_root] = (self.clock(), operation)
        return self._next_root
