"""Which rows ask about the same two segments, and which of them speaks for the question."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from app.services.queue_columns import Rows
from proofreading.columns import Columns
from proofreading.row_index import ABSENT, RowIndex

__all__ = ["Questions", "distinct"]


def distinct(values: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return the different values, sorted; for a million many times as fast as ``unique``."""
    ordered = np.sort(values)
    return ordered[_begins(ordered)]


class Questions:
    """The rows of each pair as a chain, and its first: the row that stands for the pair.

    Parameters
    ----------
    table : Columns
        The queue's; its columns `question` and `next` belong to this class.
    """

    def __init__(self, table: Columns) -> None:
        self._table = table
        self._index = RowIndex()
        self._chains = Columns({"head": np.int32, "first": np.int32})

    def rows_of(self, low: int, high: int) -> Rows:
        """Return the rows that ask about two roots, the smaller one given first."""
        pair = np.array([low], np.uint64), np.array([high], np.uint64)
        question = self._index.rows(_hashed(*pair))
        _, rows = self._members(question[question != ABSENT])
        roots, partners = self._table["root"][rows], self._table["partner"][rows]
        same = (np.minimum(roots, partners) == pair[0]) & (np.maximum(roots, partners) == pair[1])
        found: Rows = rows[same]
        return found

    def enter(self, rows: Rows) -> None:
        """Put rows that are in no question into that of their pair, if they ask about one."""
        roots, partners = self._table["root"][rows], self._table["partner"][rows]
        asks = (partners != 0) & (partners != roots)
        self._table["question"][rows[~asks]] = ABSENT
        rows, roots, partners = rows[asks], roots[asks], partners[asks]
        questions = self._known(_hashed(np.minimum(roots, partners), np.maximum(roots, partners)))
        self._table["question"][rows] = questions
        self._link(rows, questions)

    def leave(self, rows: Rows) -> NDArray[np.int32]:
        """Take rows out of their questions, which are returned and have no first until seen."""
        left = self._table["question"][rows]
        heads, following = self._chains["head"], self._table["next"]
        for row, question in zip(rows.tolist(), left.tolist(), strict=True):
            if question == ABSENT:
                continue
            place = int(heads[question])
            if place == row:
                heads[question] = following[row]
                continue
            while following[place] != row:
                place = int(following[place])
            following[place] = following[row]
        left = distinct(left[left != ABSENT])
        self._chains["first"][left] = ABSENT
        self._table["question"][rows] = ABSENT
        return left

    def is_first(self, rows: Rows) -> NDArray[np.bool_]:
        """Tell of each row that asks about a pair whether it stands for it; else False."""
        asked = self._table["question"][rows]
        if not len(self._chains):
            return np.zeros(rows.size, np.bool_)
        first: NDArray[np.bool_] = self._chains["first"][asked] == rows
        first &= asked != ABSENT
        return first

    def rank(self, rows: Rows, left: NDArray[np.int32]) -> Rows:
        """Find who stands for the questions of changed rows, and for those that rows have left.

        Returns
        -------
        ndarray of int32
            The rows that stand, or stood, for them.
        """
        asked = self._table["question"][rows]
        rows, asked = rows[asked != ABSENT], asked[asked != ABSENT]
        touched = distinct(np.concatenate([asked, left]))
        before = self._chains["first"][touched]
        stood = before != ABSENT
        # Who stood first and changed, or left, may have fallen behind any of the others.
        fell = ~stood
        fell[stood] = np.isin(before[stood], rows, assume_unique=True)
        members, theirs = self._members(touched[fell])
        # What fell is looked at whole, with the rows that changed among the others.
        rest, stays = ~fell[touched.searchsorted(asked)], ~fell
        candidates = np.concatenate([rows[rest], before[stays], theirs])
        questions = np.concatenate([asked[rest], touched[stays], members])
        first = self._best(questions, candidates)
        self._chains["first"][self._table["question"][first]] = first
        return distinct(np.concatenate([first, before[stood]]))

    def _best(self, questions: NDArray[np.int32], rows: Rows) -> Rows:
        """Return the best row of each question; most questions have only one."""
        order = np.argsort(questions)
        begins = _begins(questions[order])
        alone = begins.copy()
        alone[:-1] &= begins[1:]
        crowd = order[~alone]
        return np.concatenate([rows[order[alone]], self._ranked(questions[crowd], rows[crowd])])

    def _ranked(self, questions: NDArray[np.int32], rows: Rows) -> Rows:
        """Return the best row of each question: answered by a person, answered, most probable."""
        table = self._table
        probability = np.nan_to_num(table["probability"][rows], nan=-1.0)
        open_ = table["answer"][rows] == 0
        order = np.lexsort(
            (rows, -probability, table["face"][rows], table["follows"][rows], open_, questions)
        )
        return rows[order[_begins(questions[order])]]

    def _members(self, questions: NDArray[np.int32]) -> tuple[NDArray[np.int32], Rows]:
        """Return question and row of every member of these questions."""
        asked, found = [questions[:0]], [questions[:0]]
        rows = self._chains["head"][questions] if questions.size else questions
        while (there := rows != ABSENT).any():
            rows, questions = rows[there], questions[there]
            asked.append(questions)
            found.append(rows)
            rows = self._table["next"][rows]
        return np.concatenate(asked), np.concatenate(found)

    def _known(self, hashes: NDArray[np.uint64]) -> NDArray[np.int32]:
        """Return the questions of pairs, made where they are new."""
        found = self._index.rows(hashes)
        new = found == ABSENT
        fresh, which = np.unique(hashes[new], return_inverse=True)
        made = self._chains.extend(fresh.size, {"head": ABSENT, "first": ABSENT})
        self._index.add(fresh, made)
        found[new] = made[which]
        return found

    def _link(self, rows: Rows, questions: NDArray[np.int32]) -> None:
        """Put rows at the heads of their chains."""
        order = np.argsort(questions, kind="stable")
        rows, questions = rows[order], questions[order]
        last = np.ones(rows.size, np.bool_)
        last[:-1] = questions[1:] != questions[:-1]
        following = np.empty(rows.size, np.int32)
        following[:-1] = rows[1:]
        heads = self._chains["head"]
        following[last] = heads[questions[last]]
        self._table["next"][rows] = following
        begins = _begins(questions)
        heads[questions[begins]] = rows[begins]


def _begins(ordered: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Tell of each of sorted values whether it is another than the one before."""
    begins = np.ones(ordered.size, np.bool_)
    begins[1:] = ordered[1:] != ordered[:-1]
    return begins


def _hashed(low: NDArray[np.uint64], high: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return one number for each pair."""
    return _mixed(_mixed(low) + high)


def _mixed(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return the output function of splitmix64 (Steele et al. 2014) of each number."""
    mixed = numbers + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))
