"""Which judge answers what, in which order."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from app.services.panel import Panel, held_out_batches, judge_batches
from inference.judges.base import SiteJudge
from inference.judges.ensemble import EnsembleJudge
from inference.models.manifest import Block
from proofreading.catalogue import Catalogue
from proofreading.sites import Site, SiteKind
from proofreading.verdicts import Task
from tests.arrays import ArrayDatastack
from tests.site_judges import ScriptedJudge, contact_site, ensemble_manifest, scripted_manifest

NOWHERE = ArrayDatastack(
    np.zeros((2, 2, 2), np.uint8), None, np.ones((2, 2, 2), np.uint64), (1.0, 1.0, 1.0)
)
SITES = [contact_site(n, (200 + n,)) for n in range(1, 21)]
TIP = contact_site(50, (), SiteKind.ENDPOINT)
JUNCTION = contact_site(51, (), SiteKind.JUNCTION)
QUICK: dict[tuple[str, int | None], float] = {
    (site.id, site.partners[0].supervoxel): n / 10 - 1 for n, site in enumerate(SITES)
}


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    with Catalogue.open(tmp_path / "c.sqlite") as found:
        found.add_sites([*SITES, TIP, JUNCTION])
        yield found


def _ensemble() -> tuple[EnsembleJudge, ScriptedJudge]:
    quick = ScriptedJudge(scripted_manifest("quick"), QUICK)
    slow = ScriptedJudge(scripted_manifest("slow"), QUICK)
    manifest = ensemble_manifest({"quick": 0.5, "slow": 0.5}, (-9.0, 9.0))
    return EnsembleJudge(manifest, [quick, slow]), slow


def _one_segment(task: Task, site: Site) -> ScriptedJudge:
    return ScriptedJudge(scripted_manifest(task.value, task), {(site.id, None): 1.0})


def test_quick_judges_first_then_the_most_probable(catalogue: Catalogue) -> None:
    ensemble, slow = _ensemble()
    fused = _one_segment(Task.MERGE_ERROR_IDENTIFICATION, JUNCTION)
    batches = list(judge_batches(Panel([ensemble, fused]), NOWHERE, catalogue))
    # Of a looked-at pair, what both members said is kept beside what they say together.
    assert [len(batch) for batch in batches] == [20, 1, 3 * 8, 3 * 8, 3 * 4]
    said = catalogue.verdicts(SITES[-1].id, Task.SPLIT_ERROR_CORRECTION)
    assert [verdict.provenance.model_id for verdict in said] == ["together", "slow", "quick"]
    assert [part.model_id for part in said[0].parts] == ["quick", "slow"]
    assert slow.asked[0] == [site.id for site in reversed(SITES[12:])]
    assert fused.asked == [[JUNCTION.id]]
    best = catalogue.best_verdict(SITES[-1].id)
    assert best is not None
    assert best.provenance.model_id == "together"
    assert list(judge_batches(Panel([ensemble, fused]), NOWHERE, catalogue)) == []


def test_what_somebody_else_judges_meanwhile_is_not_judged_twice(catalogue: Catalogue) -> None:
    ensemble, _ = _ensemble()
    elsewhere, _ = _ensemble()
    batches = judge_batches(Panel([ensemble]), NOWHERE, catalogue)
    next(batches)
    next(batches)
    promising = list(reversed(SITES))
    looked_at = [promising[9], promising[17]]
    catalogue.add_verdicts(Panel([elsewhere]).judge(NOWHERE, looked_at))
    slow_batches = [{result.site_id for result in batch} for batch in batches]
    assert [len(batch) for batch in slow_batches] == [7, 3]
    assert not {site.id for site in looked_at} & set().union(*slow_batches)
    for site in SITES:
        models = [v.provenance.model_id for v in catalogue.verdicts(site.id)]
        assert models.count("together") == 1


def test_a_site_on_the_screen_is_not_ranked_again(catalogue: Catalogue) -> None:
    there, _ = _ensemble()
    catalogue.add_verdicts(there.rank(NOWHERE, SITES[:1]))
    ensemble, _ = _ensemble()
    panel = Panel([ensemble]).without_verdict(catalogue, SITES[0])
    panel.recall(catalogue, SITES[0])
    catalogue.add_verdicts(panel.judge(NOWHERE, SITES[:1]))
    quick = ensemble.members[0]
    assert isinstance(quick, ScriptedJudge)
    assert quick.asked in ([], [[]])
    said = catalogue.verdicts(SITES[0].id, Task.SPLIT_ERROR_CORRECTION)
    assert [v.provenance.model_id for v in said] == ["together", "slow", "quick"]


def test_a_tip_without_partner_is_asked_whether_it_ends(catalogue: Catalogue) -> None:
    tips = _one_segment(Task.SPLIT_ERROR_IDENTIFICATION, TIP)
    panel = Panel([tips])
    assert panel.without_verdict(catalogue, TIP).judges == (tips,)
    assert panel.without_verdict(catalogue, SITES[0]).judges == ()
    catalogue.add_verdicts(panel.judge(NOWHERE, [TIP, SITES[0], JUNCTION]))
    assert panel.without_verdict(catalogue, TIP).judges == ()
    assert tips.asked == [[TIP.id]]
    assert catalogue.score(TIP.id).probability == pytest.approx(0.62, abs=0.01)


def test_questions_count_every_pass(catalogue: Catalogue) -> None:
    ensemble, _ = _ensemble()
    by_kind = catalogue.counts().by_kind
    # The contacts twice, and the tip without a partner as often, which is then not asked.
    assert Panel([ensemble]).questions(by_kind) == 2 * 21


def test_held_out_judges_stay_in_their_blocks(catalogue: Catalogue) -> None:
    def judge(name: str, low: float, high: float) -> SiteJudge:
        block = Block(low_nm=(low, -1, -1), high_nm=(high, 1, 1))
        return ScriptedJudge(scripted_manifest(name, blocks=(block,)), QUICK)

    panel = Panel([judge("left", 0, 5000), judge("right", 5000, 9000)])
    results = [r for batch in held_out_batches(panel, NOWHERE, catalogue) for r in batch]
    assert len(results) == 8
    judged_by = {
        site.id: verdict.provenance.model_id
        for site in SITES
        if (verdict := catalogue.best_verdict(site.id)) is not None
    }
    assert [judged_by.get(site.id) for site in SITES[:9]] == ["left"] * 4 + ["right"] * 4 + [None]
    assert list(held_out_batches(panel, NOWHERE, catalogue)) == []
