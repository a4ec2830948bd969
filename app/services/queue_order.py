"""Rows in sorted order, kept sorted while a few of them change."""

from __future__ import annotations

from bisect import bisect_left, insort

__all__ = ["Key", "RowOrder"]

Key = tuple[bool, bool, bool, float, str]
"""What rows are sorted by; the last part is the site's id."""

FEW = 64
"""Up to so many changes are put in their places one by one; more are sorted at once."""


class RowOrder:
    """Site ids by their keys. Changes are gathered until somebody reads."""

    def __init__(self) -> None:
        self._sorted: list[Key] = []
        self._keys: dict[str, Key] = {}
        self._waiting: dict[str, Key | None] = {}

    def __len__(self) -> int:
        self._settle()
        return len(self._sorted)

    def put(self, site_id: str, key: Key | None) -> None:
        """Give a row another key, or take it out (None)."""
        self._waiting[site_id] = key

    def at(self, place: int) -> str:
        """Return the id at a place."""
        self._settle()
        return self._sorted[place][-1]

    def place(self, site_id: str | None) -> int | None:
        """Return the place of an id, None where it is not listed."""
        self._settle()
        key = self._keys.get(site_id) if site_id is not None else None
        return None if key is None else bisect_left(self._sorted, key)

    def clear(self) -> None:
        """Take everything out."""
        self._sorted, self._keys, self._waiting = [], {}, {}

    def _settle(self) -> None:
        if not self._waiting:
            return
        waiting, self._waiting = self._waiting, {}
        if len(waiting) <= FEW:
            for site_id, key in waiting.items():
                self._move(site_id, key)
            return
        for site_id in waiting:
            self._keys.pop(site_id, None)
        coming = {site_id: key for site_id, key in waiting.items() if key is not None}
        self._keys.update(coming)
        # Two sorted runs, which sorting merges in one pass.
        kept = [key for key in self._sorted if key[-1] not in waiting]
        self._sorted = sorted(kept + sorted(coming.values()))

    def _move(self, site_id: str, key: Key | None) -> None:
        old = self._keys.pop(site_id, None)
        if old is not None:
            del self._sorted[bisect_left(self._sorted, old)]
        if key is not None:
            self._keys[site_id] = key
            insort(self._sorted, key)
