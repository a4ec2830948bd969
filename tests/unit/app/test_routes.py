"""How much two models count together, from the person's own answers."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from app.services.routes import fit_routes
from inference.judges.combining import average
from inference.judges.routing import read_routing
from proofreading.decisions import Answer, Decider, Decision
from proofreading.ledger.events import DecisionMade
from proofreading.session import Session
from proofreading.verdicts import Part, Provenance, Task, Verdict
from tests.site_judges import contact_site

TASK = Task.SPLIT_ERROR_CORRECTION
NOW = datetime(2026, 3, 1, tzinfo=UTC)


def _verdict(site_id: str, first: float, second: float) -> Verdict:
    where = Provenance("a.with.b", "0" * 64, "c", "p", "1", "CPU", 1.0, prompt_sha256="1" * 64)
    parts = (Part("a", "0" * 64, first, 0.0), Part("b", "0" * 64, second, 0.0))
    return Verdict(site_id, TASK, 200, first, 0.0, NOW, where, parts=parts)


def _answer(site_id: str, yes: bool, decider: Decider = Decider.PERSON) -> DecisionMade:
    answer = Answer.ACCEPT if yes else Answer.REJECT
    return DecisionMade(
        Decision(f"d-{site_id}", site_id, TASK, answer, decider, "me", NOW, 1000, True,
                 partner_supervoxel=200)
    )  # fmt: skip


def _session(folder: Path, count: int, decider: Decider = Decider.PERSON) -> None:
    """Make a session in which the second model is right and the first knows nothing."""
    rng = np.random.default_rng(2)
    sites = [contact_site(number) for number in range(1, count + 1)]
    with Session.open(folder, datastack_name="offline_x", datastack_address="/nowhere") as session:
        session.catalogue.add_sites(sites)
        for site in sites:
            yes = bool(rng.random() < 0.4)
            second = float(np.clip(0.5 + (0.3 if yes else -0.3) + rng.normal(0, 0.15), 0.02, 0.98))
            first = float(rng.uniform(0.2, 0.8))
            session.catalogue.add_verdicts([_verdict(site.id, first, second)])
            session.ledger.append(_answer(site.id, yes, decider))


def test_what_was_right_counts_more(tmp_path: Path) -> None:
    folder = tmp_path / "s.proofdesk"
    _session(folder, 120)
    (fitted,) = fit_routes(folder)
    assert fitted.weights is not None
    assert fitted.answers == 120
    assert fitted.weights.second > 2 * fitted.weights.first
    kept = read_routing(folder).route(TASK).weights
    assert kept == fitted.weights
    assert kept.models == ("a", "b")
    assert kept.probability(0.5, 0.9) > average().probability(0.5, 0.9)


@pytest.mark.parametrize(("count", "decider"), [(20, Decider.PERSON), (60, Decider.AUTOMATIC)])
def test_too_few_own_answers_fit_nothing(tmp_path: Path, count: int, decider: Decider) -> None:
    folder = tmp_path / "s.proofdesk"
    _session(folder, count, decider)
    assert [each.weights for each in fit_routes(folder)] == ([None] if count == 20 else [])
    assert read_routing(folder).route(TASK).weights is None
