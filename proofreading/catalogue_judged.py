"""What triage needs of every judged site, without its pictures, partners or verdict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from proofreading.sites import SiteKind

__all__ = ["JUDGED_SINCE", "LATENCIES", "Judged", "judged_of"]

# The body of a verdict is read by SQLite itself: building a million of them takes minutes.
JUDGED_SINCE = (
    "SELECT s.change, s.site_id, t.kind, t.partners, s.probability, v.model_id,"
    " json_extract(v.body, '$.provenance.out_of_distribution')"
    " FROM scores s JOIN sites t ON t.id = s.site_id LEFT JOIN verdicts v ON v.number = s.verdict"
    " WHERE s.change > ? ORDER BY s.change LIMIT ?"
)
"""Asked with a change number and a limit."""
LATENCIES = (
    "SELECT json_extract(body, '$.provenance.latency_ms') FROM verdicts"
    " ORDER BY number DESC LIMIT ?"
)
"""Asked with a limit."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A site with its present score.

    Parameters
    ----------
    probability : float or None
        None while only failures are known.
    model_id : str
        Whose verdict stands; empty without one.
    distance : float or None
        How unlike its training the site is for that model.
    """

    change: int
    site_id: str
    kind: SiteKind
    partners: int
    probability: float | None
    model_id: str
    distance: float | None


def judged_of(row: tuple[Any, ...]) -> Judged:
    """Return a row of `JUDGED_SINCE` as a value."""
    change, site_id, kind, partners, probability, model_id, distance = row
    return Judged(change, site_id, SiteKind(kind), partners, probability, model_id or "", distance)
