"""The order in which questions are offered, and which of them are shown.

A question is a pair of present roots: sites that name the same pair are shown once, at the
site that speaks for it best. Improbable ones stay out of sight until they are asked for.
What a person answered, and the site on the screen, are always shown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from enum import StrEnum

from app.services.model import QueueRow
from app.services.queue_filter import RowFilter
from app.services.queue_order import Key, RowOrder
from proofreading.decisions import Answer
from proofreading.sites import Site

__all__ = ["Queue", "Sight", "row_of"]

Pair = tuple[int, int]


class Sight(StrEnum):
    """Whether a row is shown, and why not."""

    SHOWN = "shown"
    LOW = "low"
    """Less probable than the person's limit."""
    SAME = "same"
    """Another site asks the same question."""
    JOINED = "joined"
    """An edit has made the two segments one."""


_ASIDE = (Sight.SAME, Sight.JOINED)


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


def _key(row: QueueRow) -> Key:
    """Open before answered, questions with an answerable pair first, then by probability."""
    return (
        row.answer is not None,
        row.partner_root is None,
        row.at_volume_face,
        -(row.probability if row.probability is not None else -1.0),
        row.site_id,
    )


def _pair(row: QueueRow) -> Pair | None:
    """Return the two segments of a row's question; None where it is about one place only."""
    if row.partner_root is None or row.partner_root == row.root:
        return None
    return min(row.root, row.partner_root), max(row.root, row.partner_root)


def _standing(row: QueueRow) -> tuple[bool, bool, bool, float, str]:
    """Rank the sites of one question: answered by a person, answered, then the most probable."""
    probability = row.probability if row.probability is not None else -1.0
    return row.answer is None, row.follows, row.at_volume_face, -probability, row.site_id


