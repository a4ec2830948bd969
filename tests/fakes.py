"""In-memory things that behave like the real ones, with faults on demand."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from contextlib import suppress
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
    SplitPreview,
    SplitRequest,
)
from connectome.space import BoxNm, PointNm

__all__ = ["Crash", "FakeClock", "Fault", "MemoryGraph"]

Bond = frozenset[int]
Request = MergeRequest | SplitRequest


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

    A cut gives each supervoxel to the nearest point and opens the bonds in between, but never
    those in `far`: with one of them across the cut, the object holds together. `faults` are
    taken one for each edit that arrives; `unreadable` reads fail; `stale` reads of roots
    answer with what was true before the last edit.
    """

    def __init__(self, supervoxels: Iterable[int], clock: FakeClock | None = None) -> None:
        self.clock = clock or FakeClock()
        self.faults: list[Fault] = []
        self.unreadable = 0
        self.stale = 0
        self.late_s = 60.0
        self.tells_operations = True
        self.tells_points = True
        self.sent: list[Request | int] = []
        self.log: dict[int, OperationDetails] = {}
        self.far: set[Bond] = set()
        self._late: list[tuple[datetime, Request]] = []
        self._bonds: set[Bond] = set()
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
        return self._edit(request)

    def split(self, request: SplitRequest) -> EditReceipt:
        return self._edit(request)

    def preview_split(self, request: SplitRequest) -> SplitPreview:
        self._arrive()
        cut = self._cut(request)
        sources, sinks = ([p.supervoxel for p in side] for side in (request.sources, request.sinks))
        bonds = self._bonds - self.far - cut
        parts = (_reach(bonds, sources[0]), _reach(bonds, sinks[0]))
        illegal = not (set(sources) <= parts[0] and set(sinks) <= parts[1])
        return SplitPreview(tuple(np.array(sorted(p), dtype=np.uint64) for p in parts), illegal)

    def undo(self, operation_id: int) -> EditReceipt | None:
        self.sent.append(operation_id)
        fault = self._take_fault()
        self._fail_before(fault)
        receipt = self.take_back(operation_id)
        self._fail_after(fault)
        return receipt

    def join(self, a: int, b: int, user: str = "me", *, far: bool = False) -> EditReceipt:
        """Apply a merge, as a person with another program would."""
        if self._root[a] == self._root[b]:
            self._record(user, OperationStatus.CREATED, (), added=((a, b),))
            raise EditRejectedError("Supervoxels must belong to different objects.")
        self._bonds.add(frozenset((a, b)))
        if far:
            self.far.add(frozenset((a, b)))
        return self._apply(user, {self._root[a], self._root[b]}, added=((a, b),))

    def bond(self, a: int, b: int) -> None:
        """Add one more connection inside an object."""
        assert self._root[a] == self._root[b]
        self._bonds.add(frozenset((a, b)))

    def cut(self, request: SplitRequest, user: str = "me") -> EditReceipt:
        """Apply a cut, as a person with another program would."""
        bonds = self._cut(request)
        self._bonds -= bonds
        removed = tuple((min(bond), max(bond)) for bond in bonds)
        return self._apply(
            user, {self._root[request.sources[0].supervoxel]}, removed=removed, points=request
        )

    def take_back(self, operation_id: int, user: str = "me") -> EditReceipt | None:
        """Apply the undo of a merge or a cut; None if it is not in force."""
        row = self.log.get(operation_id)
        if row is None or not row.applied:
            return None
        added = {frozenset(edge) for edge in row.added_edges}
        removed = {frozenset(edge) for edge in row.removed_edges}
        if not added | removed or not added <= self._bonds or removed & self._bonds:
            return None
        self._bonds = (self._bonds - added) | removed
        roots = {self._root[s] for bond in added | removed for s in bond}
        return self._apply(user, roots, undoes=operation_id)

    def applied(self, a: int, b: int, user: str = "me") -> list[OperationDetails]:
        """Return the operations of a user that joined these two."""
        return [
            row
            for row in self.log.values()
            if row.applied and row.user == user and {a, b} in [set(e) for e in row.added_edges]
        ]

    def applied_cuts(self, request: SplitRequest, user: str = "me") -> list[OperationDetails]:
        """Return the operations of a user that cut between exactly these points."""
        return [
            row
            for row in self.log.values()
            if row.applied and row.user == user and row.raw.get("request") == request
        ]

    def root_of(self, supervoxel: int) -> int:
        """Return the root now, past all faults."""
        return self._root[supervoxel]

    def _edit(self, request: Request) -> EditReceipt:
        self.sent.append(request)
        fault = self._take_fault()
        if fault is Fault.LATE:
            due = self.clock() + timedelta(seconds=self.late_s)
            self._late.append((due, request))
            raise EditUnknownError("the connection dropped")
        self._fail_before(fault)
        receipt = self._carry_out(request)
        self._fail_after(fault)
        return receipt

    def _carry_out(self, request: Request) -> EditReceipt:
        if isinstance(request, MergeRequest):
            return self.join(request.a.supervoxel, request.b.supervoxel)
        return self.cut(request)

    def _arrive(self) -> None:
        due = [request for when, request in self._late if when <= self.clock()]
        self._late = [late for late in self._late if late[0] > self.clock()]
        for request in due:
            with suppress(EditRejectedError):
                self._carry_out(request)
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

    def _cut(self, request: SplitRequest) -> set[Bond]:
        """Return the bonds that a cut opens; refuses as the production does."""
        sources, sinks = ([p.supervoxel for p in side] for side in (request.sources, request.sinks))
        if set(sources) & set(sinks):
            raise EditRejectedError("Supervoxels exist in both sink and source.")
        if len({self._root[s] for s in [*sources, *sinks]}) != 1:
            raise EditRejectedError("Supervoxels must belong to the same object.")
        near = self._bonds - self.far
        side = dict.fromkeys(sources, "source") | dict.fromkeys(sinks, "sink")
        queue = deque([*sources, *sinks])
        while queue:
            here = queue.popleft()
            for bond in sorted((b for b in near if here in b), key=sorted):
                (there,) = bond - {here}
                if there not in side:
                    side[there] = side[here]
                    queue.append(there)
        cut = {bond for bond in near if len({side.get(end) for end in bond}) == 2}
        if not cut:
            raise EditRejectedError("No local edges.")
        return cut

    def _apply(
        self,
        user: str,
        old: set[int],
        *,
        added: tuple[tuple[int, int], ...] = (),
        removed: tuple[tuple[int, int], ...] = (),
        points: SplitRequest | None = None,
        undoes: int | None = None,
    ) -> EditReceipt:
        self._before = dict(self._root)
        number = len(self.log) + 1
        members = {s for s, root in self._root.items() if root in old}
        new = []
        while members:
            part = _reach(self._bonds, members.pop())
            members -= part
            new.append(self._new_root(number))
            self._edges += [(root, new[-1]) for root in sorted({self._root[s] for s in part})]
            self._root.update(dict.fromkeys(part, new[-1]))
        self._record(
            user,
            OperationStatus.SUCCESS,
            tuple(new),
            added=added,
            removed=removed,
            points=points,
            undoes=undoes,
        )
        return EditReceipt(number, tuple(new))

    def _record(
        self,
        user: str,
        status: int,
        roots: tuple[int, ...],
        *,
        added: tuple[tuple[int, int], ...] = (),
        removed: tuple[tuple[int, int], ...] = (),
        points: SplitRequest | None = None,
        undoes: int | None = None,
    ) -> None:
        number = len(self.log) + 1
        sources = points.sources if points else ()
        sinks = points.sinks if points else ()
        tells = self.tells_points
        self.log[number] = OperationDetails(
            number,
            status,
            user,
            self.clock(),
            roots,
            added_edges=added,
            removed_edges=removed,
            # The log rounds positions to voxels.
            source_coords_nm=tuple(_rounded(p.position_nm) for p in sources),
            sink_coords_nm=tuple(_rounded(p.position_nm) for p in sinks),
            source_ids=tuple(p.supervoxel for p in sources) if tells else (),
            sink_ids=tuple(p.supervoxel for p in sinks) if tells else (),
            undoes=undoes,
            raw={"request": points},
        )

    def _new_root(self, operation: int) -> int:
        self._next_root += 1
        self._made[self._next_root] = (self.clock(), operation)
        return self._next_root


def _reach(bonds: set[Bond], start: int) -> set[int]:
    part, stack = {start}, [start]
    while stack:
        here = stack.pop()
        for bond in bonds:
            if here in bond and not bond <= part:
                stack += bond - part
                part |= bond
    return part


def _rounded(point: PointNm) -> PointNm:
    x, y, z = (8.0 * (value // 8.0) for value in point)
    return x, y, z
