"""What a person types, or chooses from a menu, to narrow the queue."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from app.services.queue_columns import ANSWERS, KINDS, Rows
from connectome.space import PointNm
from proofreading.catalogue_schema import main_task
from proofreading.columns import Columns

__all__ = ["RowFilter", "box_word"]

_HEX = set("0123456789abcdef")
_HEX_DIGITS, _DECIMAL_DIGITS = 16, 20

Mask = NDArray[np.bool_]


class RowFilter:
    """Words that a row has to match, each of them.

    Parameters
    ----------
    text : str
        Part of an id, a kind, an answer, ``open``, ``failed``, ``>0.8``, ``<0.1``. One
        thing alone with ``kind:contact``, ``task:merge_error``, ``seg:8646`` (of either
        segment), ``is:open``, and ``box:10.5..12,3..4.5,0..2`` for a region in µm.
    """

    def __init__(self, text: str) -> None:
        self._words = text.strip().lower().split()

    @property
    def looks_low(self) -> bool:
        """Whether improbable rows are asked for in so many words."""
        return any(word[0] == "<" for word in self._words)

    def takes(self, table: Columns, rows: Rows) -> Mask:
        """Tell of each row whether it matches."""
        matching = np.ones(rows.size, np.bool_)
        for word in self._words:
            matching &= _matches(table, rows, word)
        return matching


def box_word(low_nm: PointNm, high_nm: PointNm) -> str:
    """Return the word that keeps what lies in a box."""
    sides = (f"{a / 1000:.2f}..{b / 1000:.2f}" for a, b in zip(low_nm, high_nm, strict=True))
    return f"{_BOX}:{','.join(sides)}"


def _matches(table: Columns, rows: Rows, word: str) -> Mask:
    if word[0] in "<>":
        return _compares(table["probability"][rows], word)
    about, colon, rest = word.partition(":")
    if colon and about in _ABOUT:
        # A word that is still being typed hides nothing.
        return _ABOUT[about](table, rows, rest) if rest else np.ones(rows.size, np.bool_)
    found = _of_kind(table, rows, word) | _answered(table, rows, word)
    if len(word) <= _HEX_DIGITS and set(word) <= _HEX:
        found |= _in_hex(table["number"][rows], word)
    return np.asarray(found | _of_segment(table, rows, word))


def _of_kind(table: Columns, rows: Rows, word: str) -> Mask:
    return np.asarray(_named(KINDS, word)[table["kind"][rows]])


def _of_task(table: Columns, rows: Rows, word: str) -> Mask:
    alone = _named([main_task(kind, 0) for kind in KINDS], word)
    paired = _named([main_task(kind, 1) for kind in KINDS], word)
    kinds = table["kind"][rows]
    return np.asarray(np.where(table["partner"][rows] != 0, paired[kinds], alone[kinds]))


def _answered(table: Columns, rows: Rows, word: str) -> Mask:
    answers = ["open" if answer is None else answer for answer in ANSWERS]
    found = _named(answers, word)[table["answer"][rows]]
    return np.asarray(found | table["failed"][rows] if word in "failed" else found)


def _of_segment(table: Columns, rows: Rows, word: str) -> Mask:
    found = np.zeros(rows.size, np.bool_)
    if word.isdecimal() and len(word) <= _DECIMAL_DIGITS:
        for column in ("root", "partner"):
            found |= _in_decimal(table[column][rows], word)
    return found


def _in_box(table: Columns, rows: Rows, text: str) -> Mask:
    found = np.ones(rows.size, np.bool_)
    for axis, side in zip("xyz", text.split(","), strict=False):
        low, _dots, high = side.partition("..")
        try:
            limits = 1000 * float(low), 1000 * float(high)
        except ValueError:
            continue  # Still being typed.
        found &= (table[axis][rows] >= limits[0]) & (table[axis][rows] <= limits[1])
    return found


_BOX = "box"
_ABOUT: dict[str, Callable[[Columns, Rows, str], Mask]] = {
    "kind": _of_kind,
    "task": _of_task,
    "is": _answered,
    "seg": _of_segment,
    _BOX: _in_box,
}


def _compares(probabilities: NDArray[np.float64], word: str) -> Mask:
    try:
        limit = float(word[1:])
    except ValueError:
        return np.ones(probabilities.size, np.bool_)  # Still being typed: it hides nothing.
    # NaN, where there is no probability, is neither above nor below.
    return probabilities > limit if word[0] == ">" else probabilities < limit


def _named(names: Iterable[str], word: str) -> Mask:
    return np.array([word in name for name in names], np.bool_)


def _in_hex(numbers: NDArray[np.uint64], word: str) -> Mask:
    """Tell where 16 hexadecimal digits contain these."""
    wanted, mask = np.uint64(int(word, 16)), np.uint64(16 ** len(word) - 1)
    found = np.zeros(numbers.size, np.bool_)
    for place in range(_HEX_DIGITS - len(word) + 1):
        found |= (numbers >> np.uint64(4 * place)) & mask == wanted
    return found


def _in_decimal(numbers: NDArray[np.uint64], word: str) -> Mask:
    """Tell where the decimal digits of a number, other than 0, contain these."""
    if int(word) >= 2**64:
        return np.zeros(numbers.size, np.bool_)
    wanted, digits = np.uint64(int(word)), len(word)
    if digits == _DECIMAL_DIGITS:
        found: Mask = numbers == wanted
        return found
    found = np.zeros(numbers.size, np.bool_)
    least, beyond = np.uint64(10 ** (digits - 1)), np.uint64(10**digits)
    for place in range(_DECIMAL_DIGITS - digits + 1):
        tail = numbers // np.uint64(10**place)
        # What is shorter than the word has no such digits, whatever its value.
        found |= (tail >= least) & (tail - tail // beyond * beyond == wanted)
    return found
