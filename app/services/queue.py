"""The order in which questions are offered, and which of them are shown.

A question is a pair of present roots: sites that name the same pair are shown once, at the
site that speaks for it best. Improbable ones stay out of sight until they are asked for.
What a person answered, and the site on the screen, are always shown.

Rows are columns, and every change is made to as many of them at once as come together: a
million sites open in a second, and what a further one costs does not grow with their number.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.services.model import QueueRow
from app.services.queue_columns import Rows, code_of, new_table, row_at, values_of
from app.services.queue_filter import RowFilter
from app.services.queue_order import RowOrder, beside, keys_of
from app.services.queue_questions import Questions, distinct
from app.services.queue_view import LANES, QueueOrder, QueueView, lanes_of, walk_along, worth_of
from proofreading.decisions import Answer
from proofreading.row_index import ABSENT, RowIndex
from proofreading.site_columns import number_of
from proofreading.sites import Site
from proofreading.triage import Lane

__all__ = ["Queue", "Sight", "row_of"]


class Sight(StrEnum):
    """Whether a row is shown, and why not."""

    SHOWN = "shown"
    LOW = "low"
    """Less probable than the person's limit."""
    SAME = "same"
    """Another site asks the same question."""
    JOINED = "joined"
    """An edit has made the two segments one, or there is no object any more."""


# Shown rows with an answer have a code, and so a count, of their own.
_NEW, _SHOWN, _ANSWERED, _LOW, _SAME, _JOINED = range(6)
_NEW_ROW = {"question": ABSENT, "next": ABSENT, "spread": np.nan}
_AUTOMATIC = 1 + LANES.index(Lane.AUTOMATIC)
_BY_PLACE = (QueueOrder.NEAR, QueueOrder.NEURON, QueueOrder.RANDOM)
"""Orders in which what a site is counts for nothing."""
_CODES = {Sight.SHOWN: _SHOWN, Sight.LOW: _LOW, Sight.SAME: _SAME, Sight.JOINED: _JOINED}


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
        value=site.partners[0].contact_area_nm2 if site.partners else math.pi * site.radius_nm**2,
        point_nm=site.point_nm,
    )


