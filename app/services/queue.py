"""The order in which sites are offered.

Rows are kept by site id and sorted when asked for, not on every change: while sites
stream in, thousands of changes become one sort.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from app.services.model import QueueRow
from proofreading.decisions import Answer
from proofreading.sites import Site

__all__ = ["Queue", "row_of"]


def row_of(site: Site) -> QueueRow:
    """Return the row of a site without verdict and answer."""
    return QueueRow(
        site_id=site.id,
        kind=site.kind,
        root=site.root,
        partner_root=site.partners[0].root if site.partners else None,
        probability=None,
        answer=None,
        failed=False,
        at_volume_face=site.at_volume_face,
    )


def _key(row: QueueRow) -> tuple[bool, bool, bool, float, str]:
    """Open before answered, questions with an answerable pair first, then by probability."""
    return (
        row.answer is not None,
        row.partner_root is None,
        row.at_volume_face,
        -(row.probability if row.probability is not None else -1.0),
        row.site_id,
    )


class Queue:
    """Rows in the order of work: most probable open site first, answered ones last."""

    def __init__(self) -> None:
        self._rows: dict[str, QueueRow] = {}
        self._order: list[str] = []
        self._places: dict[str, int] = {}
        self._filter = ""
        self._stale = False
        self.generation = 0

    def __len__(self) -> int:
        self._sort()
        return len(self._order)

    @property
    def total(self) -> int:
        """Number of rows, hidden ones included."""
        return len(self._rows)

    def row(self, index: int) -> QueueRow:
        """Return the row at a place in the present order."""
        self._sort()
        return self._rows[self._order[index]]

    def get(self, site_id: str) -> QueueRow | None:
        """Return the row of a site, hidden or not."""
        return self._rows.get(site_id)

    def index_of(self, site_id: str) -> int | None:
        """Return the place of a site, None if it is hidden or unknown."""
        self._sort()
        return self._places.get(site_id)

    def set_filter(self, text: str) -> None:
        """Show only rows that match every word: part of an id, a kind, an answer, ``>0.8``."""
        self._filter = text.strip().lower()
        self._touch()

    def add(self, rows: Iterable[QueueRow]) -> None:
        """Add or replace rows."""
        for row in rows:
            self._rows[row.site_id] = row
        self._touch()

    def set_score(self, site_id: str, probability: float | None, *, failed: bool) -> None:
        """Note the newest score of a site."""
        row = self._rows.get(site_id)
        if row is not None:
            self._rows[site_id] = replace(row, probability=probability, failed=failed)
            self._touch()

    def set_partner(self, site_id: str, root: int | None) -> None:
        """Note which partner stands in a site's row."""
        row = self._rows.get(site_id)
        if row is not None and root is not None and row.partner_root != root:
            self._rows[site_id] = replace(row, partner_root=root)
            self._touch()

    def set_answer(self, site_id: str, answer: Answer | None) -> None:
        """Note the present answer of a site."""
        row = self._rows.get(site_id)
        if row is not None and row.answer is not answer:
            self._rows[site_id] = replace(row, answer=answer)
            self._touch()

    def next_open(self, after: str | None, count: int = 1) -> list[str]:
        """Return up to ``count`` open sites that follow one in the order, without wrapping."""
        self._sort()
        place = self._places.get(after, -1) if after is not None else -1
        if after is not None and place >= 0 and self._rows[after].answer is not None:
            place = -1  # An answered site has moved to the end; what follows it starts anew.
        found: list[str] = []
        for site_id in self._order[place + 1 :]:
            if self._rows[site_id].answer is None:
                found.append(site_id)
                if len(found) == count:
                    break
        return found

    def neighbour(self, site_id: str | None, step: int) -> str | None:
        """Return the site one row up or down, None at the ends."""
        self._sort()
        if not self._order:
            return None
        place = self._places.get(site_id) if site_id is not None else None
        target = 0 if place is None else place + step
        return self._order[target] if 0 <= target < len(self._order) else None

    def _touch(self) -> None:
        self._stale = True
        self.generation += 1

    def _sort(self) -> None:
        if not self._stale:
            return
        rows = [row for row in self._rows.values() if _matches(row, self._filter)]
        rows.sort(key=_key)
        self._order = [row.site_id for row in rows]
        self._places = {site_id: place for place, site_id in enumerate(self._order)}
        self._stale = False


def _matches(row: QueueRow, text: str) -> bool:
    return all(_matches_word(row, word) for word in text.split())


def _matches_word(row: QueueRow, word: str) -> bool:
    if word[0] in "<>":
        try:
            limit = float(word[1:])
        except ValueError:
            return True  # A number that is still being typed hides nothing.
        if row.probability is None:
            return False
        return row.probability > limit if word[0] == ">" else row.probability < limit
    words = [row.kind.value, row.site_id, str(row.root), str(row.partner_root or "")]
    words.append(row.answer.value if row.answer is not None else "open")
    if row.failed:
        words.append("failed")
    return any(word in candidate for candidate in words)
