"""Judges that are really trained, and the scripted one, through one contract."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from connectome.errors import ModelError
from inference.datasets.folds import fold_named
from inference.datasets.pairs import watershed_pairs
from inference.datasets.volumes import TruthVolume
from inference.judges.base import SiteJudge
from inference.models.registry import ModelFolder, find_model
from proofreading.sites import Partner, Site, SiteKind, make_site_id
from proofreading.verdicts import Verdict
from tests.arrays import ArrayDatastack
from tests.contract.site_judge_contract import SiteJudgeContract, World
from tests.site_judges import ScriptedJudge, contact_site, scripted_manifest

pytest.importorskip("sklearn", reason="training needs scikit-learn")
pytest.importorskip("torch", reason="training needs the extra `train`")
pytest.importorskip("onnxruntime", reason="judging needs the extra `onnx`")

from inference.judges.features import FeaturesJudge
from inference.judges.registry import site_judge
from inference.training.features import train_features
from tests.unit.inference.test_features_judge import SETTINGS, SPEC


@pytest.fixture(scope="module")
def trees(volume_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    return train_features(volume_folder, tmp_path_factory.mktemp("models") / "trees", SETTINGS)


def _datastack(volume: TruthVolume) -> ArrayDatastack:
    roots = volume.supervoxels.astype(np.uint64)
    return ArrayDatastack(volume.em, None, roots, volume.voxel_nm)


def _sites(volume: TruthVolume) -> list[Site]:
    pairs = watershed_pairs(volume)
    return [_contact(volume, pairs.contacts, row) for row in range(0, len(pairs), len(pairs) // 6)]


def _contact(volume: TruthVolume, contacts: object, row: int) -> Site:
    a, b = (int(v) for v in contacts.pairs[row])  # type: ignore[attr-defined]
    z, y, x = (int(v) for v in contacts.center[row])  # type: ignore[attr-defined]
    point = volume.scale.center_of((x, y, z))
    partner = Partner(b, b, a, point, point, 0.0, 1000.0, 0.0)
    return Site(
        id=make_site_id("invented", SiteKind.CONTACT, [a, b], point, "t/1"),
        kind=SiteKind.CONTACT,
        datastack="invented",
        root=a,
        supervoxel=a,
        point_nm=point,
        radius_nm=1.0,
        detector="t/1",
        partners=(partner,),
    )


def _world(judge: SiteJudge, volume: TruthVolume) -> World:
    blind = _datastack(volume)
    blind.imagery = None
    return World(judge, _datastack(volume), _sites(volume), blind)


@pytest.fixture(scope="module")
def ensemble(
    volume_folder: Path,
    trees: ModelFolder,
    small_model: ModelFolder,
    tmp_path_factory: pytest.TempPathFactory,
) -> ModelFolder:
    from inference.training.ensemble import EnsembleSettings, fit_ensemble
    from inference.training.split_error_correction import train_pairs
    from tests.unit.inference.settings import small_training

    folder = tmp_path_factory.mktemp("ensemble")
    other = replace(SETTINGS, fold="high")
    quick = train_features(volume_folder, folder / "quick", other)
    looking = replace(small_training(), fold="high")
    pictures = train_pairs(volume_folder, folder / "pictures", looking)
    settings = EnsembleSettings(
        "low",
        (str(trees.path), str(quick.path)),
        (str(small_model.path), str(pictures.path)),
        joined=(0.6,),
        spec=SPEC,
    )
    with pytest.raises(ModelError, match="needs both models"):
        fit_ensemble(volume_folder, folder / "x", replace(settings, fold="middle"))
    return fit_ensemble(volume_folder, folder / "both", settings)


class TestScripted(SiteJudgeContract):
    @pytest.fixture
    def world(self, volume: TruthVolume) -> World:
        sites = [contact_site(n, (200 + n,)) for n in range(1, 4)]
        script: dict[tuple[str, int | None], float] = {
            (site.id, partner.supervoxel): 1.0 for site in sites for partner in site.partners
        }
        datastack = _datastack(volume)
        judge = ScriptedJudge(scripted_manifest("scripted"), script, readable=datastack)
        return World(judge, datastack, sites, _datastack(volume))


class TestPictures(SiteJudgeContract):
    @pytest.fixture
    def world(self, volume: TruthVolume, small_model: ModelFolder) -> World:
        return _world(site_judge(small_model), volume)


class TestFeatures(SiteJudgeContract):
    @pytest.fixture
    def world(self, volume: TruthVolume, trees: ModelFolder) -> World:
        return _world(FeaturesJudge(trees, SPEC), volume)


class TestEnsemble(SiteJudgeContract):
    @pytest.fixture
    def world(
        self,
        volume: TruthVolume,
        ensemble: ModelFolder,
        trees: ModelFolder,
        small_model: ModelFolder,
    ) -> World:
        from inference.judges.ensemble import EnsembleJudge

        members = [FeaturesJudge(trees, SPEC), site_judge(small_model)]
        return _world(EnsembleJudge(ensemble.manifest, members), volume)

    def test_its_folder_says_what_it_is(self, ensemble: ModelFolder, volume: TruthVolume) -> None:
        manifest = find_model(str(ensemble.path)).manifest
        assert manifest.input.kind == "members"
        assert manifest.training.held_out_blocks
        assert manifest.training.fold == "low"
        test_z = fold_named("low").test_z[0] * volume.voxel_nm[2]
        assert manifest.training.held_out_blocks[0].low_nm[2] == test_z

    def test_both_together_know_better_than_chance(self, world: World, volume: TruthVolume) -> None:
        pairs = watershed_pairs(volume)
        rows = np.flatnonzero(fold_named("low").test(pairs))
        sites = [_contact(volume, pairs.contacts, int(row)) for row in rows]
        said = world.judge.judge_sites(world.datastack, sites)
        chance = np.array([v.raw_score for v in said if isinstance(v, Verdict)])
        same = pairs.same[rows]
        assert chance[same].mean() > chance[~same].mean()
