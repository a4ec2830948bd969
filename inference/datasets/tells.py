"""Pixels and simple statistics that give the answer away.

A seam that only one class has, a border, a constant channel: a model finds them at once
and learns nothing else. Every pixel, line and statistic is tried alone. What separates the
classes best on one half of the pictures is measured on the other half, so that a tell is
not found by trying many.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference.evaluation.metrics import area_under_curve

__all__ = ["Tell", "find_tell", "statistics"]

_BINS = 8
_CANDIDATES = 64
_FEWEST = 20
Values = NDArray[np.float64]
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Tell:
    """The one number that separates the classes best.

    Parameters
    ----------
    name : str
        Which number: ``pixel (channel, y, x)``, ``row (channel, y)``, ``mean of channel c`` …
    auc : float
        Area under the ROC curve on pictures that did not choose it, the lower of two halves.
    """

    name: str
    auc: float


def find_tell(pictures: NDArray[Any], labels: NDArray[np.bool_], seed: int = 0) -> Tell | None:
    """Return what separates the classes best, None with fewer than 20 pictures of either.

    Parameters
    ----------
    pictures : ndarray, shape (n, ..., height, width)
        The axes between are channels.
    labels : ndarray of bool, shape (n,)
        The answers.
    """
    channels = pictures.reshape(len(pictures), -1, *pictures.shape[-2:])
    if min(int(labels.sum()), int((~labels).sum())) < _FEWEST:
        return None
    numbers, names = statistics(channels)
    pixels = channels.reshape(len(channels), -1)
    halves = _halves(labels, seed)
    place, auc = _crossed(pixels, labels, halves)
    where = tuple(int(i) for i in np.unravel_index(place, channels.shape[1:]))
    column, other = _crossed(numbers, labels, halves)
    return max(Tell(f"pixel {where}", auc), Tell(names[column], other), key=lambda t: t.auc)


def statistics(channels: NDArray[Any]) -> tuple[Values, list[str]]:
    """Return simple numbers of each picture and their names.

    Parameters
    ----------
    channels : ndarray, shape (n, channels, height, width)

    Returns
    -------
    values : ndarray, shape (n, k)
        Of each channel: mean, deviation, extremes, share and parity of voxels above 0,
        number of values, the four borders, and the mean of each row and column.
    names : list of str
        Length k.
    """
    n, count = channels.shape[:2]
    values = channels.astype(np.float64)
    above = (channels > 0).sum(axis=(2, 3))
    each: list[tuple[str, Values]] = [
        ("mean", values.mean(axis=(2, 3))),
        ("deviation", values.std(axis=(2, 3))),
        ("lowest value", values.min(axis=(2, 3))),
        ("highest value", values.max(axis=(2, 3))),
        ("pixels above 0", above.astype(np.float64)),
        ("parity of pixels above 0", (above % 2).astype(np.float64)),
        ("number of values", _distinct(channels)),
        ("border", _border(values)),
    ]
    columns = [part for _, part in each]
    names = [f"{name} of channel {c}" for name, _ in each for c in range(count)]
    for axis, word in ((3, "row"), (2, "column")):
        lines = values.mean(axis=axis)
        columns.append(lines.reshape(n, -1))
        names += [f"{word} {(c, i)}" for c in range(count) for i in range(lines.shape[2])]
    return np.concatenate(columns, axis=1), names


def _distinct(channels: NDArray[Any]) -> Values:
    flat = np.sort(channels.reshape(*channels.shape[:2], -1), axis=2)
    return np.asarray((flat[..., 1:] != flat[..., :-1]).sum(axis=2) + 1.0, np.float64)


def _border(values: Values) -> Values:
    edges: Sequence[Values] = (
        values[:, :, 0],
        values[:, :, -1],
        values[:, :, :, 0],
        values[:, :, :, -1],
    )
    return np.asarray(np.concatenate(edges, axis=2).mean(axis=2))


def _halves(labels: NDArray[np.bool_], seed: int) -> tuple[Rows, Rows]:
    """Return two halves with equal shares of both classes."""
    rng = np.random.default_rng(seed)
    orders = [rng.permutation(np.flatnonzero(labels == answer)) for answer in (False, True)]
    first = np.concatenate([order[::2] for order in orders])
    second = np.concatenate([order[1::2] for order in orders])
    return np.sort(first), np.sort(second)


def _crossed(
    columns: NDArray[Any], labels: NDArray[np.bool_], halves: tuple[Rows, Rows]
) -> tuple[int, float]:
    """Return the column chosen on the first half, and the AUC that holds in both directions."""
    (place, one), (_, other) = (
        _best(columns, labels, chosen, tested) for chosen, tested in (halves, halves[::-1])
    )
    return place, min(one, other)


def _best(
    columns: NDArray[Any], labels: NDArray[np.bool_], chosen: Rows, tested: Rows
) -> tuple[int, float]:
    """Choose the best column on one half; return it and its AUC on the other."""
    candidates = _promising(columns[chosen], labels[chosen])
    scores = [_auc_of(columns[:, c], labels, chosen, chosen) for c in candidates]
    place = int(candidates[int(np.argmax(scores))])
    return place, _auc_of(columns[:, place], labels, chosen, tested)


def _promising(columns: NDArray[Any], labels: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the columns in which the classes differ most in mean or in spread."""
    one, other = columns[labels].astype(np.float32), columns[~labels].astype(np.float32)
    spread = np.sqrt(one.var(axis=0) + other.var(axis=0)) + 1e-6
    apart = np.abs(one.mean(axis=0) - other.mean(axis=0)) / spread
    uneven = np.abs(np.log((one.std(axis=0) + 1e-3) / (other.std(axis=0) + 1e-3)))
    picked = [np.argsort(-score, kind="stable")[:_CANDIDATES] for score in (apart, uneven)]
    return np.unique(np.concatenate(picked)).astype(np.int64)


def _auc_of(column: NDArray[Any], labels: NDArray[np.bool_], fitted: Rows, tested: Rows) -> float:
    """Return the AUC of one number, scored by the share of yes among alike values."""
    edges = np.unique(np.quantile(column[fitted], np.linspace(0, 1, _BINS + 1)[1:]))
    cells = np.searchsorted(edges, column, side="left")
    total = np.bincount(cells[fitted], minlength=len(edges) + 1)
    yes = np.bincount(cells[fitted], weights=labels[fitted], minlength=len(edges) + 1)
    share = (yes + 0.5) / (total + 1.0)
    return area_under_curve(share[cells[tested]], labels[tested])
