"""The router: who is asked, for how long, and what the answers add up to."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectome.errors import InputError, ModelError
from inference.calibration import fit_temperature
from inference.judges.combining import Weights, average, first_alone
from inference.judges.router import Reason, Router
from inference.judges.routing import Purse, Route, Routing, read_routing, write_routing
from inference.judges.vlm.judge import VlmJudge
from inference.models.registry import ModelFolder
from inference.training.combination import fit_combination
from proofreading.ledger.codec import from_plain, to_plain
from proofreading.sites import Site
from proofreading.verdicts import FailedVerdict, Part, Task, Verdict
from tests.arrays import ArrayDatastack
from tests.language_models import FlatViews, language_folder
from tests.scripted_language import Scripted, said
from tests.site_judges import ScriptedJudge, scripted_manifest
from tests.slabs import slab_sites, slabs

CHANCE = st.floats(0.001, 0.999)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    calibration = fit_temperature(
        np.array([-2.0, -1.0, 1.0, 2.0, -1.5, 1.5]),
        np.array([False, False, True, True, True, False]),
        "a script",
        0.5,
    )
    where = tmp_path_factory.mktemp("models") / "words"
    # Nothing here loads the base, so that none is needed.
    return language_folder(where, Path("some/base"), name="words", calibration=calibration)


def _router(
    folder: ModelFolder, logits: dict[int, float], model: Scripted, route: Route
) -> tuple[Router, list[Site], ArrayDatastack]:
    sites = slab_sites()
    script = {
        (site.id, site.partners[0].supervoxel): logits[n]
        for n, site in enumerate(sites)
        if n in logits
    }
    first = ScriptedJudge(scripted_manifest("numbers"), script)  # type: ignore[arg-type]
    second = VlmJudge(folder, model=model, views=FlatViews())
    return Router(second, first, route), sites, slabs()


@given(CHANCE, CHANCE)
def test_without_labels_nothing_is_surer_than_the_surer_of_the_two(a: float, b: float) -> None:
    joint = average().probability(a, b)
    assert min(a, b) - 1e-9 <= joint <= max(a, b) + 1e-9
    assert average().probability(a, 1 - a) == pytest.approx(0.5)
    assert first_alone().probability(a, b) == pytest.approx(a)


def test_weights_fitted_on_answers_are_calibrated() -> None:
    rng = np.random.default_rng(3)
    truth = rng.random(6000) < 0.2
    odds = np.where(truth, 1.0, -1.0)[:, None] * (1.2, 0.4) + rng.normal(0, (1.5, 1.5), (6000, 2))
    fitted = fit_combination(odds[:3000], truth[:3000], balanced=False, ridge=1 / 3000)
    weights = Weights(first=fitted.weights[0], second=fitted.weights[1], bias=fitted.bias)
    chance = 1 / (1 + np.exp(-odds))
    joint = np.array([weights.probability(*row) for row in chance[3000:]])
    assert weights.first > weights.second > 0
    assert joint.mean() == pytest.approx(truth[3000:].mean(), abs=0.02)
    for low in (0.0, 0.25, 0.5, 0.75):
        inside = (joint >= low) & (joint < low + 0.25)
        assert joint[inside].mean() == pytest.approx(truth[3000:][inside].mean(), abs=0.06)


def test_only_what_is_open_is_asked_and_the_answer_names_both(folder: ModelFolder) -> None:
    model = Scripted([said(0, 3.0, "They line up.")])
    router, sites, stack = _router(folder, {0: 0.2, 1: -9.0}, model, Route(seconds_per_site=60.0))
    (joint, parts), (sure, alone) = router.explained(stack, sites)
    assert isinstance(joint, Verdict)
    assert joint.provenance.model_id == "numbers.with.words"
    assert [part.model_id for part in joint.parts] == ["numbers", "words"]
    assert joint.rationale == "They line up."
    first, second = parts
    assert isinstance(first, Verdict)
    assert isinstance(second, Verdict)
    assert first.probability < joint.probability < second.probability
    assert joint.made_at >= max(first.made_at, second.made_at)
    assert joint.parts[1].prompt_sha256 == second.provenance.prompt_sha256
    assert from_plain(Verdict, to_plain(joint)) == joint
    assert isinstance(sure, Verdict)
    assert alone == (sure,)
    assert len(model.asked) == 1


def test_disagreement_and_the_task_are_reasons_too(folder: ModelFolder) -> None:
    route = Route(disagreement=0.4)
    router, sites, stack = _router(folder, {0: -9.0, 1: -9.0}, Scripted([]), route)
    assert router.first is not None
    verdict, _ = router.first.judge_sites(stack, sites)
    assert isinstance(verdict, Verdict)
    assert router.wants(verdict) is None
    parts = tuple(Part(name, "0" * 64, chance, 0.0) for name, chance in (("a", 0.1), ("b", 0.6)))
    wanted = router.wants(replace(verdict, parts=parts))
    assert wanted is not None
    assert wanted.reason is Reason.DISAGREEMENT
    assert wanted.urgency == pytest.approx(0.5)
    router.route = Route(always=True)
    wanted = router.wants(verdict)
    assert wanted is not None
    assert wanted.reason is Reason.TASK


def test_when_the_time_is_spent_nobody_else_is_asked(folder: ModelFolder) -> None:
    model = Scripted([said(0, 1.0, latency_ms=3000.0)])
    route = Route(seconds_per_site=1.0)
    router, sites, stack = _router(folder, {0: 1.5, 1: 0.1}, model, route)
    results = router.judge_sites(stack, sites)
    asked = [isinstance(r, Verdict) and bool(r.parts) for r in results]
    # Only the more doubtful of the two; it took more than both sites had earned.
    assert asked == [False, True]
    assert router.purse.left_s == pytest.approx(-1.0)
    router.judge_sites(stack, sites)
    assert len(model.asked) == 1
    for _ in range(4):
        router.judge_sites(stack, sites)
    # Six times two sites have earned twelve seconds: four answers of three.
    assert len(model.asked) == 4
    assert router.purse.left_s == pytest.approx(0.0)


def test_a_second_judge_that_fails_leaves_the_first_answer(folder: ModelFolder) -> None:
    model = Scripted([], trouble=ModelError("It ended twice.", "Ask again."))
    router, sites, stack = _router(folder, {0: 0.2}, model, Route(seconds_per_site=60.0))
    (kept, parts), (failed, _) = router.explained(stack, sites)
    assert isinstance(kept, Verdict)
    assert kept.provenance.model_id == "numbers"
    assert isinstance(parts[1], FailedVerdict)
    # Where both fail, the first reason stands.
    assert isinstance(failed, FailedVerdict)
    assert "script" in failed.reason


def test_a_model_that_was_never_calibrated_gives_reasons_and_no_number(tmp_path: Path) -> None:
    plain = language_folder(tmp_path / "plain", Path("some/base"), name="plain")
    model = Scripted([said(0, 5.0, "Because.")])
    router, sites, stack = _router(plain, {0: 0.2, 1: -9.0}, model, Route(seconds_per_site=60.0))
    joint, _ = router.judge_sites(stack, sites)
    assert isinstance(joint, Verdict)
    assert joint.probability == pytest.approx(joint.parts[0].probability)
    assert joint.rationale == "Because."


def test_weights_of_other_models_do_not_count(folder: ModelFolder) -> None:
    model = Scripted([said(0, 3.0)])
    mine = Weights(first=0.0, second=1.0, samples=50, models=("numbers", "words"))
    others = Weights(first=0.0, second=1.0, samples=50, models=("numbers", "others"))
    for weights, used in ((mine, mine), (others, average())):
        route = Route(seconds_per_site=60.0, weights=weights)
        router, sites, stack = _router(folder, {0: 0.2, 1: -9.0}, model, route)
        assert router.weights == used
        joint, _ = router.judge_sites(stack, sites)
        assert isinstance(joint, Verdict)
        assert joint.provenance.calibration_id == used.id


def test_a_purse_is_filled_by_sites_and_emptied_by_answers() -> None:
    purse = Purse(0.5)
    assert not purse.affords()
    purse.earn(4)
    assert purse.affords()
    purse.spend(1.5)
    assert purse.mean_s == pytest.approx(1.5)
    assert not purse.affords()
    purse.earn(2)
    assert purse.affords()
    assert math.isclose(purse.left_s, 1.5)
    assert not Purse(0.0).affords()


def test_the_routing_is_a_file(tmp_path: Path) -> None:
    assert read_routing(tmp_path) == Routing()
    task = Task.MERGE_ERROR_IDENTIFICATION
    routing = Routing(
        routes={task: Route(second="here", always=True, weights=Weights(first=1, second=2))}
    )
    write_routing(tmp_path, routing)
    assert read_routing(tmp_path) == routing
    assert read_routing(tmp_path).route(task).always
    assert read_routing(tmp_path).route(Task.PARTNER_CHOICE) == Route()
    (tmp_path / "routing.json").write_text('{"routes": {"no_task": {}}}')
    with pytest.raises(InputError, match="which model answers what"):
        read_routing(tmp_path)


def test_both_answer_one_task(folder: ModelFolder) -> None:
    other = ScriptedJudge(scripted_manifest("tips", Task.SPLIT_ERROR_IDENTIFICATION), {})
    with pytest.raises(AssertionError):
        Router(VlmJudge(folder, model=Scripted([]), views=FlatViews()), other)
