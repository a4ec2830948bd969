"""Edits and proposed edits, as banks of them hold them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from connectome.space import PointNm

__all__ = ["Control", "Edges", "Operation", "middle"]

Edges = tuple[tuple[int, int], ...]
"""Pairs of supervoxels."""


@dataclass(frozen=True)
class Operation:
    """An edit that somebody made.

    Parameters
    ----------
    is_merge : bool
        Whether it joined segments, which repairs a split error.
    before, after : tuple of int
        The segments it replaced, and those it made.
    point_nm : tuple of float
        Midpoint of the mean source and the mean sink: 250 nm from the place for merge
        edits and 600 to 750 nm for split edits, by the format's authors.
    extra : mapping
        What the file says beyond this.
    """

    operation_id: int
    is_merge: bool
    species: str
    before: tuple[int, ...]
    after: tuple[int, ...]
    point_nm: PointNm
    time: datetime | None = None
    root: int | None = None
    sources_nm: tuple[PointNm, ...] = ()
    sinks_nm: tuple[PointNm, ...] = ()
    added_edges: Edges = ()
    removed_edges: Edges = ()
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Control:
    """A proposed edit and whether it would be right.

    Parameters
    ----------
    source_operation_id : int
        The edit it was made from; negative where there is none.
    strategy : str
        How it was made, in the file's words.
    is_correct : bool
        Whether the proposed edit would be right.
    is_merge : bool
        Whether it would join the segments.
    before, after : tuple of int
        The segments before and after it.
    """

    source_operation_id: int
    strategy: str
    is_correct: bool
    is_merge: bool
    species: str
    before: tuple[int, ...]
    after: tuple[int, ...]
    point_nm: PointNm
    before_time: datetime | None = None
    after_time: datetime | None = None
    root: int | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)


def middle(sources: tuple[PointNm, ...], sinks: tuple[PointNm, ...]) -> PointNm:
    """Return the midpoint of the mean source and the mean sink.

    Raises
    ------
    ValueError
        If there is no point.
    """
    centers = [_mean(points) for points in (sources, sinks) if points]
    if not centers:
        msg = "no point"
        raise ValueError(msg)
    return _mean(tuple(centers))


def _mean(points: tuple[PointNm, ...]) -> PointNm:
    x, y, z = (sum(axis) / len(points) for axis in zip(*points, strict=True))
    return (x, y, z)
