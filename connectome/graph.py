"""What an edit is on the wire, and who carries it there.

The words are CAVE's: supervoxels are joined into roots, every edit makes new roots
and an operation id, and lineage links old roots to new ones. One implementation
(`connectome.cave`) speaks to a real server and to the offline service alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from connectome.space import BoxNm, PointNm

__all__ = [
    "EditReceipt",
    "Graph",
    "GraphPoint",
    "Ids",
    "Lineage",
    "MergeRequest",
    "OperationDetails",
    "OperationStatus",
    "Permission",
    "SplitPreview",
    "SplitRequest",
]

Ids = NDArray[np.uint64]
"""A one-dimensional array of 64-bit ids."""


@dataclass(frozen=True)
class GraphPoint:
    """A supervoxel and a position inside it, in nm."""

    supervoxel: int
    position_nm: PointNm


@dataclass(frozen=True)
class MergeRequest:
    """Join the objects under two points."""

    a: GraphPoint
    b: GraphPoint


@dataclass(frozen=True)
class SplitRequest:
    """Cut one object so that sources and sinks come apart."""

    sources: tuple[GraphPoint, ...]
    sinks: tuple[GraphPoint, ...]


@dataclass(frozen=True, eq=False)
class SplitPreview:
    """What a cut would do to the supervoxels around its points; nothing was changed.

    Parameters
    ----------
    parts : tuple of ndarray
        Supervoxels of each part: first the one with the most sources, second the one with
        the most sinks.
    illegal : bool
        Whether the cut would be refused: it does not separate the points.
    """

    parts: tuple[Ids, ...]
    illegal: bool


@dataclass(frozen=True)
class EditReceipt:
    """The server's word that an edit was applied."""

    operation_id: int
    new_roots: tuple[int, ...]


class OperationStatus:
    """Status numbers of an operation, as the chunked graph logs them."""

    SUCCESS = 0
    CREATED = 1
    EXCEPTION = 2
    WRITE_STARTED = 3
    WRITE_FAILED = 4


@dataclass(frozen=True)
class OperationDetails:
    """One row of the server's operation log.

    Positions are in nm. A row exists for refused edits too: only ``applied`` tells.
    """

    operation_id: int
    status: int
    user: str
    timestamp: datetime | None
    new_roots: tuple[int, ...]
    added_edges: tuple[tuple[int, int], ...] = ()
    removed_edges: tuple[tuple[int, int], ...] = ()
    source_coords_nm: tuple[PointNm, ...] = ()
    sink_coords_nm: tuple[PointNm, ...] = ()
    source_ids: tuple[int, ...] = ()
    sink_ids: tuple[int, ...] = ()
    undoes: int | None = None
    redoes: int | None = None
    raw: Mapping[str, object] = field(default_factory=dict)

    @property
    def applied(self) -> bool:
        """Whether the operation changed the graph."""
        return self.status == OperationStatus.SUCCESS and bool(self.new_roots)


@dataclass(frozen=True)
class Permission:
    """Whether the person's account may edit, found out by reading.

    Parameters
    ----------
    allowed : bool or None
        None where the server does not tell; then only an edit shows it.
    message : str
        What is missing, as one sentence; empty where nothing is.
    hint : str
        The remedy.
    user : str
        Who the operation log will name; empty where the server does not tell.
    """

    allowed: bool | None
    message: str = ""
    hint: str = ""
    user: str = ""


@dataclass(frozen=True)
class Lineage:
    """Directed edges (old root, new root).

    `operation_ids` names the operation that made a root, where the server tells.
    """

    edges: tuple[tuple[int, int], ...]
    timestamps: Mapping[int, datetime] = field(default_factory=dict)
    operation_ids: Mapping[int, int] = field(default_factory=dict)

    def successors(self, root: int) -> tuple[int, ...]:
        """Roots made directly out of ``root``."""
        return tuple(new for old, new in self.edges if old == root)

    def latest(self, root: int) -> frozenset[int]:
        """Roots without successors that come from ``root`` (itself if nothing replaced it)."""
        out: dict[int, list[int]] = {}
        for old, new in self.edges:
            out.setdefault(old, []).append(new)
        found, stack, seen = set(), [root], set()
        while stack:
            node = stack.pop()
            if node in seen:
                continue
            seen.add(node)
            if node in out:
                stack.extend(out[node])
            else:
                found.add(node)
        return frozenset(found)


class Graph(Protocol):
    """The chunked graph of one datastack.

    Reads raise `ServiceError` subclasses. Edits are sent exactly once and raise
    `EditRejectedError` (certainly not applied: 400, 401, 403) or `EditUnknownError`
    (anything else: only reading can tell); see the export protocol in
    ``proofreading.export``.
    """

    def roots(self, supervoxels: Ids, timestamp: datetime | None = None) -> Ids:
        """Return the root of each supervoxel, shape (n,), 0 for id 0."""
        ...

    def is_latest(self, roots: Ids) -> NDArray[np.bool_]:
        """Tell for each root whether it exists and was not replaced, shape (n,)."""
        ...

    def root_timestamps(self, roots: Ids) -> list[datetime]:
        """Return when each root was made (UTC)."""
        ...

    def leaves(self, root: int, box: BoxNm | None = None) -> Ids:
        """Return the supervoxels of a root, those in the chunks that meet the box if given."""
        ...

    def lineage(self, roots: Iterable[int]) -> Lineage:
        """Return every edit that made or replaced these roots."""
        ...

    def operations(self, operation_ids: Iterable[int]) -> dict[int, OperationDetails]:
        """Return the log rows of these operations; unknown ids are absent."""
        ...

    def merge(self, request: MergeRequest) -> EditReceipt:
        """Send one merge, once."""
        ...

    def preview_split(self, request: SplitRequest) -> SplitPreview:
        """Return what a cut would do; a read.

        Raises
        ------
        EditRejectedError
            If the server would refuse the cut; the message says why.
        """
        ...

    def split(self, request: SplitRequest) -> EditReceipt:
        """Send one cut, once. One new root means that the object still holds together."""
        ...

    def undo(self, operation_id: int) -> EditReceipt | None:
        """Send one undo, once; None when the server says there was nothing to undo."""
        ...
