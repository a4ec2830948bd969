"""What a judge of pictures says about pairs of a volume in memory, looking as it does in use."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference.datasets.pairs import Pairs
from inference.datasets.views import pair_sample
from inference.datasets.volumes import TruthVolume
from inference.judges.base import Judge, PairSample
from inference.judges.looks import MORE_LOOKS, RULED_OUT
from rendering.spec import EMSpec

__all__ = ["PairScores", "picture_scores"]

_CHUNK = 128


@dataclass(frozen=True)
class PairScores:
    """Raw scores of pairs.

    Parameters
    ----------
    logit : ndarray, shape (n,)
        Before calibration.
    strangeness : ndarray, shape (n,)
        Out-of-distribution score, NaN where the model has none.
    """

    logit: NDArray[np.float64]
    strangeness: NDArray[np.float64]


def picture_scores(
    judge: Judge,
    volume: TruthVolume,
    pairs: Pairs,
    rows: NDArray[np.int64],
    *,
    more_looks: int = MORE_LOOKS,
) -> PairScores:
    """Return the mean logit and strangeness over the looks at each pair.

    The first look is at the contact's middle; a pair that it does not rule out is looked
    at from ``more_looks`` further places of the contact, as `inference.judges.looks` does.
    """
    parts = [
        _scores(judge, volume, pairs, rows[begin : begin + _CHUNK], more_looks)
        for begin in range(0, len(rows), _CHUNK)
    ]
    if not parts:
        return PairScores(np.zeros(0), np.zeros(0))
    return PairScores(
        np.concatenate([part.logit for part in parts]),
        np.concatenate([part.strangeness for part in parts]),
    )


def _scores(
    judge: Judge, volume: TruthVolume, pairs: Pairs, rows: NDArray[np.int64], more_looks: int
) -> PairScores:
    spec = judge.manifest.picture_spec.em_spec()
    first = [pair_sample(volume, pairs, int(r), pairs.contacts.center[r], spec) for r in rows]
    logit, strange = _ask(judge, first)
    again: list[PairSample] = []
    owner: list[int] = []
    for place, row in enumerate(rows):
        if more_looks and logit[place] > RULED_OUT:
            samples = _other_places(volume, pairs, int(row), spec, more_looks)
            again += samples
            owner += [place] * len(samples)
    more_logit, more_strange = _ask(judge, again)
    looks = np.ones(len(rows))
    np.add.at(logit, owner, more_logit)
    np.add.at(strange, owner, more_strange)
    np.add.at(looks, owner, 1.0)
    return PairScores(logit / looks, strange / looks)


def _other_places(
    volume: TruthVolume, pairs: Pairs, row: int, spec: EMSpec, count: int
) -> list[PairSample]:
    first, last = int(pairs.contacts.first[row]), int(pairs.contacts.first[row + 1]) - 1
    chosen = np.linspace(first, last, min(count, last - first + 1), dtype=np.int64)
    return [
        pair_sample(volume, pairs, row, pairs.contacts.faces[face].astype(np.int64), spec)
        for face in chosen
    ]


def _ask(
    judge: Judge, samples: list[PairSample]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    opinions = judge.judge(samples) if samples else []
    strange = [o.out_of_distribution for o in opinions]
    return (
        np.array([o.raw_score for o in opinions], np.float64),
        np.array([np.nan if s is None else s for s in strange], np.float64),
    )
