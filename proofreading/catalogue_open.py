"""Which sites a model has still to judge, in order of finding."""

from __future__ import annotations

import sqlite3
from typing import Any

from proofreading.catalogue_schema import PAIR_TASKS, kinds_for
from proofreading.catalogue_scores import counter
from proofreading.verdicts import Task

__all__ = ["OpenQuestions"]

_BATCH = 500


class OpenQuestions:
    """Remembers up to where every question was answered, so that this is not read again."""

    def __init__(self) -> None:
        self._judged_up_to: dict[tuple[Task, str], tuple[int, int]] = {}

    def next(self, db: sqlite3.Connection, task: Task, model_id: str, limit: int) -> list[str]:
        """Return the texts of the next sites of which a question is open, at most so many."""
        after = self._resume(db, task, model_id)
        found: list[str] = []
        while len(found) < limit and (rows := _candidates(db, task, model_id, after)):
            for number, body, is_open in rows:
                if is_open and len(found) < limit:
                    found.append(body)
                elif not is_open and not found:
                    self._advance(task, model_id, number)
                after = number
        return found

    def _resume(self, db: sqlite3.Connection, task: Task, model_id: str) -> int:
        # Verdicts are never taken away, so what was judged up to here stays judged, until
        # a retry reopens failures.
        retries = counter(db, "retries")
        known, number = self._judged_up_to.get((task, model_id), (retries, 0))
        if known != retries:
            number = 0
        self._judged_up_to[task, model_id] = (retries, number)
        return number

    def _advance(self, task: Task, model_id: str, number: int) -> None:
        retries, _ = self._judged_up_to[task, model_id]
        self._judged_up_to[task, model_id] = (retries, number)


def _candidates(
    db: sqlite3.Connection, task: Task, model_id: str, after: int
) -> list[tuple[Any, ...]]:
    kinds = ", ".join(f"'{kind.value}'" for kind in kinds_for(task))
    return db.execute(
        "SELECT number, body, NOT EXISTS (SELECT 1 FROM verdicts v WHERE v.site = s.number"
        " AND v.task = ?1 AND v.model_id = ?2) AND NOT EXISTS (SELECT 1 FROM failures f"
        " WHERE f.site = s.number AND f.task = ?1)"
        f" FROM sites s WHERE number > ?3 AND kind IN ({kinds}) AND partners >= ?4"
        f" ORDER BY number LIMIT {_BATCH}",
        (task.value, model_id, after, 1 if task in PAIR_TASKS else 0),
    ).fetchall()
