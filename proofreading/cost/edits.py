"""How many merges and splits the objects of an edit history took, and what that costs.

The model is that of ConnectomeBench's cost analysis: merges × t_merge + splits × t_split,
times the price of an hour, scaled from a sample of objects to a population; objects beyond
the 95th percentile are its heavy tail. https://github.com/jffbrwn2/ConnectomeBench
Intervals are bootstraps over objects, which the heavy tail makes wide.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from connectome.errors import InputError

__all__ = [
    "CostModel",
    "EditCounts",
    "Interval",
    "Operation",
    "SampleSize",
    "Tail",
    "edits_of_objects",
    "sample_sizes",
]

TAIL_PERCENTILE = 95.0
ENOUGH = 0.1
"""A sample is large enough when the mean is known to a tenth, up or down."""
_DRAWS = 1000
_MOST_OF_A_DRAW = 4_000_000


class Operation(Protocol):
    """What is asked of an edit of the past."""

    @property
    def is_merge(self) -> bool:
        """Whether it joined objects."""
        ...

    @property
    def before_roots(self) -> tuple[int, ...]:
        """The objects it replaced."""
        ...

    @property
    def after_roots(self) -> tuple[int, ...]:
        """The objects it made."""
        ...


@dataclass(frozen=True)
class Interval:
    """A value and the 95 % interval around it."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Tail:
    """The objects with most edits: from how many on, how many objects, their share of edits."""

    threshold: float
    objects: int
    share: float


@dataclass(frozen=True)
class EditCounts:
    """Edits by object: shape (n,) each."""

    merges: NDArray[np.int64]
    splits: NDArray[np.int64]

    def __post_init__(self) -> None:
        if not len(self.merges):
            raise InputError("There are no edits to learn from.", "Choose another history.")

    @property
    def edits(self) -> NDArray[np.int64]:
        """Both together."""
        return np.asarray(self.merges + self.splits)

    @property
    def merge_share(self) -> float:
        """Share of merges among edits."""
        return float(self.merges.sum() / max(1, self.edits.sum()))

    @property
    def tail(self) -> Tail:
        """The objects beyond the 95th percentile."""
        edits = self.edits
        threshold = float(np.percentile(edits, TAIL_PERCENTILE))
        beyond = edits > threshold
        return Tail(threshold, int(beyond.sum()), float(edits[beyond].sum() / max(1, edits.sum())))

    def interval(
        self,
        measure: Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]],
        seed: int = 0,
    ) -> Interval:
        """Return a function of the mean merges and splits of an object, with its interval.

        Parameters
        ----------
        measure : callable
            Takes and returns arrays of one shape.
        """
        merges, splits = _means(self, seed)
        drawn = measure(merges, splits)
        value = measure(np.array([self.merges.mean()]), np.array([self.splits.mean()]))
        low, high = np.percentile(drawn, [2.5, 97.5])
        return Interval(float(value[0]), float(low), float(high))


@dataclass(frozen=True)
class CostModel:
    """What an edit takes and an hour costs.

    Parameters
    ----------
    merge_seconds, split_seconds : float
        The published ones by default, of a language model on a GPU.
    hourly_rate : float
        Price of an hour.
    """

    merge_seconds: float = 2.5
    split_seconds: float = 1.5
    hourly_rate: float = 2.0

    def hours(
        self, merges: float | NDArray[np.float64], splits: float | NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return the hours of so many edits."""
        seconds = np.multiply(merges, self.merge_seconds) + np.multiply(splits, self.split_seconds)
        return np.asarray(seconds / 3600.0, np.float64)

    def money(
        self, merges: float | NDArray[np.float64], splits: float | NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return what so many edits cost."""
        return np.asarray(self.hours(merges, splits) * self.hourly_rate)


@dataclass(frozen=True)
class SampleSize:
    """What a smaller sample would have said.

    Parameters
    ----------
    objects : int
        Its size.
    mean : Interval
        Mean edits of an object, over samples of this size.
    off : float
        Half the interval's width, as a share of the mean of all.
    enough : bool
        Whether that is at most a tenth.
    """

    objects: int
    mean: Interval
    off: float
    enough: bool


def sample_sizes(counts: EditCounts, seed: int = 0) -> list[SampleSize]:
    """Tell how well a tenth, a fifth, a half and all of the objects know the mean."""
    edits, rng = counts.edits, np.random.default_rng(seed)
    mean = float(edits.mean())
    found = []
    for size in sorted({max(1, round(len(edits) * share)) for share in (0.1, 0.2, 0.5, 1.0)}):
        drawn = _drawn_means(edits, size, rng)
        low, high = (float(each) for each in np.percentile(drawn, [2.5, 97.5]))
        off = (high - low) / 2 / mean if mean else 0.0
        found.append(SampleSize(size, Interval(mean, low, high), off, off <= ENOUGH))
    return found


def edits_of_objects(operations: Iterable[Operation]) -> EditCounts:
    """Return the edits in the past of every object that a history ends with.

    An edit counts for each object that came out of it, as the change log of that object
    would tell. Pieces that were cut off and never touched again count as objects too, so
    the objects are those with at least one edit.
    """
    every = list(operations)
    made_by: dict[int, list[int]] = defaultdict(list)
    for number, operation in enumerate(every):
        for root in operation.after_roots:
            made_by[root].append(number)
    replaced = {root for operation in every for root in operation.before_roots}
    totals = [_past(every, made_by, root) for root in sorted(set(made_by) - replaced)]
    pairs = np.array(totals, np.int64).reshape(-1, 2)
    return EditCounts(pairs[:, 0], pairs[:, 1])


def _past(every: list[Operation], made_by: dict[int, list[int]], root: int) -> tuple[int, int]:
    seen: set[int] = set()
    waiting = [root]
    while waiting:
        for number in made_by.get(waiting.pop(), ()):
            if number not in seen:
                seen.add(number)
                waiting += every[number].before_roots
    merges = sum(every[number].is_merge for number in seen)
    return merges, len(seen) - merges


def _means(counts: EditCounts, seed: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    # The same seed draws the same objects for both.
    merges, splits = (
        _drawn_means(values, len(values), np.random.default_rng(seed))
        for values in (counts.merges, counts.splits)
    )
    return merges, splits


def _drawn_means(
    values: NDArray[np.int64], size: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    at_once = max(1, _MOST_OF_A_DRAW // size)
    parts = []
    for begin in range(0, _DRAWS, at_once):
        draws = min(at_once, _DRAWS - begin)
        parts.append(values[rng.integers(0, len(values), (draws, size))].mean(axis=1))
    return np.concatenate(parts)
