"""How fast the person works, pauses excluded."""

from __future__ import annotations

import statistics
from collections.abc import Iterable

from proofreading.decisions import Decider, Decision
from proofreading.history import IDLE_MS

__all__ = ["pace"]


def pace(decisions: Iterable[Decision]) -> tuple[float | None, float | None]:
    """Return decisions per hour of work and the median seconds of a decision.

    Returns
    -------
    tuple of float or None
        None while the person has decided nothing; automatic decisions do not count.
    """
    spent = [
        d.elapsed_ms
        for d in decisions
        if d.decider is Decider.PERSON and 0 < d.elapsed_ms <= IDLE_MS
    ]
    if not spent:
        return None, None
    return len(spent) / (sum(spent) / 3_600_000), statistics.median(spent) / 1000
