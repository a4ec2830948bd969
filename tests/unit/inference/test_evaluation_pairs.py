from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from connectome.errors import ModelError, VolumeError
from inference.calibration import candidate_probability, probabilities
from inference.datasets.folds import fold_named
from inference.datasets.pairs import Pairs
from inference.datasets.samples import Part
from inference.datasets.volumes import TruthVolume
from inference.evaluation.controls import SHUFFLED, refitted_answers
from inference.evaluation.degrade import degraded
from inference.evaluation.metrics import area_under_curve
from inference.evaluation.pairs import Questions, pair_answers, refused
from inference.evaluation.remembered import remembered
from inference.evaluation.scorers import Scorer, Scores, joined_scorer
from inference.evaluation.tissues import load_gala_volume
from inference.models.manifest import ModelManifest
from tests.data import shared_data
from tests.site_judges import ensemble_manifest, scripted_manifest

Rows = np.ndarray


def scorer(name: str, volume: TruthVolume, fold: str = "low", *, scale: float = 1.0) -> Scorer:
    """A judge that knows the truth and tells it with a logit of so much."""
    base = scripted_manifest(name)
    record = base.training.model_copy(update={"dataset_sha256": volume.sha256, "fold": fold})
    manifest = base.model_copy(update={"training": record})

    def score(seen: TruthVolume, pairs: Pairs, rows: Rows) -> Scores:
        logit = np.where(pairs.same[rows], scale, -scale)
        chance = probabilities(logit, manifest.calibration.temperature)
        return Scores(logit, chance, np.full(len(rows), 0.5))

    return Scorer("scripted", manifest, score)


@pytest.fixture(scope="module")
def questions(volume: TruthVolume) -> Questions:
    return Questions.about(volume)


def test_each_model_is_asked_in_its_own_test_block(
    volume: TruthVolume, questions: Questions
) -> None:
    judges = [scorer(name, volume, name) for name in ("low", "high", "middle")]
    found = pair_answers(questions, judges)
    pairs = questions.pairs["watershed"]
    for judge in judges:
        expected = fold_named(judge.manifest.training.fold).test(pairs)
        asked = found.where(model=judge.manifest.id, source="watershed")
        np.testing.assert_array_equal(asked.truth, pairs.same[expected])
    assert set(found.where(model="middle").part) == {Part.VALIDATION.value}
    assert set(found.where(model="low").part) == {Part.TEST.value}
    low = found.where(model="low")
    np.testing.assert_allclose(
        low.shown, candidate_probability(low.probability, judges[0].manifest.calibration)
    )
    assert set(low.group[low.truth]) <= set(pairs.bodies.ravel())


def test_thick_sections_ask_about_the_same_place(volume: TruthVolume, questions: Questions) -> None:
    thick = questions.degraded(degraded(volume, "sections", 40), "sections 40")
    judge = [scorer("low", volume)]
    here, there = pair_answers(questions, judge), pair_answers(thick, judge)
    assert set(there.condition) == {"sections 40"}
    assert 20 < len(there) < len(here)
    common = set(here.sample) & set(there.sample)
    assert len(common) > 0.5 * len(there)
    z = thick.sections(thick.pairs["watershed"])
    assert z.min() >= 0
    assert z.max() < volume.em.shape[0]


def test_a_drawn_share_is_always_the_same(volume: TruthVolume, questions: Questions) -> None:
    judge = [scorer("low", volume)]
    one, two = (pair_answers(questions, judge, most=15) for _ in range(2))
    assert len(one.where(source="watershed")) == 15
    np.testing.assert_array_equal(one.sample, two.sample)


def test_models_that_cannot_be_pooled_are_refused(
    volume: TruthVolume, questions: Questions
) -> None:
    manifests: list[ModelManifest] = [scorer(n, volume, n).manifest for n in ("low", "high")]
    refused(manifests, volume)
    with pytest.raises(ModelError, match="same fold"):
        refused([manifests[0], manifests[0]], volume)
    with pytest.raises(ModelError, match="other data"):
        refused([scripted_manifest("elsewhere")], volume)
    with pytest.raises(ModelError, match="all of"):
        pair_answers(questions, [scorer("whole", volume, "all")])