class Queue:
    """Rows in the order of work: most probable open question first, answered ones last."""

    def __init__(self) -> None:
        self._rows: dict[str, QueueRow] = {}
        self._questions: dict[Pair, dict[str, None]] = {}
        self._first: dict[Pair, str] = {}
        self._sights: dict[str, Sight] = {}
        self._counts: Counter[Sight] = Counter()
        self._answered: set[str] = set()
        self._order = RowOrder()
        self._filter = RowFilter("")
        self._limit = 0.0
        self._focus: str | None = None
        self._aside: dict[str, bool] = {}
        self.veils: Callable[[str], bool] = lambda _site_id: False
        """Tells whether a site's probability is kept from the person for now."""

    def __len__(self) -> int:
        return len(self._order)

    @property
    def total(self) -> int:
        """Number of sites, whether shown or not."""
        return len(self._rows)

    @property
    def questions(self) -> int:
        """Number of questions that are shown without a filter."""
        return self._counts[Sight.SHOWN]

    @property
    def answered(self) -> int:
        """Number of shown questions with an answer."""
        return len(self._answered)

    def count(self, sight: Sight) -> int:
        """Return how many sites are shown, or not shown for one reason."""
        return self._counts[sight]

    def row(self, index: int) -> QueueRow:
        """Return the row at a place in the present order."""
        row = self._rows[self._order.at(index)]
        return replace(row, probability=None) if self.veils(row.site_id) else row

    def get(self, site_id: str) -> QueueRow | None:
        """Return the row of a site, shown or not."""
        return self._rows.get(site_id)

    def index_of(self, site_id: str) -> int | None:
        """Return the place of a site, None if it is not shown or unknown."""
        return self._order.place(site_id)

    def sites_of(self, pair: Iterable[int]) -> list[str]:
        """Return the sites that ask about two roots, in either order."""
        low, high = sorted(pair)
        return list(self._questions.get((low, high), ()))

    def roots(self) -> set[int]:
        """Return every root that a question names."""
        named = {root for row in self._rows.values() for root in (row.root, row.partner_root)}
        return {root for root in named if root is not None}

    def naming(self, roots: Iterable[int]) -> list[str]:
        """Return the sites whose question names one of these roots."""
        wanted = set(roots)
        return [r.site_id for r in self._rows.values() if {r.root, r.partner_root} & wanted]

    def set_filter(self, text: str) -> None:
        """Show only rows that match every word: part of an id, a kind, an answer, ``>0.8``.

        With ``<0.1`` the improbable ones are looked through, too.
        """
        self._filter = RowFilter(text)
        self._see_all()

    def hide_below(self, limit: float) -> None:
        """Show no open question that is less probable than this; 0 shows all."""
        if limit != self._limit:
            self._limit = limit
            self._see_all()

    def set_focus(self, site_id: str | None) -> None:
        """Show this site whatever it is, as long as it is on the screen."""
        before, self._focus = self._focus, site_id
        for each in {before, site_id}:
            if each in self._rows:
                self._see(self._rows[each])

    def add(self, rows: Iterable[QueueRow]) -> None:
        """Add or replace rows."""
        for row in rows:
            self._put(row)

    def set_score(self, site_id: str, probability: float | None, *, failed: bool) -> None:
        """Note the newest score of a site."""
        row = self._rows.get(site_id)
        if row is not None:
            self._put(replace(row, probability=probability, failed=failed))

    def set_pair(self, site_id: str, root: int, partner_root: int | None) -> None:
        """Note which two segments a site asks about now."""
        row = self._rows.get(site_id)
        if row is not None and (row.root, row.partner_root) != (root, partner_root):
            self._put(replace(row, root=root, partner_root=partner_root))

    def set_answer(self, site_id: str, answer: Answer | None, *, follows: bool = False) -> None:
        """Note the present answer of a site; `follows` if it was given at another one."""
        row = self._rows.get(site_id)
        if row is not None and (row.answer, row.follows) != (answer, follows):
            self._put(replace(row, answer=answer, follows=follows))

    def drain_aside(self) -> dict[str, bool]:
        """Return which sites began (True) or ceased to be set aside since the last call.

        Set aside are those that ask nothing of their own: the same as another, or joined.
        """
        drained, self._aside = self._aside, {}
        return drained

    def next_open(self, after: str | None, count: int = 1) -> list[str]:
        """Return up to ``count`` open sites that follow one in the order, without wrapping."""
        place = self._order.place(after)
        if place is None or (after is not None and self._rows[after].answer is not None):
            place = -1  # An answered site has moved to the end; what follows it starts anew.
        found: list[str] = []
        for index in range(place + 1, len(self._order)):
            row = self.row(index)
            if row.answer is not None or len(found) == count:
                break  # Answered ones come last.
            found.append(row.site_id)
        return found

    def neighbour(self, site_id: str | None, step: int) -> str | None:
        """Return the site one row up or down, None at the ends."""
        if not len(self._order):
            return None
        place = self._order.place(site_id)
        target = 0 if place is None else place + step
        return self._order.at(target) if 0 <= target < len(self._order) else None

    # ---- one row -------------------------------------------------------------------

    def _put(self, row: QueueRow) -> None:
        old = self._rows.get(row.site_id)
        before, after = _pair(old) if old is not None else None, _pair(row)
        self._rows[row.site_id] = row
        if before is not None and before != after:
            self._leave(row.site_id, before)
        if after is None:
            self._see(row)
        else:
            self._questions.setdefault(after, {})[row.site_id] = None
            self._see_question(after, row)

    def _leave(self, site_id: str, pair: Pair) -> None:
        sites = self._questions[pair]
        del sites[site_id]
        if sites:
            self._see_question(pair, self._rows[next(iter(sites))])
        else:
            del self._questions[pair], self._first[pair]

    def _see_question(self, pair: Pair, changed: QueueRow) -> None:
        sites = self._questions[pair]
        before = self._first.get(pair)
        first = min(sites, key=lambda each: _standing(self._rows[each]))
        self._first[pair] = first
        for site_id in {before, first, changed.site_id}:
            if site_id is not None and site_id in sites:
                self._see(self._rows[site_id])

    def _see_all(self) -> None:
        self._order.clear()
        for row in self._rows.values():
            self._see(row)

    def _see(self, row: QueueRow) -> None:
        """Work out whether a row is shown, and where."""
        sight, site_id = self._sight(row), row.site_id
        before = self._sights.get(site_id)
        if before is not None:
            self._counts[before] -= 1
        self._counts[sight] += 1
        self._sights[site_id] = sight
        if (before in _ASIDE) != (sight in _ASIDE):
            self._aside[site_id] = sight in _ASIDE
        shown = sight is Sight.SHOWN
        if shown and row.answer is not None:
            self._answered.add(site_id)
        else:
            self._answered.discard(site_id)
        sought = shown or (sight is Sight.LOW and self._filter.looks_low)
        listed = sought and self._filter.takes(row)
        self._order.put(site_id, _key(row) if listed else None)

    def _sight(self, row: QueueRow) -> Sight:
        own_answer = row.answer is not None and not row.follows
        if row.site_id == self._focus or own_answer:
            return Sight.SHOWN
        pair = _pair(row)
        if pair is None:
            if row.partner_root is not None:
                return Sight.JOINED
        elif self._first[pair] != row.site_id:
            return Sight.SAME
        low = row.probability is not None and row.probability < self._limit
        return Sight.LOW if low and not row.failed and row.answer is None else Sight.SHOWN
