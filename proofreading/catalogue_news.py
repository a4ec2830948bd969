"""What a catalogue tells those who follow it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from proofreading.site_columns import SiteColumns
from proofreading.sites import Site, SiteKind

__all__ = ["START", "Changes", "Counts", "News", "SiteScore", "Token"]


class Token(NamedTuple):
    """How far a reader has followed the catalogue."""

    site: int
    change: int


START = Token(0, 0)


@dataclass(frozen=True)
class SiteScore:
    """What stands for a site in the queue.

    `probability` is the greatest over its partners of each partner's newest verdict on the
    main task of its kind, None while there is none; `partner_supervoxel` is that partner,
    the proposed one. `failed` tells that some question's newest outcome is a failure.
    """

    site_id: str
    probability: float | None
    partner_supervoxel: int | None
    failed: bool


@dataclass(frozen=True)
class Changes:
    """New sites in order of finding, and the present score of every site whose score changed."""

    sites: list[Site]
    scores: list[SiteScore]
    token: Token

    def __bool__(self) -> bool:
        return bool(self.sites or self.scores)


@dataclass(frozen=True)
class News:
    """What `Changes` tells, as columns.

    Parameters
    ----------
    sites : SiteColumns
        New sites in order of finding.
    scores : ndarray of `SCORE`
        The present scores of these sites, where they have one.
    changed : ndarray of `SCORE`
        The present scores of sites, new or not, that changed.
    token : Token
        What to ask with next.
    """

    sites: SiteColumns
    scores: NDArray[np.void]
    changed: NDArray[np.void]
    token: Token

    def __bool__(self) -> bool:
        return bool(len(self.sites) or self.changed.size)


@dataclass(frozen=True)
class Counts:
    """Numbers of sites, by kind, with a probability, with an open failure; and of verdicts."""

    sites: int
    by_kind: dict[SiteKind, int]
    judged: int
    failed: int
    verdicts: int
