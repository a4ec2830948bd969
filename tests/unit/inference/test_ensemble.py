"""An ensemble asks its slow member only where the quick one is unsure."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from connectome.errors import ModelError
from inference.judges.ensemble import EnsembleJudge
from proofreading.verdicts import FailedVerdict, Verdict
from tests.arrays import ArrayDatastack
from tests.site_judges import ScriptedJudge, contact_site, ensemble_manifest, scripted_manifest

NOWHERE = ArrayDatastack(
    np.zeros((2, 2, 2), np.uint8), None, np.ones((2, 2, 2), np.uint64), (1.0, 1.0, 1.0)
)
SURE, OPEN, LOST = contact_site(1, (201,)), contact_site(2, (202, 203)), contact_site(3, (204,))
QUICK: dict[tuple[str, int | None], float] = {
    (SURE.id, 201): -8.0,
    (OPEN.id, 202): 1.0,
    (OPEN.id, 203): -9.0,
    (LOST.id, 204): 0.0,
}
SLOW: dict[tuple[str, int | None], float] = {(OPEN.id, 202): 3.0}


def _ensemble() -> tuple[EnsembleJudge, ScriptedJudge, ScriptedJudge]:
    quick = ScriptedJudge(scripted_manifest("quick"), QUICK)
    slow = ScriptedJudge(scripted_manifest("slow"), SLOW)
    manifest = ensemble_manifest({"quick": 0.25, "slow": 0.75}, (-4.0, 4.0))
    return EnsembleJudge(manifest, [quick, slow]), quick, slow


def test_the_slow_member_sees_only_what_is_open() -> None:
    ensemble, quick, slow = _ensemble()
    results = ensemble.judge_sites(NOWHERE, [SURE, OPEN])
    assert [r.partner_supervoxel for r in results] == [201, 202, 203]
    assert quick.asked == [[SURE.id, OPEN.id]]
    assert slow.asked == [[OPEN.id]]


def test_logits_add_up_with_their_weights_and_are_calibrated() -> None:
    ensemble, _, _ = _ensemble()
    _, both, ruled_out = ensemble.judge_sites(NOWHERE, [SURE, OPEN])
    assert isinstance(both, Verdict)
    assert isinstance(ruled_out, Verdict)
    expected = 0.5 + 0.25 * 1.0 + 0.75 * 3.0
    assert both.raw_score == pytest.approx(expected)
    assert both.probability == pytest.approx(expit(expected / 2.0))
    assert ruled_out.probability == pytest.approx(expit(-9.0 / 2.0))
    assert both.provenance.model_id == "together"
    assert both.provenance.latency_ms == pytest.approx(0.2)


def test_what_each_member_said_can_be_told() -> None:
    ensemble, _, _ = _ensemble()
    told = ensemble.explained(NOWHERE, [OPEN])
    ids = [[said.provenance.model_id for said in m if isinstance(said, Verdict)] for _, m in told]
    assert ids == [["quick", "slow"], ["quick"]]


def test_a_member_that_fails_is_the_reason() -> None:
    ensemble, _, _ = _ensemble()
    (result,) = ensemble.judge_sites(NOWHERE, [LOST])
    assert isinstance(result, FailedVerdict)
    assert "script" in result.reason


def test_a_ranking_is_remembered_once() -> None:
    ensemble, quick, _ = _ensemble()
    ensemble.rank(NOWHERE, [SURE, OPEN])
    first = ensemble.judge_sites(NOWHERE, [SURE, OPEN])
    assert quick.asked == [[SURE.id, OPEN.id], []]
    again = ensemble.judge_sites(NOWHERE, [SURE, OPEN])
    assert quick.asked[-1] == [SURE.id, OPEN.id]
    assert [r.partner_supervoxel for r in first] == [r.partner_supervoxel for r in again]


def test_other_members_are_refused() -> None:
    _, quick, slow = _ensemble()
    manifest = ensemble_manifest({"quick": 1.0, "slow": 1.0}, (-4.0, 4.0))
    with pytest.raises(ModelError, match="not the models"):
        EnsembleJudge(manifest, [slow, quick])
    with pytest.raises(ModelError, match="not the models"):
        EnsembleJudge(scripted_manifest("alone"), [quick])
