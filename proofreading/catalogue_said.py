"""What was said about pairs, in order of writing, without pictures, reasons or sites."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["ANSWERED", "SAID_SINCE", "Said", "said_of"]

SAID_SINCE = (
    "SELECT number, site_id, partner, model_id, made_at,"
    " json_extract(body, '$.probability'), json_extract(body, '$.raw_score'),"
    " json_extract(body, '$.provenance.weights_sha256'),"
    " json_extract(body, '$.provenance.out_of_distribution')"
    " FROM verdicts WHERE number > ? AND task = ? AND partner <> '' ORDER BY number LIMIT ?"
)
"""Asked with a number, a task and a limit."""

ANSWERED = (
    "SELECT n.site_id, n.partner FROM newest n JOIN verdicts v ON v.number = n.verdict"
    " WHERE n.task = ? AND v.model_id = ? AND n.partner <> ''"
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
    number, site_id, partner, model_id, made_at, *rest = row
    return Said(number, site_id, int(partner), model_id, made_at, *rest)
