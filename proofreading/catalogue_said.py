"""What was said about pairs, in order of writing, without pictures, reasons or sites."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from proofreading.catalogue_writing import id_of

__all__ = ["ANSWERED", "SAID_SINCE", "Said", "said_of"]

SAID_SINCE = (
    "SELECT v.number, s.key, v.partner, v.model_id, v.made_at,"
    " json_extract(v.body, '$.probability'), json_extract(v.body, '$.raw_score'),"
    " json_extract(v.body, '$.provenance.weights_sha256'),"
    " json_extract(v.body, '$.provenance.out_of_distribution')"
    " FROM verdicts v JOIN sites s ON s.number = v.site"
    " WHERE v.number > ? AND v.task = ? AND v.partner <> '' ORDER BY v.number LIMIT ?"
)
"""Asked with a number, a task and a limit."""

ANSWERED = (
    "SELECT s.key, n.partner FROM newest n JOIN verdicts v ON v.number = n.verdict"
    " JOIN sites s ON s.number = n.site WHERE n.task = ? AND v.model_id = ? AND n.partner <> ''"
)
"""Asked with a task and a model."""


@dataclass(frozen=True, slots=True)
class Said:
    """One verdict about a pair, in short.

    Parameters
    ----------
    number : int
        Rises in order of writing.
    made_at : str
        UTC in one fixed form: the order of the texts is that of the times.
    """

    number: int
    site_id: str
    partner_supervoxel: int
    model_id: str
    made_at: str
    probability: float
    raw_score: float
    weights_sha256: str
    distance: float | None


def said_of(row: tuple[Any, ...]) -> Said:
    """Return a row of `SAID_SINCE` as a value."""
    number, key, partner, model_id, made_at, *rest = row
    return Said(number, id_of(key), int(partner), model_id, made_at, *rest)
