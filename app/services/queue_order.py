"""Rows in sorted order, kept sorted while some of them change."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from app.services.queue_columns import Rows
from proofreading.columns import Columns

__all__ = ["RowOrder", "beside", "keys_of"]

_ROW_BITS = np.uint64(29)
"""A key is a number whose lowest bits are its row: half a billion rows, no two keys alike."""
_ROW_MASK = np.uint64((1 << 29) - 1)
_NONE = np.uint64(2**64 - 1)
_SIGN = np.uint32(1 << 31)
_SORTED_ANEW = 16
"""From one part in so many changed on, sorting all is quicker than moving each."""


def keys_of(
    groups: NDArray[np.uint8], worth: NDArray[np.float64], rows: Rows
) -> NDArray[np.uint64]:
    """Return keys that sort by group (0 to 7, least first), worth (greatest first) and row.

    Worth counts in single precision; NaN comes last.
    """
    bits = np.where(np.isnan(worth), -np.inf, worth).astype(np.float32).view(np.uint32)
    # The bits of floats sort as whole numbers do once negative ones are turned around.
    rising = np.where(bits & _SIGN, ~bits, bits | _SIGN)
    key = groups.astype(np.uint64) << np.uint64(32) | (~rising).astype(np.uint64)
    return key << _ROW_BITS | rows.astype(np.uint64)


def beside(keys: NDArray[np.uint64], rows: Rows) -> NDArray[np.uint64]:
    """Return keys for rows that come right before or after those with these keys."""
    return np.asarray(keys & ~_ROW_MASK | rows.astype(np.uint64))


class RowOrder:
    """Rows by their keys. Changes are gathered until somebody reads."""

    def __init__(self) -> None:
        self._sorted = np.empty(0, np.uint64)
        self._keys = Columns({"key": np.uint64, "listed": np.uint64, "wanted": np.uint64})
        self._waiting: list[Rows] = []
        self._anew = False

    def __len__(self) -> int:
        self._settle()
        return self._sorted.size

    def put(self, rows: Rows, keys: NDArray[np.uint64], listed: NDArray[np.bool_]) -> None:
        """Give rows other keys, or take those out that are not listed."""
        if not rows.size:
            return
        missing = int(rows.max()) + 1 - len(self._keys)
        if missing > 0:
            self._keys.extend(missing, {"key": _NONE, "listed": _NONE, "wanted": _NONE})
        self._keys["key"][rows] = keys
        self._keys["wanted"][rows] = np.where(listed, keys, _NONE)
        self._waiting.append(rows)

    def put_all(self, keys: NDArray[np.uint64], listed: NDArray[np.bool_]) -> None:
        """Give every row that there is another key."""
        self._keys["key"][:] = keys
        self.list_only(listed)

    def list_only(self, listed: NDArray[np.bool_]) -> None:
        """List these of all rows, by the keys that they have."""
        self._keys["wanted"][:] = np.where(listed, self._keys["key"], _NONE)
        self._waiting, self._anew = [], True

    def at(self, place: int) -> int:
        """Return the row at a place."""
        self._settle()
        return int(self._sorted[place] & _ROW_MASK)

    def between(self, begin: int, end: int) -> Rows:
        """Return the rows from one place to before another."""
        self._settle()
        return (self._sorted[begin:end] & _ROW_MASK).astype(np.int32)

    def keys(self, rows: Rows) -> NDArray[np.uint64]:
        """Return the keys of listed rows."""
        self._settle()
        return np.asarray(self._keys["listed"][rows])

    def place(self, row: int) -> int | None:
        """Return the place of a row, None where it is not listed."""
        self._settle()
        if not 0 <= row < len(self._keys):
            return None
        key = self._keys["listed"][row]
        return None if key == _NONE else int(self._sorted.searchsorted(key))

    def _settle(self) -> None:
        if not self._waiting and not self._anew:
            return
        waiting, self._waiting = self._waiting, []
        listed, wanted = self._keys["listed"], self._keys["wanted"]
        changed = sum(rows.size for rows in waiting)
        if self._anew or changed * _SORTED_ANEW > self._sorted.size:
            self._anew = False
            listed[:] = wanted
            self._sorted = np.sort(listed[listed != _NONE])
            return
        rows = np.concatenate(waiting) if len(waiting) > 1 else waiting[0]
        rows = np.unique(rows)
        before, after = listed[rows], wanted[rows]
        listed[rows] = after
        gone = before[(before != after) & (before != _NONE)]
        come = np.sort(after[(before != after) & (after != _NONE)])
        kept = np.delete(self._sorted, self._sorted.searchsorted(gone))
        self._sorted = np.insert(kept, kept.searchsorted(come), come)
