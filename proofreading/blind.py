"""How well a person answers alone, and how far a judge's opinion moves them.

On a set share of sites the verdict stays hidden until the person has answered; then it is
shown, and the person may change their mind. Sites with known answers, mixed in, tell how
often the person is right. Everything here looks at the first answer to a site.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from proofreading.decisions import Answer, Decision
from proofreading.history import History, says_yes, told
from proofreading.intervals import Share, share_of
from proofreading.ledger.events import GoldAdded, SamplingChosen
from proofreading.sampling import Purpose, is_drawn

__all__ = [
    "BlindReport",
    "BlindTally",
    "Difference",
    "blind_report",
    "difference",
    "is_hidden",
]


@dataclass(frozen=True)
class Difference:
    """One share less another, with its 95 % interval; None where one has no answers."""

    value: float | None
    low: float
    high: float


@dataclass(frozen=True)
class BlindReport:
    """What first answers say about the person, and what second ones about the judge's pull.

    Parameters
    ----------
    accuracy : Share
        First answers to gold sites that are right.
    found, spared : Share
        The same of gold sites whose answer is yes (sensitivity), and no (specificity).
    agree_blind, agree_shown : Share
        First answers like the judge's, with the verdict hidden and shown.
    pull : Difference
        `agree_shown` less `agree_blind`: what seeing the verdict adds to agreement. Sites
        are drawn at random, so this compares like with like.
    flips_to : Share
        Of blind answers unlike the judge's, those changed to the judge's once it was seen.
    flips_away : Share
        Of blind answers like the judge's, those changed to the contrary.
    judge_accuracy : Share
        The judge's own answers to the gold sites that the person answered.
    """

    accuracy: Share
    found: Share
    spared: Share
    agree_blind: Share
    agree_shown: Share
    pull: Difference
    flips_to: Share
    flips_away: Share
    judge_accuracy: Share


def is_hidden(site_id: str, sampling: SamplingChosen, *, gold: bool, audited: bool) -> bool:
    """Tell whether a site's verdict is hidden until the person has answered.

    Parameters
    ----------
    gold, audited : bool
        Whether its answer is known, and whether it is an audit of the automatic lane: to
        these the person must answer alone.
    """
    return gold or audited or is_drawn(Purpose.BLIND, sampling.seed, site_id, sampling.blind)


def blind_report(history: History) -> BlindReport:
    """Return what a session's answers say."""
    tally = BlindTally()
    for site_id in history.sites():
        tally.look_again(site_id, history)
    return tally.report()


class BlindTally:
    """The counts of such a report, kept up to date site by site."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, bool]] = Counter()
        self._of_site: dict[str, list[tuple[str, bool]]] = {}

    def look_again(self, site_id: str, history: History) -> None:
        """Count a site as its answers are now."""
        self._counts.subtract(self._of_site.pop(site_id, ()))
        found = list(_outcomes(history.own_at(site_id), history.gold.get(site_id)))
        if found:
            self._of_site[site_id] = found
            self._counts.update(found)

    def report(self) -> BlindReport:
        """Return the report."""
        agree_blind, agree_shown = self._share("agree_blind"), self._share("agree_shown")
        return BlindReport(
            accuracy=self._share("accuracy"),
            found=self._share("found"),
            spared=self._share("spared"),
            agree_blind=agree_blind,
            agree_shown=agree_shown,
            pull=difference(agree_shown, agree_blind),
            flips_to=self._share("flips_to"),
            flips_away=self._share("flips_away"),
            judge_accuracy=self._share("judge_accuracy"),
        )

    def _share(self, name: str) -> Share:
        hits = self._counts[name, True]
        return share_of(hits, hits + self._counts[name, False])


def _outcomes(answers: Sequence[Decision], gold: GoldAdded | None) -> Iterator[tuple[str, bool]]:
    """Yield the shares that a site counts in, and whether as a hit."""
    if not answers or not told(answers[0]):
        return
    first = answers[0]
    if first.probability is not None and first.verdict_visible:
        yield "agree_shown", _agrees(first)
    elif first.probability is not None:
        yield "agree_blind", _agrees(first)
        yield "flips_away" if _agrees(first) else "flips_to", _changed(answers)
    if gold is not None:
        right = _right(gold, first)
        yield "accuracy", right
        yield "found" if gold.answer is Answer.ACCEPT else "spared", right
        if first.probability is not None:
            yield "judge_accuracy", says_yes(first.probability) == (gold.answer is Answer.ACCEPT)


def difference(one: Share, other: Share) -> Difference:
    """Return a share less another (Newcombe 1998, method 10, over exact intervals)."""
    if one.value is None or other.value is None:
        return Difference(None, -1.0, 1.0)
    value = one.value - other.value
    below = math.hypot(one.value - one.low, other.high - other.value)
    above = math.hypot(one.high - one.value, other.value - other.low)
    return Difference(value, max(-1.0, value - below), min(1.0, value + above))


def _agrees(decision: Decision) -> bool:
    assert decision.probability is not None
    return (decision.answer is Answer.ACCEPT) == says_yes(decision.probability)


def _right(gold: GoldAdded, decision: Decision) -> bool:
    if decision.answer is not gold.answer:
        return False
    # A yes to another partner than the true one is no right answer.
    asked = gold.partner_supervoxel is not None and gold.answer is Answer.ACCEPT
    return not asked or decision.partner_supervoxel == gold.partner_supervoxel


def _changed(answers: Sequence[Decision]) -> bool:
    """Tell whether the person's last word, with the verdict shown, contradicts the first."""
    later = [d for d in answers[1:] if d.verdict_visible and told(d)]
    return bool(later) and later[-1].answer is not answers[0].answer
