"""In which order candidates for a merge are asked about.

Variation of information over N voxels falls, when two pieces of one body are joined, by

    gain(a, b) = ((a + b) log(a + b) - a log a - b log b) / N

nats (a and b in voxels), and rises by as much when they are of two bodies (Meilă, Comparing
clusterings, 2003): an answer about two large pieces is worth thousands about specks. The gain
needs sizes only, so it is known before anybody looks.
"""

from __future__ import annotations

from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy

__all__ = ["Order", "merge_gain", "priorities"]

Floats = NDArray[np.float64]


class Order(StrEnum):
    """What is asked first.

    Attributes
    ----------
    PROBABILITY
        What is most likely a split error.
    UNCERTAINTY
        Where the judge is least sure: ``p (1 - p)``.
    VALUE
        What moves most of the volume, whatever the judge says.
    VALUE_UNCERTAINTY
        The expected fall of VI by asking, ``gain * p``, and a bonus for doubt,
        ``gain * p (1 - p)``. The product of value and doubt alone would leave the largest sure
        errors to the end of the queue, where nobody comes: without a person's look nothing is
        merged, so a look at a sure one is worth its whole gain.
    RANDOM
        By chance.
    """

    PROBABILITY = "probability"
    UNCERTAINTY = "uncertainty"
    VALUE = "value"
    VALUE_UNCERTAINTY = "value-uncertainty"
    RANDOM = "random"


def merge_gain(sizes: NDArray[np.number], total: float) -> Floats:
    """Return by how much VI falls, in nats, when pairs of pieces of one body are joined.

    Parameters
    ----------
    sizes : ndarray, shape (n, 2)
        Voxels of the two segments.
    total : float
        Voxels of the volume.
    """
    a, b = np.asarray(sizes, np.float64).T
    both = a + b
    return np.asarray((xlogy(both, both) - xlogy(a, a) - xlogy(b, b)) / total)


def priorities(order: Order, probability: Floats, gain: Floats, chance: Floats) -> Floats:
    """Return a number for each candidate, the highest to be asked first, shape (n,).

    Parameters
    ----------
    probability : ndarray, shape (n,)
        Chance that the pair is one body.
    gain : ndarray, shape (n,)
        `merge_gain` of the pair.
    chance : ndarray, shape (n,)
        Random numbers, for the random order.
    """
    doubt = probability * (1 - probability)
    if order is Order.PROBABILITY:
        return probability
    if order is Order.UNCERTAINTY:
        return doubt
    if order is Order.VALUE:
        return gain
    if order is Order.VALUE_UNCERTAINTY:
        return gain * (probability + doubt)
    return chance
