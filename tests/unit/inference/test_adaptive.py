"""The adaptive judge: learns what there is to learn, leaves the rest alone, and goes back."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import expit

from connectome.errors import InputError, ModelError
from inference.adaptive.fitting import Ridge, fitted, log_losses
from inference.adaptive.judge import AdaptiveJudge
from inference.adaptive.model import AdaptiveModel, Rows, Scaling
from inference.adaptive.refit import Candidate, Decided, RefitSettings, kept_apart, refit
from inference.adaptive.versions import Versions

WIDTH = 40
NAMES = tuple(f"f{number}" for number in range(WIDTH))
Truth = NDArray[np.bool_]


def invented(
    count: int, seed: int, *, shift: float = 0.0, hidden: float = 0.0
) -> tuple[Decided, AdaptiveModel]:
    """Answers whose chance is the base's, moved by a shift and by what two features say."""
    rng = np.random.default_rng(seed)
    base = rng.normal(-1.0, 1.5, count)
    features = rng.normal(0.0, 1.0, (count, WIDTH))
    chance = expit(base + shift + hidden * (features[:, 3] - features[:, 7]))
    yes = rng.random(count) < chance
    ids = tuple(f"{seed}:{number}" for number in range(count))
    start = AdaptiveModel.untouched(Scaling.of(NAMES, features))
    return Decided(ids, Rows(base, features), yes), start


def honest_loss(model: AdaptiveModel, seed: int, shift: float = 0.0, hidden: float = 0.0) -> float:
    fresh, _ = invented(4000, 1000 + seed, shift=shift, hidden=hidden)
    return float(log_losses(model, fresh.rows, fresh.yes).mean())


def used(candidate: Candidate, start: AdaptiveModel) -> AdaptiveModel:
    return candidate.model if candidate.promoted else start


@pytest.mark.parametrize("count", [25, 75, 200])
def test_without_anything_to_learn_it_stays_as_good_as_the_base(count: int) -> None:
    promoted = 0
    for seed in range(6):
        decided, start = invented(count, seed)
        candidate = refit(decided, start)
        promoted += candidate.promoted
        model = used(candidate, start)
        assert honest_loss(model, seed) <= honest_loss(start, seed) + 0.02
    assert promoted <= 1


def test_with_25_decisions_even_an_unpromoted_candidate_is_hardly_worse() -> None:
    extra = []
    for seed in range(6):
        decided, start = invented(25, seed)
        extra.append(honest_loss(refit(decided, start).model, seed) - honest_loss(start, seed))
    assert np.mean(extra) < 0.05


def test_a_shifted_prior_is_recalibrated() -> None:
    decided, start = invented(150, 1, shift=2.5)
    candidate = refit(decided, start)
    assert candidate.promoted
    assert 1.2 < candidate.model.shift < 3.5
    before, after = (honest_loss(m, 1, shift=2.5) for m in (start, candidate.model))
    assert after < before - 0.1


def test_what_the_features_know_is_learned() -> None:
    decided, start = invented(300, 2, hidden=1.5)
    candidate = refit(decided, start)
    assert candidate.promoted
    weights = np.asarray(candidate.model.weights)
    assert set(np.argsort(-np.abs(weights))[:2].tolist()) == {3, 7}
    assert weights[3] > 0 > weights[7]
    before, after = (honest_loss(m, 2, hidden=1.5) for m in (start, candidate.model))
    assert after < before - 0.05


def test_a_version_that_turns_out_wrong_gives_way_to_a_better_one() -> None:
    decided, start = invented(200, 3)
    wrong = start.corrected(1.0, 4.0, np.zeros(WIDTH))
    candidate = refit(decided, wrong)
    assert candidate.promoted
    assert abs(candidate.model.shift) < 0.7


def test_answers_of_one_kind_only_change_nothing() -> None:
    decided, start = invented(60, 4)
    none = Decided(decided.ids, decided.rows, np.zeros(60, np.bool_))
    candidate = refit(none, start)
    assert candidate.model == start
    assert not candidate.promoted


def test_what_is_kept_apart_is_fixed_for_ever_and_never_fitted_to() -> None:
    decided, start = invented(120, 5, shift=2.0)
    apart = kept_apart(decided.ids, 0.3)
    assert 20 < apart.sum() < 55
    assert np.array_equal(kept_apart(decided.ids[:50], 0.3), apart[:50])
    turned = Decided(decided.ids, decided.rows, decided.yes ^ apart)
    assert refit(turned, start).model == refit(decided, start).model
    assert refit(turned, start).loss != refit(decided, start).loss


def test_the_same_decisions_give_the_same_candidate() -> None:
    decided, start = invented(100, 6, hidden=1.0)
    assert refit(decided, start) == refit(decided, start)


