"""Shares and counts with exact intervals, for figures that rest on few answers."""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["Expected", "Share", "expected_count", "share_of"]

_TAIL = 0.025


@dataclass(frozen=True)
class Share:
    """So many of so many, with the exact 95 % interval of the share behind them.

    `value` is None where nothing was counted; the interval is then 0 to 1.
    """

    hits: int
    count: int
    value: float | None
    low: float
    high: float


@dataclass(frozen=True)
class Expected:
    """A number to be expected, and between which numbers 95 % of such cases end."""

    value: float
    low: int
    high: int


def share_of(hits: int, count: int) -> Share:
    """Return a share with its exact interval (Clopper and Pearson 1934).

    Raises
    ------
    ValueError
        If there are more hits than were counted.
    """
    if not 0 <= hits <= count:
        msg = f"{hits} of {count} is no share"
        raise ValueError(msg)
    if count == 0:
        return Share(0, 0, None, 0.0, 1.0)
    from scipy.special import betaincinv

    low = 0.0 if hits == 0 else float(betaincinv(hits, count - hits + 1, _TAIL))
    high = 1.0 if hits == count else float(betaincinv(hits + 1, count - hits, 1 - _TAIL))
    return Share(hits, count, hits / count, low, high)


def expected_count(mean: float, at_most: int) -> Expected:
    """Return how many of independent rare events happen, by their summed chances.

    The interval is that of a Poisson count. A sum of unequal chances spreads less
    (Hoeffding 1956, doi:10.1214/aoms/1177728178), so that it errs on the wide side.

    Parameters
    ----------
    mean : float
        Sum of the chances.
    at_most : int
        Number of the chances.
    """
    if mean <= 0 or at_most == 0:
        return Expected(0.0, 0, 0)
    from scipy.special import pdtrik

    low, high = (max(0, math.ceil(float(pdtrik(p, mean)) - 1e-9)) for p in (_TAIL, 1 - _TAIL))
    return Expected(mean, min(low, at_most), min(high, at_most))
