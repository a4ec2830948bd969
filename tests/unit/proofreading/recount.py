"""Figures counted anew from all decisions, to compare those that follow each answer with."""

from __future__ import annotations

from collections.abc import Iterable

from proofreading.decisions import Decision
from proofreading.triage import Audit, AuditTally


def audit_of(decisions: Iterable[Decision], error_rate: float, *, seed: int, share: float) -> Audit:
    """Return what the person's blind answers say about the automatic lane.

    Counted are blind decisions about drawn sites whose probability then was sure enough
    for the lane; wrong is where the person answered otherwise than the judge.
    """
    tally = AuditTally(seed, share)
    for decision in decisions:
        tally.add(decision)
    return tally.at(error_rate)
