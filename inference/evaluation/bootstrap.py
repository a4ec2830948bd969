"""Intervals of figures: samples are drawn again from the answers, alone or in groups."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Figure", "draws", "intervals"]

Weights = NDArray[np.float64]


@dataclass(frozen=True)
class Figure:
    """A figure and its 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}–{self.high:.3f}]"


def draws(
    truth: NDArray[np.bool_],
    groups: NDArray[Any] | None = None,
    *,
    resamples: int = 1000,
    seed: int = 0,
) -> Iterator[Weights]:
    """Yield how often each answer (n,) is in each bootstrap sample.

    Answers are drawn within each class, so that none is ever empty. With ``groups``,
    whole groups are drawn instead (Field and Welsh 2007,
    doi:10.1111/j.1467-9868.2007.00593.x): pairs of one body are not independent, and an
    interval over pairs is then too narrow.
    """
    rng = np.random.default_rng(seed)
    if groups is None:
        classes = [np.flatnonzero(truth), np.flatnonzero(~truth)]
        for _ in range(resamples):
            weights = np.zeros(len(truth))
            for rows in classes:
                if len(rows):
                    weights[rows] = rng.multinomial(len(rows), np.full(len(rows), 1 / len(rows)))
            yield weights
        return
    _, which = np.unique(groups, return_inverse=True)
    count = int(which.max()) + 1
    for _ in range(resamples):
        yield rng.multinomial(count, np.full(count, 1 / count)).astype(np.float64)[which]


def intervals(
    measured: Callable[[Weights], Mapping[str, float]], count: int, samples: Iterator[Weights]
) -> dict[str, Figure]:
    """Return figures of ``count`` answers, with percentile intervals over bootstrap samples.

    ``measured`` takes how often each answer counts. A figure that a sample does not have
    (as one class is missing in it) is left out of that figure's interval.
    """
    whole = measured(np.ones(count))
    table: dict[str, list[float]] = {name: [] for name in whole}
    for weights in samples:
        for name, value in measured(weights).items():
            table[name].append(value)
    return {name: _figure(value, np.array(table[name])) for name, value in whole.items()}


def _figure(value: float, drawn: NDArray[np.float64]) -> Figure:
    known = drawn[np.isfinite(drawn)]
    if not len(known):
        return Figure(value, value, value)
    low, high = np.percentile(known, [2.5, 97.5])
    return Figure(float(value), float(low), float(high))
