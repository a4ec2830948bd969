"""What there is to learn from, and what was learned, in words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from proofreading.decisions import Answer, Decider, Decision
from proofreading.verdicts import Task

__all__ = ["EVERY", "LEARNED_TASK", "Learned", "PairKey", "own_pair_answers"]

EVERY = 25
"""Decisions between two refits."""
LEARNED_TASK = Task.SPLIT_ERROR_CORRECTION
"""The question that the adaptive judge answers."""

PairKey = tuple[str, int]
"""A site and the supervoxel of its partner."""


@dataclass(frozen=True)
class Learned:
    """What the adaptive judge knows.

    Parameters
    ----------
    version : int
        The version in use; 0 is the models as they are.
    decisions : int
        How many decisions that version was fitted to and compared on.
    """

    version: int = 0
    decisions: int = 0

    @property
    def words(self) -> str:
        """Such as ``learned from 50 decisions · v2``; nothing before the first version."""
        if not self.version:
            return ""
        return f"learned from {self.decisions:,} decisions · v{self.version}"


def own_pair_answers(decisions: Iterable[Decision]) -> dict[PairKey, bool]:
    """Return the pairs that a person accepted (True) or rejected, in the order given."""
    return {
        (d.site_id, d.partner_supervoxel): d.answer is Answer.ACCEPT
        for d in decisions
        if d.decider is Decider.PERSON
        and d.task is LEARNED_TASK
        and d.partner_supervoxel is not None
        and d.answer in (Answer.ACCEPT, Answer.REJECT)
    }
