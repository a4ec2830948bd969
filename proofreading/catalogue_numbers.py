"""Where sites stand in a catalogue, by their ids, which lie anywhere.

An index in the database would have every new site write a page of its own, and cost more the
more there are. This one is made of the runs of ids that the catalogue keeps anyway: a million
take a tenth of a second once, and adding to it costs the same however many there are.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from proofreading.row_index import ABSENT, RowIndex
from proofreading.site_columns import SiteColumns, number_of

__all__ = ["SiteNumbers"]


class SiteNumbers:
    """Finds the place of a site, 1 for the first that was found and 0 for an unknown one.

    Other processes add sites too: what is not known is looked for in what they added.
    """

    def __init__(self) -> None:
        self._index = RowIndex()
        self._last = 0

    def of(self, db: sqlite3.Connection, site_id: str) -> int:
        """Return the place of one site."""
        number = number_of(site_id)
        if number is None:
            return 0
        found = self._index.row(number)
        if found < 0 and self._more(db):
            found = self._index.row(number)
        return found + 1

    def of_all(self, db: sqlite3.Connection, site_ids: Sequence[str]) -> NDArray[np.int32]:
        """Return the place of each of several sites."""
        numbers = [number_of(site_id) for site_id in site_ids]
        wanted = np.array([number or 0 for number in numbers], np.uint64)
        found = self._index.rows(wanted)
        if (found < 0).any() and self._more(db):
            found = self._index.rows(wanted)
        found[[number is None for number in numbers]] = ABSENT
        return found + 1

    def _more(self, db: sqlite3.Connection) -> bool:
        """Take in the runs that came since; tell whether there were any."""
        rows = db.execute(
            "SELECT count, packed FROM runs WHERE first > ? ORDER BY first", (self._last,)
        ).fetchall()
        if not rows:
            return False
        numbers = [SiteColumns.unpack(packed, count).sites["number"] for count, packed in rows]
        self.take(self._last, np.concatenate(numbers))
        return True

    def take(self, after: int, numbers: NDArray[np.uint64]) -> None:
        """Take in the ids of sites that follow a place, if that is how far they are known."""
        if after == self._last:
            places = np.arange(after, after + numbers.size, dtype=np.int32)
            self._index.add(numbers, places)
            self._last += numbers.size