def test_elsewhere_every_pair_is_a_test(volume: TruthVolume, questions: Questions) -> None:
    stranger = Scorer("s", scripted_manifest("s"), scorer("x", volume).score)
    found = pair_answers(questions, [stranger])
    assert len(found) == sum(len(pairs) for pairs in questions.pairs.values())
    assert found.unseen.all()


def test_an_ensemble_shows_only_what_is_open(volume: TruthVolume, questions: Questions) -> None:
    asked: list[int] = []
    slow = scorer("slow", volume, scale=3.0)

    def counted(seen: TruthVolume, pairs: Pairs, rows: Rows) -> Scores:
        asked.append(len(rows))
        return slow.score(seen, pairs, rows)

    quick = scorer("quick", volume, scale=1.0)
    manifest = ensemble_manifest({"quick": 0.5, "slow": 2.0}, look=(0.0, 9.0))
    together = joined_scorer(manifest, [quick, Scorer("slow", slow.manifest, counted)])
    pairs = questions.pairs["watershed"]
    rows = np.arange(len(pairs))
    scores = together.score(volume, pairs, rows)
    assert asked == [int(pairs.same.sum())]
    np.testing.assert_allclose(scores.logit[pairs.same], 0.5 + 0.5 * 1.0 + 2.0 * 3.0)
    np.testing.assert_allclose(scores.logit[~pairs.same], -1.0)
    np.testing.assert_allclose(
        scores.probability[~pairs.same],
        probabilities(np.array([-1.0]), quick.manifest.calibration.temperature)[0],
    )
    with pytest.raises(ModelError, match="asks no other"):
        joined_scorer(scripted_manifest("alone"), [quick])


def test_boosting_learns_from_answers_and_not_from_shuffled_ones(questions: Questions) -> None:
    pytest.importorskip("sklearn", reason="boosting needs the extra `train`")
    only = Questions(
        questions.volume,
        {"watershed": questions.pairs["watershed"]},
        questions.original,
        questions.training,
    )
    chosen = {"boosting, profile": ("em.profile",)}
    found = refitted_answers(only, folds=("low",), judges=chosen, iterations=10)
    honest, shuffled = (found.where(judge=judge) for judge in ("boosting, profile", SHUFFLED))
    assert set(honest.model) == {"boosting, profile, fold low"}
    assert area_under_curve(honest.probability, honest.truth) > 0.9
    assert 0.3 < area_under_curve(shuffled.probability, shuffled.truth) < 0.7


def test_other_tissue_is_read(tmp_path: Path) -> None:
    gala = load_gala_volume(shared_data("gala_mini"))
    assert gala.em.shape == (50, 100, 200)
    questions = Questions.about(gala)
    assert 0 < questions.pairs["watershed"].same.mean() < 1
    with pytest.raises(VolumeError, match="em, gt and ws"):
        load_gala_volume(tmp_path)


def test_a_judge_that_remembers_is_asked_once_about_each_pair(
    volume: TruthVolume, questions: Questions
) -> None:
    base, asked = scorer("low", volume, scale=2.0), list[int]()

    def counted(seen: TruthVolume, pairs: Pairs, rows: Rows) -> Scores:
        asked.extend(rows.tolist())
        return base.score(seen, pairs, rows)

    once = remembered(replace(base, score=counted))
    pairs = questions.pairs["watershed"]
    first, again = np.arange(0, 8), np.array([9, 3, 5])
    once.score(volume, pairs, first)
    said, expected = (each.score(volume, pairs, again) for each in (once, base))
    assert asked == [*first.tolist(), 9]
    np.testing.assert_array_equal(said.logit, expected.logit)
    np.testing.assert_array_equal(said.probability, expected.probability)
    # The same pairs of a degraded copy are other questions.
    once.score(degraded(volume, "blur", 20), pairs, again)
    assert asked[9:] == again.tolist()
