"""One question back, once for a site, where an answer contradicts a judge that is sure.

In simulated sessions it keeps slips of the hand from becoming merges: one look more for each
of the few answers that are improbable (docs/adaptive.md).
"""

from __future__ import annotations

from dataclasses import dataclass

from proofreading.decisions import Answer
from proofreading.ledger.events import SecondLookAsked
from proofreading.ledger.store import Ledger
from proofreading.verdicts import Verdict

__all__ = ["IMPROBABLE", "Doubt", "SecondLooks"]

IMPROBABLE = 0.05
"""An answer that is right less often than this, by the judge, is asked about again."""


@dataclass(frozen=True)
class Doubt:
    """An answer that waits to be given a second time.

    Parameters
    ----------
    probability : float
        What the judge says: the chance of a yes.
    """

    site_id: str
    answer: Answer
    probability: float


class SecondLooks:
    """Asks back, and remembers in the ledger of which site it did.

    Parameters
    ----------
    ledger : Ledger
        Where it is recorded.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.wanted = False
        self.doubt: Doubt | None = None

    def asks(self, site_id: str, answer: Answer, seen: Verdict | None) -> bool:
        """Tell whether an answer has to be given once more before it counts; recorded.

        Parameters
        ----------
        seen : Verdict or None
            The verdict that the person sees. One that is hidden must not be told by asking.
        """
        self.doubt = None
        if not self.wanted or seen is None or self._ledger.state.was_asked_twice(site_id):
            return False
        chance = _chance(answer, seen.probability)
        if chance is None or chance > IMPROBABLE:
            return False
        self._ledger.append(SecondLookAsked(site_id, answer, seen.probability))
        self.doubt = Doubt(site_id, answer, seen.probability)
        return True

    def leave(self) -> None:
        """Forget the question: the person has gone elsewhere."""
        self.doubt = None


def _chance(answer: Answer, probability: float) -> float | None:
    """Return how likely an answer is right, None for one that says neither yes nor no."""
    return {Answer.ACCEPT: probability, Answer.REJECT: 1 - probability}.get(answer)
