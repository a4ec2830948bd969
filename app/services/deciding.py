"""Use-case: decide automatically where the model is sure.

A judge is trusted per dataset, never in general: the automatic lane stays locked until
enough of the person's own blind decisions on this dataset agree with the calibration.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from app.services.answering import Answering
from app.services.opening import open_session
from app.services.present_roots import now, successors
from app.services.triage import usual_distance
from connectome.errors import InputError
from proofreading.confirmation import BLIND_NEEDED, confirmation_of, lock_of
from proofreading.decisions import Answer, Decider
from proofreading.sampling import SAMPLING, Purpose, is_drawn
from proofreading.session import Session
from proofreading.sites import Partner, Site, SiteKind
from proofreading.verdicts import Verdict

__all__ = ["AutomaticSummary", "chosen_thresholds", "decide_automatically", "thresholds_for"]


def thresholds_for(target_error: float) -> tuple[float, float]:
    """Return what is accepted above and rejected below at an accepted error.

    The rule of the risk dial (`proofreading.triage.lane_of`): a site is decided if its own
    calibrated chance of being decided wrongly is at most the target, so that the mean error
    of all of them is lower still, wherever the calibration holds.
    """
    return 1.0 - target_error, target_error


def chosen_thresholds(
    accept_above: float | None, reject_below: float | None, target_error: float | None
) -> tuple[float, float]:
    """Return the thresholds that a person stated, or those of the stated error.

    Raises
    ------
    InputError
        If neither or both were stated.
    """
    stated = accept_above is not None or reject_below is not None
    if stated == (target_error is not None):
        raise InputError(
            "It is not clear what may be decided automatically.",
            "Give either --target-error, or --accept-above and --reject-below.",
        )
    if target_error is not None:
        return thresholds_for(target_error)
    return (
        1.0 if accept_above is None else accept_above,
        0.0 if reject_below is None else reject_below,
    )


@dataclass(frozen=True)
class AutomaticSummary:
    """What was decided."""

    judged: int
    accepted: int
    rejected: int
    left_open: int
    left_unusual: int
    same_pair: int
    left_for_audit: int
    unlocked_by: str


def decide_automatically(
    folder: Path, *, accept_above: float, reject_below: float, unlock: bool
) -> AutomaticSummary:
    """Accept the sites above one probability and reject those below another.

    Sites that have an answer keep it. The pair accepted is the most probable partner's;
    a pair of segments that several sites name is decided once, at its most probable one,
    and not at all where a person has answered it at any of them.
    The sample that the audit draws is left to the person, who answers it without the verdict.
    Sites whose pictures are unusual for the model (beyond the 95th percentile of its own
    held-out pairs) are left to the person, however sure the model is.

    Raises
    ------
    InputError
        If the thresholds cross, or the automatic lane is locked and ``unlock`` is False.
    """
    if reject_below > accept_above:
        raise InputError(
            f"--reject-below {reject_below} lies above --accept-above {accept_above}.",
            "Choose a lower one to reject or a higher one to accept.",
        )
    with open_session(folder) as session:
        confirmed = confirmation_of(session.ledger.state.decisions())
        lock = lock_of(confirmed)
        if lock is not None and not unlock:
            raise InputError(
                "The automatic lane is locked: your own decisions on this dataset do not yet "
                f"confirm the judge ({confirmed.blind} of {BLIND_NEEDED} blind decisions).",
                f"{lock.text} Answer more sites with the verdict hidden, or pass --unlock to "
                "decide anyway.",
            )
        reason = "confirmed" if lock is None else "--unlock"
        return _decide(session, accept_above, reject_below, reason)


def _decide(
    session: Session, accept_above: float, reject_below: float, reason: str
) -> AutomaticSummary:
    answering = Answering(decider=Decider.AUTOMATIC)
    counts = {Answer.ACCEPT: 0, Answer.REJECT: 0}
    judged = unusual = again = audited = 0
    sampling = session.ledger.state.sampling or SAMPLING
    present = successors(session.ledger.state)
    seen = _answered_pairs(session, present)
    for site, partner, verdict in _judged_open_sites(session):
        judged += 1
        answer = _answer(verdict.probability, accept_above, reject_below)
        if answer is None:
            continue
        pair = frozenset(now(root, present) for root in (site.root, partner.root))
        if pair in seen or len(pair) == 1:
            again += 1
            continue
        if _is_unusual(verdict):
            unusual += 1
            continue
        if is_drawn(Purpose.AUDIT, sampling.seed, site.id, sampling.audit):
            audited += 1
            continue
        counts[answer] += 1
        seen.add(pair)
        events = answering.decide(
            site, partner, answer, verdict=verdict, reason=f"automatic, {reason}"
        )
        session.ledger.append_all(events)
    decided = sum(counts.values())
    return AutomaticSummary(
        judged=judged,
        accepted=counts[Answer.ACCEPT],
        rejected=counts[Answer.REJECT],
        left_open=judged - decided - unusual - again - audited,
        left_unusual=unusual,
        same_pair=again,
        left_for_audit=audited,
        unlocked_by=reason,
    )


def _answer(probability: float, accept_above: float, reject_below: float) -> Answer | None:
    if probability > accept_above:
        return Answer.ACCEPT
    return Answer.REJECT if probability < reject_below else None


def _answered_pairs(session: Session, present: Mapping[int, int]) -> set[frozenset[int]]:
    """Return the pairs of present roots that have an answer, at whatever site."""
    found = set()
    for decision in session.ledger.state.decisions():
        site = session.catalogue.site(decision.site_id)
        for partner in site.partners if site is not None else ():
            if site is not None and partner.supervoxel == decision.partner_supervoxel:
                found.add(frozenset(now(root, present) for root in (site.root, partner.root)))
    return found


def _is_unusual(verdict: Verdict) -> bool:
    distance = verdict.provenance.out_of_distribution
    limit = usual_distance(verdict.provenance.measure)
    return distance is not None and limit is not None and distance > limit


def _judged_open_sites(session: Session) -> Iterator[tuple[Site, Partner, Verdict]]:
    """Yield open pairs with their verdicts, the most probable first."""
    found = []
    for kind in (SiteKind.CONTACT, SiteKind.ENDPOINT):
        for site in session.catalogue.sites(kind):
            verdict = session.catalogue.best_verdict(site.id)
            if verdict is None or session.ledger.state.decision(site.id) is not None:
                continue
            for partner in site.partners:
                if partner.supervoxel == verdict.partner_supervoxel:
                    found.append((site, partner, verdict))
    found.sort(key=lambda each: -each[2].probability)
    yield from found
