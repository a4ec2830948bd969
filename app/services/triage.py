"""Use-case: which sites need how much of a person's time, and whether the dial may be used."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from app.services.opening import open_session
from connectome.errors import InputError, ModelError
from proofreading.catalogue import Counts
from proofreading.catalogue_judged import Judged
from proofreading.columns import Columns
from proofreading.confirmation import (
    BLIND_NEEDED,
    Confirmation,
    Lock,
    LockReason,
    lock_of,
)
from proofreading.decisions import Decision
from proofreading.ledger.events import RiskAccepted, SamplingChosen
from proofreading.ledger.store import Ledger
from proofreading.row_index import ABSENT, RowIndex
from proofreading.running import Running
from proofreading.sampling import SAMPLING, Purpose, are_drawn, is_drawn
from proofreading.session_lock import person
from proofreading.site_columns import KINDS
from proofreading.sites import SiteKind
from proofreading.triage import (
    DEFAULT_ERROR,
    STEPS,
    Audit,
    LaneCounts,
    Tally,
    Worth,
    step_below,
)

__all__ = ["Triage", "TriageReport", "TriageView", "triage_session", "usual_distance"]

_PAIRS = np.array([kind in (SiteKind.CONTACT, SiteKind.ENDPOINT) for kind in KINDS])
"""Kinds of which a yes can be turned into an edit without a person."""


class Scores(Protocol):
    """The part of a catalogue that triage reads."""

    def judged_since(self, change: int = 0, *, limit: int = 2000) -> Judged:
        """Return the sites whose score changed after a change number."""
        ...

    def counts(self) -> Counts:
        """Return how many sites there are."""
        ...


@dataclass(frozen=True)
class TriageView:
    """What the risk dial shows.

    Parameters
    ----------
    lock : Lock or None
        Why the automatic lane is locked; None where it may be used.
    """

    counts: LaneCounts
    confirmation: Confirmation
    lock: Lock | None
    audit: Audit
    audit_share: float
    needed: int = BLIND_NEEDED


@dataclass(frozen=True)
class TriageReport:
    """The lanes of a session, as the command line writes them."""

    accepted_error: float
    open: int
    automatic: int
    automatic_yes: int
    automatic_no: int
    quick_look: int
    full_review: int
    without_verdict: int
    unusual: int
    expected_wrong: float
    expected_wrong_low: int
    expected_wrong_high: int
    unlocked: bool
    missing: int
    why: str
    audit_share: float
    audit_open: int
    audited: int
    audited_wrong: int
    audited_error_high: float


class Triage:
    """Keeps the lanes of a session up to date.

    Parameters
    ----------
    usual : callable
        The distance beyond which a site is unlike a model's training; None if unknown.
    """

    def __init__(
        self,
        scores: Scores,
        ledger: Ledger,
        *,
        usual: Callable[[str], float | None] | None = None,
    ) -> None:
        self._scores = scores
        self._ledger = ledger
        self._usual = usual_distance if usual is None else usual
        self._tally = Tally()
        self._change = 0
        # Sites as numbers, and their place in the tally: a million of them must fit.
        self._index, self._places = _no_places()
        # Every answered site, and how many of them the tally has heard of.
        self._answered = self._answered_now()
        self._answered_heard = 0
        self.running = Running()
        self._drawn_by = self._drawing()

    @property
    def error_rate(self) -> float:
        """The error that the person accepts."""
        risk = self._ledger.state.risk
        return DEFAULT_ERROR if risk is None else step_below(risk.error_rate)

    @property
    def sampling(self) -> SamplingChosen:
        """How much of the work measures the work."""
        return self._ledger.state.sampling or SAMPLING

    def follow(self, limit: int = 2000) -> bool:
        """Take in one page of new verdicts; tell whether there may be more."""
        return bool(self.page(limit))

    def page(self, limit: int) -> Judged:
        """Take in one page of new verdicts and return it."""
        if self._drawn_by != self._drawing():
            self._begin_again()
        page = self._scores.judged_since(self._change, limit=limit)
        if len(page):
            self._take(page)
            self._change = page.change
        return page

    def are_unusual(self, judged: Judged) -> NDArray[np.bool_]:
        """Tell which sites are unlike what their judge was trained on."""
        distances, models = judged.scores["distance"], judged.scores["model"]
        unusual = np.zeros(len(judged), np.bool_)
        for model in np.unique(models[~np.isnan(distances)]).tolist():
            limit = self._usual(judged.models.get(model, ""))
            if limit is not None:
                unusual |= (models == model) & (distances > limit)
        return unusual

    def follow_all(self) -> None:
        """Take in everything there is."""
        while self.follow(20_000):
            pass

    def follow_ledger(self) -> list[Decision]:
        """Take in the events since the last call; return the decisions among them."""
        heard = self.running.history.last_number
        if heard == self._ledger.state.last_number:
            return []
        return [made for entry in self._ledger.events(heard) for made in self.running.take(entry)]

    def mark(self, site_id: str) -> None:
        """Count a site as answered, or as open again, as the ledger now says."""
        number = int(site_id, 16)
        answered = self._ledger.state.decision(site_id) is not None
        if answered == (number in self._answered):
            return
        (self._answered.add if answered else self._answered.discard)(number)
        row = self._index.row(number)
        if row != ABSENT:
            self._answered_heard += 1 if answered else -1
            change = self._tally.remove if answered else self._tally.add
            change(int(self._places["place"][row]))

    def accept(self, error_rate: float) -> None:
        """Set the dial; recorded with the person's name.

        Raises
        ------
        InputError
            If it lies outside the dial.
        """
        self._ledger.append(RiskAccepted(step_below(_checked(error_rate)), person()))

    def is_audited(self, site_id: str) -> bool:
        """Tell whether the audit has drawn a site of the automatic lane."""
        row = self._index.row(int(site_id, 16))
        if row == ABSENT:
            seed, share = self._drawn_by
            return is_drawn(Purpose.AUDIT, seed, site_id, share)
        place = self._places["place"][row : row + 1]
        return bool(self._tally.are_audited(place, self.error_rate)[0])

    def are_audited(self, numbers: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """Tell of sites, by their numbers, whether the audit has drawn them.

        A site that was not heard of yet counts as one of the automatic lane.
        """
        rows = self._index.rows(numbers)
        known = rows != ABSENT
        audited = np.empty(numbers.size, np.bool_)
        places = self._places["place"][rows[known]]
        audited[known] = self._tally.are_audited(places, self.error_rate)
        audited[~known] = self._drawn(numbers[~known])
        return audited

    def view(self, error_rate: float | None = None) -> TriageView:
        """Return the lanes at an accepted error, that of the dial if none is given."""
        rate = self.error_rate if error_rate is None else step_below(error_rate)
        self.follow_ledger()
        confirmed, audit = self.running.confirmation, self.running.audit(rate)
        counts = _with_unjudged(self._tally.at(rate), self._without_score())
        lock = lock_of(confirmed, self._tally.unusual_share)
        if lock is None and audit.exceeds(rate):
            share = audit.error
            text = f"The audit found {share.hits} of {share.count} wrong: more than you accept."
            lock = Lock(LockReason.MISTAKES, 0, text)
        return TriageView(counts, confirmed, lock, audit, self.sampling.audit)

    def worth(self, least: float) -> Worth:
        """Return what open sites promise that are at least so likely to be an error."""
        return self._tally.worth(least)

    def _without_score(self) -> int:
        """Return the number of open sites of which not even a failure is known."""
        answered = len(self._answered) - self._answered_heard
        return max(0, self._scores.counts().sites - len(self._index) - answered)

    def _take(self, judged: Judged) -> None:
        numbers = judged.numbers
        places = self._standing(judged)
        rows, answered = self._index.rows(numbers), self._are_answered(numbers)
        known = rows != ABSENT
        self._answered_heard += int((answered & ~known).sum())
        self._tally.remove_all(self._places["place"][rows[known & ~answered]])
        self._tally.add_all(places[~answered])
        self._places["place"][rows[known]] = places[known]
        # Others ask on threads of their own: first the places, then who finds them.
        made = self._places.extend(int((~known).sum()), {"place": places[~known]})
        self._index.add(numbers[~known], made)

    def _standing(self, judged: Judged) -> NDArray[np.int64]:
        scores = judged.scores
        decidable = _PAIRS[scores["kind"]] & (scores["partners"] > 0)
        drawn = self._drawn(judged.numbers)
        return self._tally.places(scores["probability"], self.are_unusual(judged), decidable, drawn)

    def _drawn(self, numbers: NDArray[np.uint64]) -> NDArray[np.bool_]:
        seed, share = self._drawn_by
        return are_drawn(Purpose.AUDIT, seed, numbers, share)

    def _are_answered(self, numbers: NDArray[np.uint64]) -> NDArray[np.bool_]:
        if not self._answered:
            return np.zeros(numbers.size, np.bool_)
        return np.isin(numbers, np.fromiter(self._answered, np.uint64))

    def _answered_now(self) -> set[int]:
        return {int(d.site_id, 16) for d in self._ledger.state.decisions()}

    def _drawing(self) -> tuple[int, float]:
        return self.sampling.seed, self.sampling.audit

    def _begin_again(self) -> None:
        """Another sample was chosen: every site has to be looked at again."""
        self._tally, self._change = Tally(), 0
        self._index, self._places = _no_places()
        self._answered, self._answered_heard = self._answered_now(), 0
        self._drawn_by = self._drawing()


def _no_places() -> tuple[RowIndex, Columns]:
    return RowIndex(), Columns({"place": np.int64})


def _with_unjudged(counts: LaneCounts, more: int) -> LaneCounts:
    """Return counts with more sites that have no verdict; they need a full review."""
    return replace(counts, unjudged=counts.unjudged + more, full=counts.full + more)


@cache
def usual_distance(model_id: str) -> float | None:
    """Return the distance that 95 % of a model's held-out pairs stay within, if known."""
    from inference.models.registry import find_model

    try:
        statistics = find_model(model_id).manifest.out_of_distribution
    except ModelError:
        return None  # A model that is gone left its verdicts; they cannot be checked.
    return None if statistics is None else statistics.percentile_95


