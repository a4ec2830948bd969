"""What each task asks, how it is answered and which edit its yes leads to."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from proofreading.verdicts import Task

__all__ = ["Repair", "TaskWords", "words"]


class Repair(StrEnum):
    """The edit that a yes (or, for an action, acceptance) leads to."""

    MERGE = "merge"
    SPLIT = "split"
    NONE = "none"


@dataclass(frozen=True)
class TaskWords:
    """How a task speaks.

    Parameters
    ----------
    question : str
        The sentence above the pictures.
    yes, no : str
        The answers; models name their labels ``no`` and ``yes`` in this order.
    repair : Repair
        The edit that follows a yes.
    """

    question: str
    yes: str
    no: str
    repair: Repair


_WORDS = {
    Task.SPLIT_ERROR_IDENTIFICATION: TaskWords(
        "Does this tip end here?", "it continues", "it ends", Repair.MERGE
    ),
    Task.SPLIT_ERROR_CORRECTION: TaskWords(
        "Is this one neuron?", "one neuron", "two neurons", Repair.MERGE
    ),
    Task.MERGE_ERROR_IDENTIFICATION: TaskWords(
        "Are two neurons fused here?", "fused", "one neuron", Repair.SPLIT
    ),
    Task.SPLIT_ACTION_EVALUATION: TaskWords(
        "Does this cut separate them?", "it separates them", "it does not", Repair.SPLIT
    ),
    Task.SEGMENT_CLASSIFICATION: TaskWords(
        "What is this segment?", "as named", "something else", Repair.NONE
    ),
    Task.PARTNER_CHOICE: TaskWords(
        "Which segment continues this one?", "this one", "none of them", Repair.MERGE
    ),
    Task.ENDPOINT_LOCALIZATION: TaskWords(
        "Where does this segment break off?", "here", "nowhere", Repair.MERGE
    ),
    Task.SPLIT_PROPOSAL: TaskWords("Where should it be cut?", "here", "nowhere", Repair.SPLIT),
}


def words(task: Task) -> TaskWords:
    """Return the words of a task."""
    return _WORDS[task]