def test_a_refit_with_missing_numbers_gives_finite_answers() -> None:
    rng = np.random.default_rng(0)
    names = tuple(f"f{number}" for number in range(300))
    features = rng.normal(size=(600, 300))
    features[rng.random((600, 300)) < 0.05] = np.nan
    yes = rng.random(600) < 0.3
    decided = Decided(tuple(map(str, range(600))), Rows(rng.normal(size=600), features), yes)
    candidate = refit(decided, AdaptiveModel.untouched(Scaling.of(names, features)))
    assert np.isfinite(candidate.loss or np.nan)
    assert np.isfinite(candidate.model.logits(decided.rows)).all()


def test_missing_numbers_and_constant_columns_say_nothing() -> None:
    features = np.array([[1.0, np.nan, 5.0], [2.0, np.nan, 5.0], [3.0, np.nan, 5.0]])
    scaling = Scaling.of(("a", "b", "c"), features)
    standard = scaling.standard(np.array([[np.nan, 1e30, 5.0]]))
    assert standard[0, 0] == 0.0
    assert standard[0, 1] == 4.0
    assert standard[0, 2] == 0.0


def test_strong_priors_keep_the_base_and_weak_ones_follow_the_answers() -> None:
    decided, start = invented(200, 7, shift=3.0)
    held = fitted(start, decided.rows, decided.yes, Ridge(slope=1e6, shift=1e6))
    free = fitted(start, decided.rows, decided.yes, Ridge(slope=1e-3, shift=1e-3))
    assert abs(held.shift) < 0.01 < 2.0 < free.shift
    assert held.weights == free.weights == (0.0,) * WIDTH


def promoted(start: AdaptiveModel, shift: float) -> Candidate:
    model = start.corrected(1.0, shift, np.full(WIDTH, 0.5))
    return Candidate(model, True, "0" * 64, 70, 30, 0.3, 0.5, 0.99)


def test_versions_survive_and_can_be_gone_back_to(tmp_path: Path) -> None:
    _, start = invented(50, 8)
    versions = Versions(tmp_path / "adaptive")
    judge = AdaptiveJudge(("trees", "resnet"), start.scaling, versions=versions)
    assert judge.version == 0
    assert judge.due(25)
    assert not judge.due(24)
    assert judge.take(promoted(start, 1.0), 25)
    assert not judge.due(49)
    assert judge.take(promoted(start, 2.0), 50)
    again = AdaptiveJudge(("trees", "resnet"), start.scaling, versions=versions)
    assert (again.version, again.model.shift) == (2, 2.0)
    again.roll_back(1)
    assert AdaptiveJudge(("trees", "resnet"), start.scaling, versions=versions).model.shift == 1.0
    again.take(promoted(start, 3.0), 75)
    assert again.version == 3
    assert versions.numbers() == [1, 2, 3]
    again.roll_back(0)
    assert again.model == start
    assert versions.current() == 0
    with pytest.raises(InputError, match="no version 9"):
        again.roll_back(9)


def test_a_refused_candidate_changes_nothing(tmp_path: Path) -> None:
    _, start = invented(50, 9)
    judge = AdaptiveJudge(("trees",), start.scaling, versions=Versions(tmp_path))
    refused = Candidate(promoted(start, 1.0).model, False, "0" * 64, 20, 5, 0.4, 0.4, 0.5)
    assert not judge.take(refused, 25)
    assert judge.version == 0
    assert not judge.due(30)
    assert list(tmp_path.iterdir()) == []


def test_versions_of_other_models_or_broken_files_are_refused(tmp_path: Path) -> None:
    _, start = invented(50, 10)
    versions = Versions(tmp_path)
    AdaptiveJudge(("trees",), start.scaling, versions=versions).take(promoted(start, 1.0), 25)
    with pytest.raises(ModelError, match="corrects other models"):
        AdaptiveJudge(("resnet",), start.scaling, versions=versions)
    text = json.loads((tmp_path / "v1.json").read_text())
    (tmp_path / "v1.json").write_text(json.dumps({**text, "weights": [1.0]}))
    with pytest.raises(ModelError, match="no version of an adaptive judge"):
        AdaptiveJudge(("trees",), start.scaling, versions=versions)


def test_rows_of_other_features_are_refused() -> None:
    _, start = invented(50, 11)
    with pytest.raises(ModelError, match="knows 40 numbers"):
        start.logits(Rows(np.zeros(2), np.zeros((2, 3))))


def test_settings_decide_when_enough_is_kept_apart() -> None:
    decided, start = invented(150, 1, shift=2.5)
    assert not refit(decided, start, RefitSettings(least=1000)).promoted
