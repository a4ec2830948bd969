"""A features judge really trained on the invented volume, then asked about its pairs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from connectome.errors import InputError, ModelError
from inference.datasets.folds import fold_named
from inference.datasets.pairs import watershed_pairs
from inference.datasets.volumes import TruthVolume
from inference.features.pairs import feature_names
from inference.features.spec import FeatureSpec
from inference.judges.base import SiteJudge
from inference.models.registry import ModelFolder
from inference.training.combination import fit_combination
from inference.training.feature_material import FeatureMaterial, Material, measured_material
from inference.training.feature_rows import spread_anchors
from inference.training.features import (
    WHOLE,
    Boosting,
    FeatureTraining,
    fitted_boosters,
    train_features,
)
from proofreading.sites import Partner, Site, SiteKind
from proofreading.verdicts import FailedVerdict, Verdict
from tests.arrays import ArrayDatastack

pytest.importorskip("sklearn", reason="training needs scikit-learn")
pytest.importorskip("onnxruntime", reason="judging needs the extra `onnx`")

SPEC = FeatureSpec(
    contact_nm=100.0,
    spots=16,
    ray_nm=80.0,
    balls_nm=(60.0, 120.0, 160.0),
    ball_steps=3,
    disc_nm=60.0,
    disc_offsets_nm=(40.0,),
)
SETTINGS = FeatureTraining(
    fold="low",
    material=FeatureMaterial(
        spec=SPEC, held_out=0.25, joined=(0.5,), thick=(3,), thick_joined=(), eroded=(0, 1)
    ),
    boosting=Boosting(iterations=6, learning_rate=0.4, leaves=4, smallest_leaf=5, seeds=(1, 2)),
)


@pytest.fixture(scope="module")
def material(volume: TruthVolume) -> Material:
    return measured_material(volume, SETTINGS.material)


@pytest.fixture(scope="module")
def model(
    volume_folder: Path, material: Material, tmp_path_factory: pytest.TempPathFactory
) -> ModelFolder:
    out = tmp_path_factory.mktemp("features")
    return train_features(volume_folder, out, SETTINGS, material=material)


@pytest.fixture(scope="module")
def judge(model: ModelFolder) -> SiteJudge:
    from inference.judges.features import FeaturesJudge

    return FeaturesJudge(model, SPEC)


def _site(pairs: NDArray[np.int64], centers: NDArray[np.int64], row: int) -> Site:
    a, b = (int(v) for v in pairs[row])
    z, y, x = ((centers[row] + 0.5) * 10.0).tolist()
    partner = Partner(b, b, a, (x, y, z), (x, y, z), 0.0, 100.0, 1.0)
    return Site(
        id=f"{row:016x}",
        kind=SiteKind.CONTACT,
        datastack="offline_arrays",
        root=a,
        supervoxel=a,
        point_nm=(x, y, z),
        radius_nm=50.0,
        detector="test/1",
        partners=(partner,),
    )


def test_training_leaves_the_test_block_and_the_far_end_alone(material: Material) -> None:
    fold = fold_named("low")
    rows, held = material.training(fold), material.calibration(fold)
    assert rows.centers[:, 0].max() < 140
    assert rows.centers[:, 1].max() < material.border <= held.centers[:, 1].min()
    assert len(material.training(None)) > len(rows)
    assert (rows.weight > 0).all()


def test_the_manifest_says_what_the_model_is(model: ModelFolder, volume: TruthVolume) -> None:
    manifest = model.manifest
    assert manifest.input_hash == SPEC.hash
    (block,) = manifest.training.held_out_blocks
    assert block.low_nm == (0, 0, 1720)
    assert block.high_nm == (440, 440, 1900)
    assert manifest.calibration.candidate_yes_share < manifest.calibration.yes_share
    assert manifest.out_of_distribution is not None
    assert model.weights.stat().st_size < 1_000_000


def test_training_twice_gives_the_same_bytes(
    volume_folder: Path, material: Material, model: ModelFolder, tmp_path: Path
) -> None:
    again = train_features(volume_folder, tmp_path, SETTINGS, material=material)
    assert again.manifest == model.manifest
    text = (model.path / "config.json").read_text()
    assert (tmp_path / "config.json").read_text() == text


def test_the_whole_volume_is_calibrated_on_answers_of_the_folds(
    volume_folder: Path, material: Material, tmp_path: Path
) -> None:
    settings = replace(SETTINGS, fold=WHOLE)
    manifest = train_features(volume_folder, tmp_path, settings, material=material).manifest
    assert manifest.training.held_out_blocks == ()
    assert manifest.calibration.samples == len(material.middles)


def test_held_out_pairs_are_told_apart(judge: SiteJudge, volume: TruthVolume) -> None:
    pairs = watershed_pairs(volume)
    rows = np.flatnonzero(fold_named("low").test(pairs))
    datastack = ArrayDatastack(volume.em, None, volume.supervoxels, volume.voxel_nm)
    sites = [_site(pairs.contacts.pairs, pairs.contacts.center, int(row)) for row in rows]
    verdicts = judge.judge_sites(datastack, sites)
    assert [v.site_id for v in verdicts] == [s.id for s in sites]
    assert all(isinstance(v, Verdict) for v in verdicts)
    scores = np.array([v.raw_score for v in verdicts if isinstance(v, Verdict)])
    assert np.median(scores[pairs.same[rows]]) > np.median(scores[~pairs.same[rows]]) + 1
    first = verdicts[0]
    assert isinstance(first, Verdict)
    assert first.provenance.picture_spec == SPEC.hash
    assert first.provenance.out_of_distribution is not None
    (alone,) = judge.judge_sites(datastack, sites[:1])
    assert isinstance(alone, Verdict)
    assert alone.raw_score == pytest.approx(first.raw_score, abs=1e-3)


def test_one_bad_site_spoils_no_other(judge: SiteJudge, volume: TruthVolume) -> None:
    pairs = watershed_pairs(volume)
    datastack = ArrayDatastack(volume.em, None, volume.supervoxels, volume.voxel_nm)
    good = _site(pairs.contacts.pairs, pairs.contacts.center, 0)
    outside = replace(good.partners[0], own_point_nm=(9e4,) * 3, point_nm=(9e4,) * 3)
    joined = replace(good.partners[0], supervoxel=good.supervoxel)
    bad = replace(good, id="b" * 16, partners=(outside, joined))
    results = judge.judge_sites(datastack, [bad, good])
    assert [type(r) for r in results] == [FailedVerdict, FailedVerdict, Verdict]
    blind = ArrayDatastack(None, None, volume.supervoxels, volume.voxel_nm)
    (result,) = judge.judge_sites(blind, [good])
    assert isinstance(result, FailedVerdict)
    assert "microscopy" in result.reason
    assert judge.judge_sites(datastack, []) == []


def test_what_was_measured_is_handed_on(
    model: ModelFolder, judge: SiteJudge, volume: TruthVolume
) -> None:
    from inference.judges.features import FeaturesJudge, Measured

    pairs = watershed_pairs(volume)
    datastack = ArrayDatastack(volume.em, None, volume.supervoxels, volume.voxel_nm)
    good = _site(pairs.contacts.pairs, pairs.contacts.center, 0)
    joined = replace(good.partners[0], supervoxel=good.supervoxel)
    bad = replace(good, id="b" * 16, partners=(joined,))
    assert isinstance(judge, FeaturesJudge)
    telling = FeaturesJudge(model, judge.spec)
    told: list[Measured] = []
    telling.on_measured = told.append
    telling.judge_sites(datastack, [bad, good])
    (measured,) = told
    assert list(measured) == [(good.id, good.partners[0].supervoxel)]
    (row,) = measured.values()
    assert len(row) == len(feature_names(judge.spec))
    assert np.isfinite(row).any()


def test_numbers_measured_another_way_are_refused(model: ModelFolder) -> None:
    from inference.judges.features import FeaturesJudge

    with pytest.raises(ModelError, match="measured another way"):
        FeaturesJudge(model, replace(SPEC, gap_nm=20.0))


def test_one_class_alone_teaches_nothing(material: Material) -> None:
    rows = material.middles.rows(material.middles.same)
    with pytest.raises(InputError, match="all alike"):
        fitted_boosters(rows, SETTINGS.boosting)


def test_a_large_contact_is_looked_at_in_more_places(volume: TruthVolume) -> None:
    contacts = watershed_pairs(volume).contacts
    rows, voxels = spread_anchors(contacts, volume.voxel_nm, 60.0, 3)
    counts = np.bincount(rows)
    assert counts.min() >= 1
    assert counts.max() > 1
    first = np.unique(rows, return_index=True)[1]
    np.testing.assert_array_equal(voxels[first], contacts.center)


def test_a_combination_trusts_the_better_judge() -> None:
    rng = np.random.default_rng(0)
    truth = rng.random(4000) < 0.1
    signs = np.where(truth, 1.0, -1.0)
    good, poor = 3 * signs + rng.normal(0, 2, 4000), signs + rng.normal(0, 5, 4000)
    contrary = -signs + rng.normal(0, 5, 4000)
    both = np.stack([good, poor, contrary], axis=1)
    found = fit_combination(both, truth)
    assert found.weights[0] > 3 * found.weights[1]
    assert found.weights[2] == 0
    joint = found.logits(both)
    assert abs((joint > 0)[truth].mean() - (joint <= 0)[~truth].mean()) < 0.05
    with pytest.raises(InputError):
        fit_combination(both, np.zeros(4000, np.bool_))
