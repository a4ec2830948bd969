"""What stands for each site, kept in blocks of columns: a million are read in an instant.

A block holds the scores of 256 sites in order of finding. Every change of a score has a number;
a block's is that of its newest change, so that a reader takes only the blocks that changed.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from proofreading.catalogue_schema import main_task
from proofreading.site_columns import KIND_CODES, SCORE, no_scores
from proofreading.sites import SiteKind

__all__ = ["Known", "count", "counter", "rescore", "score_of", "scores_between", "scores_since"]

_BLOCK = 256

_BEST = (
    "SELECT probability, partner, verdict, distance, spread, model FROM newest"
    " WHERE site = ? AND task = ? ORDER BY probability DESC, partner LIMIT 1"
)


class Known(NamedTuple):
    """A site as the tables know it: its place in order of finding, and its id as a number."""

    site: int
    number: int
    kind: SiteKind
    partners: int


def rescore(db: sqlite3.Connection, sites: Sequence[Known]) -> list[Known]:
    """Work out the scores of sites again and return those whose score changed.

    The caller holds a transaction.
    """
    blocks: dict[int, NDArray[np.void]] = {}
    changed, change, judged, failed = [], counter(db, "change"), 0, 0
    for known in sites:
        block, place = divmod(known.site - 1, _BLOCK)
        if block not in blocks:
            blocks[block] = _block(db, block)
        before, after = blocks[block][place], _score(db, known)
        if _says(before) == _says(after):
            continue
        judged += _is_judged(after) - _is_judged(before)
        failed += int(after["failed"]) - int(before["failed"])
        change += 1
        after["change"] = change
        blocks[block][place] = after
        changed.append(known)
    _write(db, blocks, {(each.site - 1) // _BLOCK for each in changed})
    for name, more in (("change", len(changed)), ("judged", judged), ("failed", failed)):
        count(db, name, more)
    return changed


def scores_between(db: sqlite3.Connection, first: int, last: int) -> NDArray[np.void]:
    """Return the scores of the sites from one place to another, both included."""
    low, high = (first - 1) // _BLOCK, (last - 1) // _BLOCK
    rows = db.execute(
        "SELECT block, packed FROM scores WHERE block BETWEEN ? AND ? ORDER BY block", (low, high)
    ).fetchall()
    found = _joined([packed for _, packed in rows])
    blocks = np.repeat(np.array([block for block, _ in rows], np.int64), _BLOCK)
    sites = blocks * _BLOCK + np.arange(found.size) % _BLOCK + 1
    wanted = (found["change"] != 0) & (sites >= first) & (sites <= last)
    scores: NDArray[np.void] = found[wanted]
    return scores


def scores_since(db: sqlite3.Connection, change: int) -> NDArray[np.void]:
    """Return the scores that changed after a change, in order of their changes."""
    rows = db.execute("SELECT packed FROM scores WHERE change > ?", (change,)).fetchall()
    found = _joined([packed for (packed,) in rows])
    found = found[found["change"] > change]
    ordered: NDArray[np.void] = found[np.argsort(found["change"])]
    return ordered


def score_of(db: sqlite3.Connection, site: int) -> NDArray[np.void]:
    """Return the score of a site as one row, or none."""
    return scores_between(db, site, site)


def count(db: sqlite3.Connection, name: str, change: int) -> None:
    """Add to a counter."""
    if change:
        db.execute(
            "INSERT INTO counters (name, value) VALUES (?1, ?2) "
            "ON CONFLICT (name) DO UPDATE SET value = value + ?2",
            (name, change),
        )


def counter(db: sqlite3.Connection, name: str) -> int:
    """Return a counter, 0 if nothing was ever counted."""
    row = db.execute("SELECT value FROM counters WHERE name = ?", (name,)).fetchone()
    return int(row[0]) if row else 0


def _score(db: sqlite3.Connection, known: Known) -> Any:
    task = main_task(known.kind, known.partners).value
    best = db.execute(_BEST, (known.site, task)).fetchone()
    probability, partner, verdict, distance, spread, model = best or (None, "", 0, None, None, 0)
    failed = db.execute("SELECT 1 FROM failures WHERE site = ?", (known.site,)).fetchone()
    score = np.zeros((), SCORE)
    score["number"], score["verdict"], score["model"] = known.number, verdict, model
    score["partner"] = int(partner or 0)
    score["probability"] = math.nan if probability is None else probability
    score["distance"] = math.nan if distance is None else distance
    score["spread"] = math.nan if spread is None else spread
    score["kind"], score["partners"] = KIND_CODES[known.kind], known.partners
    score["failed"] = failed is not None
    return score


def _says(score: Any) -> tuple[int, int, int]:
    """Return what makes two scores of one site different."""
    return int(score["verdict"]), int(score["partner"]), int(score["failed"])


def _is_judged(score: Any) -> bool:
    return int(score["verdict"]) != 0


def _block(db: sqlite3.Connection, block: int) -> NDArray[np.void]:
    row = db.execute("SELECT packed FROM scores WHERE block = ?", (block,)).fetchone()
    if row is None:
        return np.zeros(_BLOCK, SCORE)
    return np.frombuffer(row[0], SCORE).copy()


def _write(db: sqlite3.Connection, blocks: dict[int, NDArray[np.void]], which: set[int]) -> None:
    db.executemany(
        "INSERT OR REPLACE INTO scores (block, change, packed) VALUES (?, ?, ?)",
        [(b, int(blocks[b]["change"].max()), blocks[b].tobytes()) for b in sorted(which)],
    )


def _joined(packed: Sequence[bytes]) -> NDArray[np.void]:
    return np.frombuffer(b"".join(packed), SCORE) if packed else no_scores()
