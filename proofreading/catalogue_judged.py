"""What triage needs of every judged site, without its pictures, partners or verdict."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from proofreading.site_columns import KINDS
from proofreading.sites import SiteKind

__all__ = ["LATENCIES", "Judged", "judged_of"]

_READ = ["number", "change", "probability", "distance", "spread", "model", "kind", "partners"]

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
        Who measured `distance`: the model whose verdict stands, the first of several that
        answered together; empty without one.
    distance : float or None
        How unlike its training the site is for that model.
    spread : float or None
        By how much the models differ that answered together; None with one.
    """

    change: int
    site_id: str
    kind: SiteKind
    partners: int
    probability: float | None
    model_id: str
    distance: float | None
    spread: float | None = None


def judged_of(scores: NDArray[np.void], models: Mapping[int, str]) -> list[Judged]:
    """Return scores one by one; `models` names their models by number."""
    return [
        Judged(
            change=change,
            site_id=f"{number:016x}",
            kind=KINDS[kind],
            partners=partners,
            probability=_told(probability),
            model_id=models.get(model, ""),
            distance=_told(distance),
            spread=_told(spread),
        )
        for number, change, probability, distance, spread, model, kind, partners in (
            scores[_READ].tolist()
        )
    ]


def _told(value: float) -> float | None:
    return None if math.isnan(value) else value
