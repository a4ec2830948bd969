"""What triage needs of every judged site, without its pictures, partners or verdict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from proofreading.site_columns import no_scores

__all__ = ["LATENCIES", "Judged"]

LATENCIES = (
    "SELECT json_extract(body, '$.provenance.latency_ms') FROM verdicts"
    " ORDER BY number DESC LIMIT ?"
)
"""Asked with a limit."""


@dataclass(frozen=True)
class Judged:
    """Different sites with their present scores, in order of their changes.

    Parameters
    ----------
    scores : ndarray of `SCORE`
        `distance` is how unlike its training a site is for `model`; `spread` by how much the
        models differ that answered together.
    models : mapping
        The ids of the models: who measured `distance`, the first of several that answered
        together.
    """

    scores: NDArray[np.void] = field(default_factory=no_scores)
    models: Mapping[int, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return self.scores.size

    @property
    def numbers(self) -> NDArray[np.uint64]:
        """The sites' ids as numbers."""
        numbers: NDArray[np.uint64] = self.scores["number"]
        return numbers

    @property
    def change(self) -> int:
        """Number of the last of these changes, 0 without any."""
        return int(self.scores["change"][-1]) if len(self) else 0

    def where(self, mask: NDArray[np.bool_]) -> Judged:
        """Return some of them."""
        return Judged(self.scores[mask], self.models)
