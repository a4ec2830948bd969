"""Which numbers each task about a site is answered from, and what decides their meaning."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

from inference.features.spec import FeatureSpec
from proofreading.verdicts import Task

__all__ = ["SITE_TASKS", "SiteSpec"]

SITE_TASKS = (
    Task.SPLIT_ERROR_IDENTIFICATION,
    Task.MERGE_ERROR_IDENTIFICATION,
    Task.SPLIT_ACTION_EVALUATION,
)


@dataclass(frozen=True)
class SiteSpec:
    """How the numbers of one task are measured.

    Parameters
    ----------
    task : Task
        One of `SITE_TASKS`.
    version : int
        Goes up whenever the same names mean other numbers.
    pairs : FeatureSpec
        How a tip's neighbours are measured.
    """

    task: Task
    version: int = 1
    pairs: FeatureSpec = field(default_factory=FeatureSpec)

    @property
    def half_nm(self) -> float:
        """Half-width of the cube of voxels that is looked at."""
        if self.task is Task.SPLIT_ERROR_IDENTIFICATION:
            # A contact at the tip, then the largest ball that is measured around it.
            return max(self.pairs.balls_nm) + 250.0
        return 400.0 if self.task is Task.MERGE_ERROR_IDENTIFICATION else 450.0

    def hash(self, names: Sequence[str]) -> str:
        """16 hexadecimal digits over everything that decides what a row of numbers means."""
        pairs = asdict(self.pairs) if self.task is Task.SPLIT_ERROR_IDENTIFICATION else None
        content = [self.task.value, self.version, self.half_nm, pairs, list(names)]
        packed = json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
        return hashlib.blake2b(packed, digest_size=8).hexdigest()
