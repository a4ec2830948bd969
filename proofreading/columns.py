"""Columns of numbers that grow together, for tables of millions of rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

__all__ = ["Columns"]

_FIRST = 1024


class Columns:
    """Named arrays of one length; growing doubles them, so a row costs the same however many.

    Parameters
    ----------
    fields : mapping
        Name to type of each column.
    """

    def __init__(self, fields: Mapping[str, DTypeLike]) -> None:
        self._arrays = {name: np.zeros(_FIRST, kind) for name, kind in fields.items()}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, name: str) -> NDArray[Any]:
        """Return a column as a view that may be written to; it ends where the rows end now."""
        return self._arrays[name][: self._count]

    def extend(self, count: int, values: Mapping[str, Any]) -> NDArray[np.int32]:
        """Add rows and return their numbers; a column without a value is zero."""
        begin, end = self._count, self._count + count
        if end > len(next(iter(self._arrays.values()))):
            self._grow(end)
        self._count = end
        for name, value in values.items():
            self._arrays[name][begin:end] = value
        return np.arange(begin, end, dtype=np.int32)

    def _grow(self, needed: int) -> None:
        for name, old in self._arrays.items():
            grown = np.zeros(max(needed, 2 * len(old)), old.dtype)
            grown[: self._count] = old[: self._count]
            self._arrays[name] = grown
