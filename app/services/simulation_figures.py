"""What curves of VI against looks come down to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference.adaptive.orders import Order

__all__ = ["MILESTONES", "Milestone", "OrderFigures", "looks_to", "order_figures"]

MILESTONES = (50, 100, 200)
LEVELS = 200
"""Evenly spaced levels of VI at which two orders are compared."""
FEWEST = 3
"""Levels that the random order reaches in fewer looks are not compared: nobody looks half."""

Curves = Mapping[Order, NDArray[np.float64]]


@dataclass(frozen=True)
class Milestone:
    """VI after a number of looks: mean, lowest and highest over the seeds."""

    looks: int
    vi: float
    lowest: float
    highest: float


@dataclass(frozen=True)
class OrderFigures:
    """An order in numbers.

    Parameters
    ----------
    looks_to_half, looks_to_most : int or None
        Looks until half, and until 95 %, of what a perfect person gains is gained (mean curve).
    worst_share_of_random, mean_share_of_random : float or None
        Looks needed as a share of the looks that the random order needs, at the level of VI
        where this is highest, and on average over the levels that the random order reaches
        (in three looks or more). None without a random order.
    versions : float
        How often the adaptive judge was replaced by a better one, on average.
    """

    order: str
    milestones: tuple[Milestone, ...]
    looks_to_half: int | None
    looks_to_most: int | None
    worst_share_of_random: float | None
    mean_share_of_random: float | None
    versions: float = 0.0


def order_figures(curves: Curves, perfect: float) -> tuple[OrderFigures, ...]:
    """Return the figures of each order.

    Parameters
    ----------
    curves : mapping of Order to ndarray, shape (seeds, looks + 1)
        VI after each number of looks.
    perfect : float
        The VI that a perfect person reaches.
    """
    means = {order: curve.mean(axis=0) for order, curve in curves.items()}
    found = []
    for order, curve in curves.items():
        mean = means[order]
        gain = mean[0] - perfect
        half, most = looks_to(mean, mean[0] - np.array([0.5, 0.95]) * gain)
        shares = _shares(mean, means.get(Order.RANDOM))
        found.append(
            OrderFigures(
                order=order.value,
                milestones=tuple(_milestone(curve, n) for n in MILESTONES if n < len(mean)),
                looks_to_half=_whole(half),
                looks_to_most=_whole(most),
                worst_share_of_random=None if shares is None else float(shares.max()),
                mean_share_of_random=None if shares is None else float(shares.mean()),
            )
        )
    return tuple(found)


def looks_to(curve: NDArray[np.float64], levels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return after how many looks a curve first is at or below each level; infinite if never."""
    lowest = np.minimum.accumulate(curve)
    # The curve falls, so its reverse rises; nothing is lost to rounding of the last digit.
    reached = len(lowest) - np.searchsorted(lowest[::-1], levels + 1e-12, side="right")
    return np.where(reached < len(lowest), reached, np.inf)


def _shares(
    mean: NDArray[np.float64], random: NDArray[np.float64] | None
) -> NDArray[np.float64] | None:
    if random is None or random.min() >= random[0]:
        return None
    levels = np.linspace(random[0], random.min(), LEVELS + 1)[1:]
    by_chance = looks_to(random, levels)
    compared = by_chance >= FEWEST
    if not compared.any():
        return None
    return np.asarray(looks_to(mean, levels[compared]) / by_chance[compared])


def _milestone(curve: NDArray[np.float64], looks: int) -> Milestone:
    seen = curve[:, looks]
    return Milestone(looks, float(seen.mean()), float(seen.min()), float(seen.max()))


def _whole(value: float) -> int | None:
    return int(value) if np.isfinite(value) else None
