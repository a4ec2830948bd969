"""Which edits of a history are corrections that still stand, and the segments around each.

An edit that was taken back is no correction, nor is one whose result people corrected
again at the same place (a transitive correction): its label would be wrong. What is left
out is counted by reason.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import dist

import numpy as np

from connectome.cave.operations import HistoryOperation
from connectome.graph import Ids, Lineage
from connectome.space import PointNm

__all__ = [
    "Correction",
    "CorrectionSettings",
    "RootsAt",
    "corrections",
    "latest_of",
    "lineage_of",
    "middle",
    "taken_back",
]

RootsAt = Callable[[Ids, datetime], Ids]
"""Maps supervoxels to their roots at a time, as `connectome.graph.Graph.roots` does."""
_FAR_NM = 1e9


@dataclass(frozen=True)
class CorrectionSettings:
    """What counts as a correction.

    Parameters
    ----------
    hops : int
        How many edits later an inverse edit still takes this one back in part.
    near_nm : float
        How near to this edit it then is, at most.
    step : timedelta
        Roots are looked up so long before and after the edit: a millisecond for an
        offline datastack, a second for a CAVE server.
    """

    hops: int = 2
    near_nm: float = 2500.0
    step: timedelta = timedelta(milliseconds=1)


@dataclass(frozen=True)
class Correction:
    """An edit that stands, with the segments right before and right after it.

    Parameters
    ----------
    is_merge : bool
        Whether segments gained supervoxels, which repairs a split error; else one lost
        some, which repairs a merge error.
    before, after : tuple of int
        One and two segments, or two and one. Of the two, the first is at the sources and
        the second at the sinks where `sided`.
    point_nm : tuple of float
        Midpoint of the mean source and the mean sink.
    supervoxels : tuple of int
        One at the sources and one at the sinks, where known.
    """

    operation_id: int
    is_merge: bool
    before_time: datetime
    after_time: datetime
    before: tuple[int, ...]
    after: tuple[int, ...]
    point_nm: PointNm
    sources_nm: tuple[PointNm, ...] = ()
    sinks_nm: tuple[PointNm, ...] = ()
    supervoxels: tuple[int, ...] = ()
    sided: bool = False

    @property
    def whole(self) -> int:
        """The one segment: after a merge edit, before a split edit."""
        return (self.after if self.is_merge else self.before)[0]

    @property
    def pieces(self) -> tuple[int, int]:
        """The two segments: before a merge edit, after a split edit."""
        one, other = self.before if self.is_merge else self.after
        return one, other


def corrections(
    operations: Iterable[HistoryOperation],
    settings: CorrectionSettings,
    roots_at: RootsAt | None = None,
) -> tuple[list[Correction], Counter[str]]:
    """Return the corrections of a history, oldest first, and how many edits were left out.

    Parameters
    ----------
    operations : iterable of HistoryOperation
        The history.
    settings : CorrectionSettings
        What counts.
    roots_at : callable, optional
        The graph's roots at a time. Without it the segments that the log names are used.

    Returns
    -------
    corrections : list of Correction
    left_out : Counter
        Edits by the reason they were left out for.
    """
    log = sorted({o.operation_id: o for o in operations}.values(), key=lambda o: o.order)
    undone = taken_back(log)
    later = _Later(log, undone, settings)
    left_out: Counter[str] = Counter()
    found = []
    for operation in log:
        made = _refused(operation, undone, later) or _correction(operation, settings, roots_at)
        if isinstance(made, str):
            left_out[made] += 1
        else:
            found.append(made)
    return found, left_out


def taken_back(log: Sequence[HistoryOperation]) -> set[int]:
    """Return the merges and splits that are not in force at the end of a log, oldest first."""
    by_id = {operation.operation_id: operation for operation in log}
    undone: set[int] = set()
    for operation in log:
        if operation.kind not in ("undo", "redo"):
            continue
        target, removes = operation, False
        # An undo may be of an undo: each step back through one turns the meaning around.
        for _ in range(len(log)):
            if target.of_operation is None:
                break
            removes ^= target.kind == "undo"
            following = by_id.get(target.of_operation)
            if following is None or following.of_operation is None:
                break
            target = following
        if target.of_operation is not None:
            (undone.add if removes else undone.discard)(target.of_operation)
    return undone


def lineage_of(operations: Iterable[HistoryOperation]) -> Lineage:
    """Return what became of roots as far as a log tells."""
    edges = {
        (old, new) for one in operations for old in one.before_roots for new in one.after_roots
    }
    return Lineage(tuple(sorted(edges)))


def middle(sources: Sequence[PointNm], sinks: Sequence[PointNm]) -> PointNm | None:
    """Return the midpoint of the mean source and the mean sink, None without any point."""
    means = [np.mean(points, axis=0) for points in (sources, sinks) if len(points)]
    if not means:
        return None
    x, y, z = (float(v) for v in np.mean(means, axis=0))
    return (x, y, z)


def _refused(operation: HistoryOperation, undone: set[int], later: _Later) -> str:
    """Return why an edit is no correction by the log alone; empty if it may be one."""
    if operation.kind in ("undo", "redo"):
        return "undo or redo"
    if operation.operation_id in undone:
        return "taken back later"
    point = middle(operation.source_coords_nm, operation.sink_coords_nm)
    if point is None:
        return "no place known"
    if max(abs(value) for value in point) > _FAR_NM:
        return "place more than a metre away"
    return "transitive correction" if later.inverse_near(operation, point) else ""


def _correction(
    operation: HistoryOperation, settings: CorrectionSettings, roots_at: RootsAt | None
) -> Correction | str:
    """Return the correction an edit is, or why it is none."""
    point = middle(operation.source_coords_nm, operation.sink_coords_nm)
    assert point is not None, "`_refused` has looked"
    times = operation.time - settings.step, operation.time + settings.step
    edges = operation.added_edges or operation.removed_edges
    supervoxels = edges[0] if edges else ()
    before, after = operation.before_roots, operation.after_roots
    sided = roots_at is not None and len(supervoxels) == 2 and operation.is_merge
    if roots_at is not None and supervoxels:
        ids = np.array(supervoxels, np.uint64)
        before, now = (_roots(roots_at(ids, time)) for time in times)
        # A cut can leave more pieces than the two that its first edge names.
        after = _unique((*now, *after))
    kinds = {(2, 1): True, (1, 2): False}
    before, after = _unique(before), _unique(after)
    is_merge = kinds.get((len(before), len(after)))
    if is_merge is None:
        return "not two segments on one side and one on the other"
    if is_merge is not operation.is_merge:
        return "the log and the graph tell different stories"
    return Correction(
        operation_id=operation.operation_id,
        is_merge=is_merge,
        before_time=times[0],
        after_time=times[1],
        before=before,
        after=after,
        point_nm=point,
        sources_nm=operation.source_coords_nm,
        sinks_nm=operation.sink_coords_nm,
        supervoxels=tuple(supervoxels),
        sided=sided,
    )


def _roots(roots: Ids) -> tuple[int, ...]:
    return _unique(int(root) for root in roots)


def _unique(roots: Iterable[int]) -> tuple[int, ...]:
    """Return each root once, in their order."""
    return tuple(dict.fromkeys(roots))


class _Later:
    """What later edits did to the segments that an edit made."""

    def __init__(
        self, log: Sequence[HistoryOperation], undone: set[int], settings: CorrectionSettings
    ) -> None:
        self._settings = settings
        self._undone = undone
        self._consumers: dict[int, list[HistoryOperation]] = {}
        for operation in log:
            for root in operation.before_roots:
                self._consumers.setdefault(root, []).append(operation)

    def inverse_near(self, operation: HistoryOperation, point: PointNm) -> bool:
        """Tell whether an edit of the other kind consumed descendants nearby, soon after."""
        waiting = deque((root, 1) for root in operation.after_roots)
        seen = set(operation.after_roots)
        while waiting:
            root, hop = waiting.popleft()
            for later in self._consumers.get(root, ()):
                if self._inverts(later, operation, point):
                    return True
                fresh = set(later.after_roots) - seen
                seen |= fresh
                if hop < self._settings.hops:
                    waiting.extend((new, hop + 1) for new in sorted(fresh))
        return False

    def _inverts(
        self, later: HistoryOperation, operation: HistoryOperation, point: PointNm
    ) -> bool:
        place = middle(later.source_coords_nm, later.sink_coords_nm)
        return (
            later.is_merge is not operation.is_merge
            and later.kind not in ("undo", "redo")
            and later.operation_id not in self._undone
            and place is not None
            and dist(place, point) <= self._settings.near_nm
        )


def latest_of(lineage: Lineage, roots: Iterable[int]) -> Mapping[int, frozenset[int]]:
    """Return what became of each root: the roots without successors that come from it."""
    out: dict[int, list[int]] = {}
    for old, new in lineage.edges:
        out.setdefault(old, []).append(new)
    found: dict[int, frozenset[int]] = {}
    for root in sorted(set(roots)):
        ends, waiting, seen = set(), [root], {root}
        while waiting:
            node = waiting.pop()
            following = out.get(node, [])
            if not following:
                ends.add(node)
            fresh = [new for new in following if new not in seen]
            seen.update(fresh)
            waiting.extend(fresh)
        found[root] = frozenset(ends)
    return found