def triage_session(folder: Path, error_rate: float | None = None) -> TriageReport:
    """Return the lanes of a session, at the error its dial accepts if none is given.

    Raises
    ------
    InputError
        If the error lies outside the dial.
    """
    rate = None if error_rate is None else _checked(error_rate)
    with open_session(folder, role="worker") as session:
        triage = Triage(session.catalogue, session.ledger)
        triage.follow_all()
        return _report(triage.view(rate))


def _report(view: TriageView) -> TriageReport:
    counts, error = view.counts, view.audit.error
    return TriageReport(
        accepted_error=counts.error_rate,
        open=counts.open,
        automatic=counts.automatic,
        automatic_yes=counts.accepted,
        automatic_no=counts.rejected,
        quick_look=counts.quick,
        full_review=counts.full,
        without_verdict=counts.unjudged,
        unusual=counts.unusual,
        expected_wrong=counts.wrong.value,
        expected_wrong_low=counts.wrong.low,
        expected_wrong_high=counts.wrong.high,
        unlocked=view.lock is None,
        missing=view.lock.missing if view.lock else 0,
        why=view.lock.text if view.lock else "",
        audit_share=view.audit_share,
        audit_open=counts.audited,
        audited=error.count,
        audited_wrong=error.hits,
        audited_error_high=error.high,
    )


def _checked(error_rate: float) -> float:
    if not STEPS[0] <= error_rate <= STEPS[-1]:
        raise InputError(
            f"An accepted error of {error_rate:g} lies outside the dial.",
            f"Choose between {STEPS[0]:g} and {STEPS[-1]:g}.",
        )
    return error_rate
