"""Decisions for the tests of what they add up to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count

from proofreading.decisions import Answer, Decider, Decision
from proofreading.verdicts import Task

START = datetime(2026, 1, 1, 8, tzinfo=UTC)
_numbers = count()


def blind(
    site_id: str,
    probability: float | None,
    answer: Answer,
    *,
    visible: bool = False,
    ms: int = 4000,
    at_s: float = 0.0,
    decider: Decider = Decider.PERSON,
) -> Decision:
    return Decision(
        id=f"made-{next(_numbers)}",
        site_id=site_id,
        task=Task.SPLIT_ERROR_CORRECTION,
        answer=answer,
        decider=decider,
        author="tester",
        decided_at=START + timedelta(seconds=at_s),
        elapsed_ms=ms,
        verdict_visible=visible,
        probability=probability,
    )
