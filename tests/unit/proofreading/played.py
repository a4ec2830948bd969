"""A session that somebody worked in, made of a seed: sites, verdicts, answers and edits."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from proofreading.blind import is_hidden
from proofreading.decisions import Answer, Decision
from proofreading.edits import EditState
from proofreading.export.merges import merge_edit
from proofreading.ledger.events import (
    DecisionMade,
    EditChanged,
    EditQueued,
    Event,
    GoldAdded,
    SamplingChosen,
)
from proofreading.session import Session
from proofreading.sites import Site
from tests.unit.ledger.build import a_partner, a_site, a_verdict
from tests.unit.proofreading.decided import START, blind

SAMPLING = SamplingChosen(blind=0.4, audit=0.05, gold=1.0, seed=3, author="tester")
GOLD = 30


def played(folder: Path, *, sites: int = 600, answers: int = 420, seed: int = 0) -> Session:
    """Return an open session; close it."""
    session = Session.open(folder, datastack_name="offline_test", datastack_address="/nowhere")
    drawn = random.Random(seed)
    found = [a_site(number) for number in range(1, sites + 1)]
    session.catalogue.add_sites(found)
    chances = {site.id: drawn.betavariate(0.35, 0.6) for site in found[:-20]}
    session.catalogue.add_verdicts(a_verdict(site.number, chances[site.id]) for site in found[:-20])
    truth = {site_id: drawn.random() < chance for site_id, chance in chances.items()}
    gold = [found[number].id for number in range(0, min(GOLD * 7, sites - 20), 7)]
    session.ledger.append(SAMPLING)
    session.ledger.append_all(GoldAdded(s, _word(yes=truth[s]), "test") for s in gold)
    session.ledger.append_all(_events(found[:answers], chances, truth, set(gold), drawn))
    return session


def _events(
    sites: list[Site],
    chances: dict[str, float],
    truth: dict[str, bool],
    gold: set[str],
    drawn: random.Random,
) -> Iterator[Event]:
    at = START
    for number, site in enumerate(sites):
        seconds = min(50.0, drawn.lognormvariate(1.4 + (number > 300) * 0.3, 0.5))
        at += timedelta(seconds=seconds + (3 * 3600 if number == 330 else 0.5))
        hidden = is_hidden(site.id, SAMPLING, gold=site.id in gold, audited=False)
        right = drawn.random() < 0.94
        yes = truth[site.id] if right else not truth[site.id]
        yield from _answer(
            site.id, chances[site.id], _word(yes=yes), seconds, at, visible=not hidden
        )
        said = chances[site.id] > 0.5
        if hidden and yes != said and drawn.random() < 0.3:
            at += timedelta(seconds=2)
            yield from _answer(site.id, chances[site.id], _word(yes=said), 2.0, at, visible=True)


def _word(*, yes: bool) -> Answer:
    return Answer.ACCEPT if yes else Answer.REJECT


def _answer(
    site_id: str, chance: float, answer: Answer, seconds: float, at: datetime, *, visible: bool
) -> Iterator[Event]:
    made: Decision = replace(
        blind(site_id, chance, answer, visible=visible, ms=int(seconds * 1000)),
        decided_at=at,
        partner_supervoxel=a_partner(100).supervoxel,
    )
    yield DecisionMade(made)
    if answer is Answer.ACCEPT:
        edit = merge_edit(made, a_site(int(site_id, 16)))
        yield EditQueued(edit)
        if int(site_id, 16) % 5:
            yield EditChanged(edit.id, EditState.COMMITTED, int(site_id, 16), (77,))
