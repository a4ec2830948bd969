"""A judge that is asked once about each pair, however many ask: members of ensembles, too."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from inference.datasets.pairs import Pairs
from inference.datasets.volumes import TruthVolume
from inference.evaluation.scorers import PairScorer, Rows, Scorer, Scores

__all__ = ["remembered"]

_KINDS = 2
"""Kinds of pairs that are kept: they hold a segmentation each."""


def remembered(scorer: Scorer) -> Scorer:
    """Return the same judge, which keeps what it said about the pairs asked last."""
    return replace(scorer, score=_Remembering(scorer.score))


@dataclass
class _Remembering:
    ask: PairScorer
    kept: dict[int, _Kept] = field(default_factory=dict)

    def __call__(self, volume: TruthVolume, pairs: Pairs, rows: Rows) -> Scores:
        # Pairs are held with their answers, so that no other ones can get their address.
        kept = self.kept.get(id(pairs))
        if kept is None or kept.volume != volume.sha256:
            if len(self.kept) >= _KINDS:
                self.kept.pop(next(iter(self.kept)))
            kept = self.kept[id(pairs)] = _Kept.empty(volume, pairs)
        missing = rows[~kept.known[rows]]
        if len(missing):
            kept.put(missing, self.ask(volume, pairs, missing))
        return Scores(kept.logit[rows], kept.probability[rows], kept.ood[rows])


@dataclass(eq=False)
class _Kept:
    volume: str
    pairs: Pairs
    known: NDArray[np.bool_]
    logit: NDArray[np.float64]
    probability: NDArray[np.float64]
    ood: NDArray[np.float64]

    @classmethod
    def empty(cls, volume: TruthVolume, pairs: Pairs) -> _Kept:
        blank = np.full((3, len(pairs)), np.nan)
        return cls(volume.sha256, pairs, np.zeros(len(pairs), np.bool_), *blank)

    def put(self, rows: Rows, said: Scores) -> None:
        self.known[rows] = True
        self.logit[rows], self.probability[rows] = said.logit, said.probability
        self.ood[rows] = said.ood
