"""Decisions: what was answered about a site."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from connectome.space import PointNm
from proofreading.verdicts import Task

__all__ = ["Answer", "Decider", "Decision"]


class Answer(StrEnum):
    """The five answers."""

    ACCEPT = "accept"
    REJECT = "reject"
    UNSURE = "unsure"
    LATER = "later"
    SKIP = "skip"


class Decider(StrEnum):
    """Who answered."""

    PERSON = "person"
    AUTOMATIC = "automatic"
    SAME_QUESTION = "same_question"
    """Nobody: another site's answer is about the same pair of segments."""


@dataclass(frozen=True)
class Decision:
    """One answer about one site.

    Parameters
    ----------
    id : str
        A UUID made when the key was pressed.
    partner_supervoxel : int or None
        The partner the answer is about.
    point_nm : tuple of float or None
        The place to come back to; stated for "later".
    reason : str
        Why it was skipped or is unsure; may be empty.
    elapsed_ms : int
        Time from the site being shown to the answer.
    verdict_visible : bool
        Whether the person could see the model's verdict.
    probability : float or None
        The verdict at that moment, seen or not.
    view : dict
        Where Neuroglancer looked: position in nm, zooms, layout.
    follows : str or None
        The decision at another site that answered the same question. It stands and falls
        with that one, and makes no edit of its own.
    """

    id: str
    site_id: str
    task: Task
    answer: Answer
    decider: Decider
    author: str
    decided_at: datetime
    elapsed_ms: int
    verdict_visible: bool
    probability: float | None = None
    partner_supervoxel: int | None = None
    point_nm: PointNm | None = None
    reason: str = ""
    view: dict[str, object] = field(default_factory=dict)
    follows: str | None = None
