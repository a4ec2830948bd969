"""Lanes and orders in words, and what the queue holds now, as the window shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from proofreading.triage import Lane

__all__ = ["LANE_WORDS", "WORDS", "QueueOrder", "Through"]


class QueueOrder(StrEnum):
    """What is asked first.

    Attributes
    ----------
    PROBABILITY
        What is most likely an error.
    VALUE
        What is worth most: the area of the contact times the chance, and a bonus for doubt
        (as `inference.adaptive.orders.Order.VALUE_UNCERTAINTY`, with the area for the gain).
    DISAGREEMENT
        Where the judges differ most.
    NEAR
        What is nearest to the last one.
    NEURON
        Along one neuron: every site of the segment, each near the one before; then the rest.
    RANDOM
        By chance, the same for the same seed.
    """

    PROBABILITY = "probability"
    VALUE = "value"
    DISAGREEMENT = "disagreement"
    NEAR = "near"
    NEURON = "neuron"
    RANDOM = "random"


WORDS: dict[QueueOrder, str] = {
    QueueOrder.PROBABILITY: "most probable first",
    QueueOrder.VALUE: "value × uncertainty",
    QueueOrder.DISAGREEMENT: "judges disagree",
    QueueOrder.NEAR: "near the last one",
    QueueOrder.NEURON: "along one neuron",
    QueueOrder.RANDOM: "random",
}


LANE_WORDS: dict[Lane, str] = {
    Lane.AUTOMATIC: "automatic",
    Lane.QUICK: "quick look",
    Lane.FULL: "full review",
}


@dataclass(frozen=True)
class Through:
    """What the queue holds now.

    Parameters
    ----------
    lane : Lane or None
        The lane that is looked through; None for all.
    counts : mapping of Lane to int
        Open questions in each lane.
    place : int or None
        Which row is on the screen, from 1; None where it is not among them.
    rows : int
        Rows that are listed.
    unlocked : bool
        Whether the automatic lane may be used.
    missing : int
        Blind answers that are missing until it may be.
    """

    lane: Lane | None = None
    order: QueueOrder = QueueOrder.PROBABILITY
    counts: Mapping[Lane, int] = field(default_factory=dict)
    place: int | None = None
    rows: int = 0
    unlocked: bool = False
    missing: int = 0

    @property
    def lane_words(self) -> str:
        """The lane in words."""
        return "all lanes" if self.lane is None else LANE_WORDS[self.lane]

    @property
    def order_words(self) -> str:
        """The order in words."""
        return WORDS[self.order]