class Queue:
    """Rows in the order of work: most probable open question first, answered ones last."""

    def __init__(self) -> None:
        self._table = new_table()
        self._index = RowIndex()
        self._questions = Questions(self._table)
        self._order = RowOrder()
        self._filter = RowFilter("")
        self._counts = np.zeros(len(_CODES) + 2, np.int64)
        self._in_lane = np.zeros(len(LANES) + 1, np.int64)
        self.view = QueueView()
        self._limit = 0.0
        self._focus: int | None = None
        self._untold: list[Rows] = []
        self._joined: list[Rows] = []
        self.veils: Callable[[str], bool] = lambda _site_id: False
        """Tells whether a site's probability is kept from the person for now."""

    def like(self) -> Queue:
        """Return a queue without rows that looks at them as this one does."""
        other = Queue()
        other.view, other._limit, other._filter = self.view, self._limit, self._filter
        return other

    def adopt(self, filled: Queue) -> None:
        """Take over the rows of another queue, which must not be used any more.

        What this one has been told before about how to look at rows goes on to hold.
        """
        held = ("_table", "_index", "_questions", "_order", "_counts", "_in_lane", "_joined")
        for name in held:
            setattr(self, name, getattr(filled, name))
        self._untold += filled._untold
        if (self.view, self._limit) != (filled.view, filled._limit) or self._focus is not None:
            self._see(self._all())
        if self._filter is not filled._filter:
            self._order.list_only(self._listed(self._all()))

    def __len__(self) -> int:
        return len(self._order)

    @property
    def total(self) -> int:
        """Number of sites, whether shown or not."""
        return len(self._table)

    @property
    def questions(self) -> int:
        """Number of questions that are shown without a filter."""
        return self.count(Sight.SHOWN)

    @property
    def answered(self) -> int:
        """Number of shown questions with an answer."""
        return int(self._counts[_ANSWERED])

    def in_lane(self, lane: Lane) -> int:
        """Return how many open questions are in a lane."""
        return int(self._in_lane[1 + LANES.index(lane)])

    def show_view(self, view: QueueView) -> None:
        """Look through these sites in this order."""
        if view == self.view:
            return
        lanes_stay = view.error_rate == self.view.error_rate
        self.view = view
        if view.order is QueueOrder.NEURON and view.along is not None:
            rows, steps = walk_along(self._table, view.along, view.near_nm)
            self._table["step"][:] = 0
            self._table["step"][rows] = steps
        self._table["host"][:] = 0
        rows = self._all()
        if lanes_stay:
            self._order.put_all(self._keys(rows), self._listed(rows))
        else:
            self._see(rows)

    def set_judged(
        self,
        numbers: NDArray[np.uint64],
        unusual: NDArray[np.bool_],
        spread: NDArray[np.float32],
        veiled: NDArray[np.bool_],
        first: NDArray[np.bool_],
    ) -> NDArray[np.bool_]:
        """Note what triage knows of different sites; tell which of them are known here.

        Parameters
        ----------
        unusual : ndarray of bool
            Unlike what the judge was trained on.
        spread : ndarray of float32
            By how much the judges differ; NaN with one judge.
        veiled : ndarray of bool
            The verdict is hidden until the person has answered.
        first : ndarray of bool
            To be asked before all others, however improbable.
        """
        rows = self._index.rows(numbers)
        known: NDArray[np.bool_] = rows != ABSENT
        rows = rows[known]
        values = {"unusual": unusual, "spread": spread, "veiled": veiled, "first": first}
        other = np.zeros(rows.size, np.bool_)
        for name, column in values.items():
            now = column[known]
            # As bits: NaN is like itself.
            other |= _bits(self._table[name][rows]) != _bits(now)
            self._table[name][rows] = now
        self._see(rows[other])
        return known

    def mix_in(self, site_ids: Sequence[str], every: int = 10) -> None:
        """Put open sites among the others: one at a random place in each so many rows.

        They keep these places until the order changes.
        """
        rows = self._index.rows(np.array([int(each, 16) for each in site_ids], np.uint64))
        rows = rows[rows != ABSENT]
        rows = rows[(self._table["answer"][rows] == 0) & (self._table["host"][rows] == 0)]
        others = self._order.between(0, len(self._order))
        others = others[(self._table["answer"][others] == 0) & ~np.isin(others, rows)]
        if not rows.size or not others.size:
            return
        jitter = self._table["number"][rows] % np.uint64(every)
        places = np.minimum(np.arange(rows.size) * every + jitter.astype(int), others.size - 1)
        self._table["host"][rows] = self._order.keys(others[places])
        self._see(rows)

    def count(self, sight: Sight) -> int:
        """Return how many sites are shown, or not shown for one reason."""
        answered = self.answered if sight is Sight.SHOWN else 0
        return int(self._counts[_CODES[sight]]) + answered

    def row(self, index: int) -> QueueRow:
        """Return the row at a place in the present order."""
        row = row_at(self._table, self._order.at(index))
        return replace(row, probability=None) if self.veils(row.site_id) else row

    def get(self, site_id: str) -> QueueRow | None:
        """Return the row of a site, shown or not."""
        row = self._row(site_id)
        return None if row == ABSENT else row_at(self._table, row)

    def index_of(self, site_id: str) -> int | None:
        """Return the place of a site, None if it is not shown or unknown."""
        return self._order.place(self._row(site_id))

    def sites_of(self, pair: Iterable[int]) -> list[str]:
        """Return the sites that ask about two roots, in either order."""
        low, high = sorted(pair)
        return self._ids(self._questions.rows_of(low, high))

    def roots(self) -> list[int]:
        """Return every root that a question names, sorted."""
        named = np.concatenate([self._table["root"], self._table["partner"]])
        named.sort()
        keep = np.ones(named.size, np.bool_)
        keep[1:] = named[1:] != named[:-1]
        roots: list[int] = named[keep & (named != 0)].tolist()
        return roots

    def naming(self, roots: Iterable[int]) -> list[str]:
        """Return the sites whose question names one of these roots."""
        wanted = np.sort(np.fromiter(roots, np.uint64))
        named = _among(self._table["root"], wanted) | _among(self._table["partner"], wanted)
        return self._ids(np.flatnonzero(named).astype(np.int32))

    def matching(self, site_id: str, text: str) -> QueueRow | None:
        """Return the row of a site, shown or not, if it matches what a filter would say."""
        row = np.array([self._row(site_id)], np.int32)
        known = row[0] != ABSENT and RowFilter(text).takes(self._table, row)[0]
        return row_at(self._table, int(row[0])) if known else None

    def set_filter(self, text: str) -> None:
        """Show only rows that match every word, as `RowFilter` understands them.

        With ``<0.1`` the improbable ones are looked through, too.
        """
        self._filter = RowFilter(text)
        self._order.list_only(self._listed(self._all()))

    def hide_below(self, limit: float) -> None:
        """Show no open question that is less probable than this; 0 shows all."""
        if limit != self._limit:
            self._limit = limit
            self._see(self._all())

    def set_focus(self, site_id: str | None) -> None:
        """Show this site whatever it is, as long as it is on the screen."""
        before, self._focus = self._focus, None if site_id is None else int(site_id, 16)
        rows = [self._index.row(n) for n in {before, self._focus} if n is not None]
        self._see(np.array([row for row in rows if row != ABSENT], np.int32))

    def add(self, rows: Iterable[QueueRow]) -> None:
        """Add or replace rows."""
        latest = {row.site_id: row for row in rows}
        if latest:
            self.add_columns(values_of(list(latest.values())))

    def add_columns(self, values: Mapping[str, NDArray[Any]]) -> None:
        """Add or replace rows whose numbers are all different, given as columns."""
        known = self._index.rows(values["number"])
        new, old = known == ABSENT, known[known != ABSENT]
        fresh = {name: column[new] for name, column in values.items()}
        added = self._table.extend(int(new.sum()), fresh | _NEW_ROW)
        self._index.add(fresh["number"], added)
        left = self._questions.leave(old)
        for name, column in values.items():
            self._table[name][old] = column[~new]
        rows = np.concatenate([old, added])
        self._questions.enter(rows)
        self._changed(rows, left)

    def set_score(self, site_id: str, probability: float | None, *, failed: bool) -> None:
        """Note the newest score of a site."""
        chance = float("nan") if probability is None else probability
        numbers = np.array([int(site_id, 16)], np.uint64)
        self.set_scores(numbers, np.array([chance]), np.array([failed]))

    def set_scores(
        self,
        numbers: NDArray[np.uint64],
        probabilities: NDArray[np.float64],
        failed: NDArray[np.bool_],
    ) -> None:
        """Note the newest scores of different sites; NaN where there is no probability."""
        rows = self._index.rows(numbers)
        known = rows != ABSENT
        rows = rows[known]
        self._table["probability"][rows] = probabilities[known]
        self._table["failed"][rows] = failed[known]
        self._changed(rows)

    def set_pair(self, site_id: str, root: int, partner_root: int | None) -> None:
        """Note which two segments a site asks about now."""
        numbers = np.array([int(site_id, 16)], np.uint64)
        partner = np.array([partner_root or 0], np.uint64)
        self.set_pairs(numbers, np.array([root], np.uint64), partner)

    def set_pairs(
        self,
        numbers: NDArray[np.uint64],
        roots: NDArray[np.uint64],
        partners: NDArray[np.uint64],
    ) -> None:
        """Note which segments different sites ask about now; 0 for no partner."""
        rows = self._index.rows(numbers)
        known = np.flatnonzero(rows != ABSENT)
        rows, roots, partners = rows[known], roots[known], partners[known]
        other = (self._table["root"][rows] != roots) | (self._table["partner"][rows] != partners)
        rows, roots, partners = rows[other], roots[other], partners[other]
        left = self._questions.leave(rows)
        self._table["root"][rows], self._table["partner"][rows] = roots, partners
        self._questions.enter(rows)
        self._changed(rows, left)

    def set_answer(self, site_id: str, answer: Answer | None, *, follows: bool = False) -> None:
        """Note the present answer of a site; `follows` if it was given at another one."""
        row = self._row(site_id)
        if row != ABSENT:
            self._table["answer"][row] = code_of(answer)
            self._table["follows"][row] = follows
            self._changed(np.array([row], np.int32))

    def drain_aside(self) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
        """Return which sites are set aside, or are no longer, since the last call.

        Set aside are those that ask nothing of their own: the same as another, or joined.

        Returns
        -------
        numbers : ndarray of uint64
            The sites' ids as numbers.
        aside : ndarray of bool
            Whether each of them is set aside now.
        """
        rows = distinct(np.concatenate([np.empty(0, np.int32), *self._untold]))
        self._untold = []
        aside = self._table["sight"][rows] >= _SAME
        changed = aside != self._table["aside"][rows]
        rows, aside = rows[changed], aside[changed]
        self._table["aside"][rows] = aside
        return self._table["number"][rows], aside

    def drain_joined(self) -> list[QueueRow]:
        """Return the open rows that asked something and do not any more, since the last call."""
        rows = distinct(np.concatenate([np.empty(0, np.int32), *self._joined]))
        self._joined = []
        rows = rows[self._table["sight"][rows] == _JOINED]
        return [row_at(self._table, row) for row in rows.tolist()]

    def next_open(self, after: str | None, count: int = 1) -> list[str]:
        """Return up to ``count`` open sites that follow one in the order, without wrapping."""
        row = ABSENT if after is None else self._row(after)
        place = self._order.place(row)
        if place is None or self._table["answer"][row] != 0:
            place = -1  # An answered site has moved to the end; what follows it starts anew.
        rows = self._order.between(place + 1, place + 1 + count)
        answered = np.flatnonzero(self._table["answer"][rows] != 0)
        # Answered ones come last.
        return self._ids(rows[: answered[0]] if answered.size else rows)

    def neighbour(self, site_id: str | None, step: int) -> str | None:
        """Return the site one row up or down, None at the ends."""
        place = None if site_id is None else self.index_of(site_id)
        target = 0 if place is None else place + step
        if not 0 <= target < len(self._order):
            return None
        return self._ids(self._order.between(target, target + 1))[0]

    # ---- inside --------------------------------------------------------------------

    def _row(self, site_id: str) -> int:
        number = number_of(site_id)
        return ABSENT if number is None else self._index.row(number)

    def _all(self) -> Rows:
        return np.arange(len(self._table), dtype=np.int32)

    def _ids(self, rows: Rows) -> list[str]:
        return [f"{number:016x}" for number in self._table["number"][rows].tolist()]

    def _changed(self, rows: Rows, left: NDArray[np.int32] | None = None) -> None:
        """Work out again who stands for each question that was touched, and what is shown."""
        if rows.size:
            standing = self._questions.rank(rows, rows[:0] if left is None else left)
            self._see(distinct(np.concatenate([rows, standing])))

    def _see(self, rows: Rows) -> None:
        """Work out whether rows, all different, are shown, and where."""
        if not rows.size:
            return
        table = self._table
        sights, answered = self._sights(rows), table["answer"][rows] != 0
        counted = np.where((sights == _SHOWN) & answered, _ANSWERED, sights)
        was = table["sight"][rows]
        asked_before = (was == _SHOWN) | (was == _LOW)
        self._joined.append(rows[asked_before & ~answered & (counted == _JOINED)])
        self._counts += np.bincount(counted, minlength=self._counts.size)
        self._counts -= np.bincount(was, minlength=self._counts.size)
        self._counts[_NEW] = 0
        table["sight"][rows] = counted
        self._untold.append(rows[(sights >= _SAME) != table["aside"][rows]])
        lanes = 1 + lanes_of(table, rows, self.view.error_rate)
        # What is decided automatically is improbable for the most part.
        asked = ~answered & ((sights == _SHOWN) | ((sights == _LOW) & (lanes == _AUTOMATIC)))
        lanes = np.where(asked, lanes, 0).astype(np.uint8)
        self._in_lane += np.bincount(lanes, minlength=self._in_lane.size)
        self._in_lane -= np.bincount(table["lane"][rows], minlength=self._in_lane.size)
        self._in_lane[0] = 0
        table["lane"][rows] = lanes
        self._order.put(rows, self._keys(rows), self._listed(rows))

    def _listed(self, rows: Rows) -> NDArray[np.bool_]:
        """Tell which of seen rows belong into the list: by lane or sight, and by the filter."""
        if self.view.lane is not None:
            sought = self._table["lane"][rows] == 1 + LANES.index(self.view.lane)
        else:
            sights = self._table["sight"][rows]
            sought = (sights == _SHOWN) | (sights == _ANSWERED)
            if self._filter.looks_low:
                sought |= sights == _LOW
        listed: NDArray[np.bool_] = sought & self._filter.takes(self._table, rows)
        return listed

    def _keys(self, rows: Rows) -> NDArray[np.uint64]:
        """Open before answered, then questions with an answerable pair, then by worth."""
        table = self._table
        open_ = table["answer"][rows] == 0
        groups = (~open_).astype(np.uint8) << 2
        if self.view.order not in _BY_PLACE:
            groups |= (table["partner"][rows] == 0).astype(np.uint8) << 1
            groups |= table["face"][rows]
        worth = worth_of(self.view, table, rows)
        first = table["first"][rows] & open_
        keys = keys_of(np.where(first, 0, groups), np.where(first, np.inf, worth), rows)
        host = table["host"][rows]
        return np.where((host != 0) & open_, beside(host, rows), keys)

    def _sights(self, rows: Rows) -> NDArray[np.uint8]:
        table = self._table
        answered = table["answer"][rows] != 0
        partners, probabilities = table["partner"][rows], table["probability"][rows]
        joined = (partners != 0) & (partners == table["root"][rows])
        joined |= table["root"][rows] == 0
        same = (table["question"][rows] != ABSENT) & ~self._questions.is_first(rows)
        low = (probabilities < self._limit) & ~table["failed"][rows] & ~answered
        low &= ~table["first"][rows]
        own = answered & ~table["follows"][rows]
        if self._focus is not None:
            own |= table["number"][rows] == np.uint64(self._focus)
        sights: NDArray[np.uint8] = np.select(
            [own, joined, same, low], [_SHOWN, _JOINED, _SAME, _LOW], _SHOWN
        ).astype(np.uint8)
        return sights


def _bits(values: NDArray[Any]) -> NDArray[Any]:
    return values.view(np.uint32) if values.dtype == np.float32 else values


def _among(values: NDArray[np.uint64], wanted: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Tell which values are among few sorted ones; `isin` would sort the many."""
    if not wanted.size:
        return np.zeros(values.size, np.bool_)
    place = np.minimum(wanted.searchsorted(values), wanted.size - 1)
    found: NDArray[np.bool_] = wanted[place] == values
    return found
