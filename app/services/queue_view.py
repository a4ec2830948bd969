"""Which sites a person looks through, and in which order: lanes and worth of rows, as columns."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from app.services.queue_columns import KINDS, Rows
from app.services.through import QueueOrder
from connectome.space import PointNm
from proofreading.columns import Columns
from proofreading.sites import SiteKind
from proofreading.triage import DEFAULT_ERROR, QUICK_LIMIT, Lane, step_below

__all__ = ["LANES", "QueueOrder", "QueueView", "lanes_of", "walk_along", "worth_of"]

LANES: tuple[Lane, ...] = tuple(Lane)
_PAIRS = np.array([kind in (SiteKind.CONTACT, SiteKind.ENDPOINT) for kind in KINDS])
_SLACK = 1e-9
_MIX = np.uint64(0x9E3779B97F4A7C15)
MOST_OF_A_NEURON = 2000
"""So many sites of one neuron are put in order at most: the way takes time with their square."""


@dataclass(frozen=True)
class QueueView:
    """What a person looks through.

    Parameters
    ----------
    lane : Lane or None
        Only sites of this lane; None for all.
    error_rate : float
        The accepted error, which decides the lanes.
    seed : int
        Of the random order.
    near_nm : tuple of float or None
        Where the last one was.
    along : int or None
        The segment that is gone along.
    """

    lane: Lane | None = None
    order: QueueOrder = QueueOrder.PROBABILITY
    error_rate: float = DEFAULT_ERROR
    seed: int = 0
    near_nm: PointNm | None = None
    along: int | None = None

    def at(self, error_rate: float) -> QueueView:
        """Return the same at another accepted error."""
        return replace(self, error_rate=step_below(error_rate))


def lanes_of(table: Columns, rows: Rows, error_rate: float) -> NDArray[np.uint8]:
    """Return the lane of each row, as its place in `LANES`.

    The rule is that of `proofreading.triage.lane_of`. A site whose verdict is hidden is a
    full review: the person must answer it alone.
    """
    chance = table["probability"][rows]
    risk = np.minimum(chance, 1 - chance)
    unsure = ~(risk <= QUICK_LIMIT + _SLACK)  # NaN, where there is no verdict, is unsure.
    full = unsure | table["unusual"][rows] | table["veiled"][rows]
    decidable = _PAIRS[table["kind"][rows]] & (table["partner"][rows] != 0)
    automatic = decidable & (risk <= error_rate + _SLACK)
    found = np.where(automatic, LANES.index(Lane.AUTOMATIC), LANES.index(Lane.QUICK))
    return np.where(full, LANES.index(Lane.FULL), found).astype(np.uint8)


def worth_of(view: QueueView, table: Columns, rows: Rows) -> NDArray[np.float64]:
    """Return how early each row comes, the greatest first; NaN comes last."""
    chance = table["probability"][rows].astype(np.float64)
    if view.order is QueueOrder.VALUE:
        return np.asarray(table["value"][rows] * (chance + chance * (1 - chance)))
    if view.order is QueueOrder.DISAGREEMENT:
        return np.asarray(table["spread"][rows].astype(np.float64))
    if view.order is QueueOrder.NEAR and view.near_nm is not None:
        apart = _points(table, rows) - np.array(view.near_nm)
        return np.asarray(-np.sqrt((apart * apart).sum(axis=1)))
    if view.order is QueueOrder.RANDOM:
        return _chances(table["number"][rows], view.seed)
    if view.order is QueueOrder.NEURON:
        step = table["step"][rows]
        # A step along the neuron is worth more than any probability.
        return np.asarray(np.where(step > 0, 1.0 + step, chance))
    return chance


def walk_along(table: Columns, root: int, begin_nm: PointNm | None) -> tuple[Rows, Rows]:
    """Return the open rows that name a segment, and for each how early it comes (most first).

    The way goes from where the person is to the nearest one, and on.
    """
    named = (table["root"] == np.uint64(root)) | (table["partner"] == np.uint64(root))
    rows = np.flatnonzero(named & (table["answer"] == 0)).astype(np.int32)[:MOST_OF_A_NEURON]
    points = _points(table, rows)
    steps = np.zeros(rows.size, np.int32)
    if not rows.size:
        return rows, steps
    here = points[0] if begin_nm is None else np.array(begin_nm)
    apart = np.empty(rows.size)
    for step in range(rows.size, 0, -1):
        apart = ((points - here) ** 2).sum(axis=1)
        apart[steps > 0] = np.inf
        nearest = int(apart.argmin())
        steps[nearest] = step
        here = points[nearest]
    return rows, steps


def _points(table: Columns, rows: Rows) -> NDArray[np.float64]:
    return np.stack([table[axis][rows].astype(np.float64) for axis in "xyz"], axis=1)


def _chances(numbers: NDArray[np.uint64], seed: int) -> NDArray[np.float64]:
    """Return numbers from 0 to 1 that depend on a site and a seed alone (splitmix64)."""
    # Before the first mixing, seeds must not merely shift the sites' numbers.
    start = np.uint64((seed * int(_MIX) + 1) & (2**64 - 1))
    mixed = (numbers ^ start) + _MIX
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray((mixed ^ (mixed >> np.uint64(31))) / 2**64)
