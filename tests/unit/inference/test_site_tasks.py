"""Judges of tips, branch points and cuts: what is measured, and that use equals training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from connectome.errors import InputError, ModelError
from connectome.space import Cutout, Scale
from inference.datasets.folds import fold_named
from inference.datasets.volumes import TruthVolume
from inference.features.cuts import cut_features
from inference.features.junctions import junction_features
from inference.features.site_spec import SiteSpec
from inference.features.site_view import site_view
from inference.features.spec import FeatureSpec
from inference.features.tip_partners import Tip, partner_names, partner_rows
from inference.judges.site_features import CutProposal, junction_numbers, tip_values
from inference.judges.site_scores import NOTHING_THERE, site_logits
from inference.models.registry import ModelFolder
from proofreading.sites import Site, SiteKind
from proofreading.verdicts import FailedVerdict, Task, Verdict
from tests.arrays import ArrayDatastack

VOXEL = (10.0, 10.0, 10.0)
SMALL = FeatureSpec(
    contact_nm=80.0,
    ray_nm=60.0,
    balls_nm=(60.0, 100.0),
    ball_steps=4,
    disc_nm=60.0,
    disc_offsets_nm=(40.0,),
)


def _cutouts(em: NDArray[np.uint8], labels: NDArray[Any]) -> tuple[Cutout, Cutout]:
    nz, ny, nx = labels.shape
    scale = Scale(VOXEL, (nx, ny, nz))
    return Cutout(em, (0, 0, 0), scale), Cutout(labels, (0, 0, 0), scale)


def _two_tubes(membrane: bool) -> tuple[NDArray[np.uint8], NDArray[np.uint32]]:
    """One segment of two tubes side by side, with or without a dark sheet between them."""
    _, y, x = np.indices((60, 60, 60))
    labels = ((abs(y - 30) < 20) & (abs(x - 30) < 12)).astype(np.uint32)
    em = np.where(labels == 1, 180, 90).astype(np.uint8)
    if membrane:
        em[:, 29:32, :][labels[:, 29:32, :] == 1] = 50
    return em, labels


class TestScores:
    def test_one_row_keeps_its_logit_and_none_is_a_no(self) -> None:
        found = site_logits(np.array([1.25]), np.array([1]), 3)
        assert found.tolist() == [NOTHING_THERE, 1.25, NOTHING_THERE]

    def test_odds_of_neighbours_add_up(self) -> None:
        odds = np.array([0.5, 2.0, 4.0])
        found = site_logits(np.log(odds), np.array([0, 0, 1]), 2)
        np.testing.assert_allclose(np.exp(found), [2.5, 4.0])


class TestJunctions:
    def test_a_sheet_inside_is_seen(self) -> None:
        point = (305.0, 305.0, 305.0)
        dark = []
        for membrane in (False, True):
            view = site_view(*_cutouts(*_two_tubes(membrane)), 1, point, 280.0)
            dark.append(junction_features(view)["em.inside_dark.200"])
        assert dark[0] == 0.0
        assert dark[1] > 0.02

    def test_shape_and_contact_see_no_microscopy(self) -> None:
        point = (305.0, 305.0, 305.0)
        found = [
            junction_features(site_view(*_cutouts(*_two_tubes(m)), 1, point, 280.0))
            for m in (False, True)
        ]
        blind = [{k: v for k, v in f.items() if k.startswith("shape.")} for f in found]
        assert len(blind[0]) > 10
        np.testing.assert_equal(blind[0], blind[1])

    def test_a_segment_that_is_not_there_is_refused(self) -> None:
        with pytest.raises(InputError, match="no longer near"):
            site_view(*_cutouts(*_two_tubes(False)), 7, (305.0, 305.0, 305.0), 280.0)


class TestCuts:
    def test_a_cut_along_the_membrane_is_darker_than_one_across(self) -> None:
        em, labels = _two_tubes(True)
        view = site_view(*_cutouts(em, labels), 1, (305.0, 305.0, 305.0), 280.0)
        _, y, x = np.indices(labels.shape)
        along = np.where(labels == 1, np.where(y < 30, 1, 2), 0).astype(np.uint8)
        across = np.where(labels == 1, np.where(x < 30, 1, 2), 0).astype(np.uint8)
        good, bad = (
            cut_features(view, view.aligned(_cutouts(em, sides)[1])) for sides in (along, across)
        )
        assert good["em.cut.mean"] < 0.3 < bad["em.cut.mean"]
        # Where floods from both sides meet is where the membrane is.
        assert good["em.flood.moved"] < 0.2

    def test_a_site_without_a_proposal_is_refused(self) -> None:
        with pytest.raises(InputError, match="proposes no cut"):
            CutProposal.of_site(_site(1, 1, (0.0, 0.0, 0.0)))


def _site(root: int, supervoxel: int, point: tuple[float, float, float]) -> Site:
    return Site("0" * 16, SiteKind.ENDPOINT, "arrays", root, supervoxel, point, 60.0, "test/1")


class TestSameNumbersInUse:
    def test_tips(self, volume: TruthVolume) -> None:
        spec = SiteSpec(Task.SPLIT_ERROR_IDENTIFICATION, pairs=SMALL)
        labels = volume.supervoxels
        voxel = (95, 22, 22)
        root = int(labels[voxel])
        point = volume.scale.center_of((22, 22, 95))
        stack = ArrayDatastack(volume.em, None, labels, VOXEL)
        tip = Tip(root, voxel, 60.0, 215.0)
        whole = partner_rows(volume.em, labels, [tip], VOXEL, SMALL).values
        (used,) = tip_values(stack, [(root, point, 60.0)], spec)
        assert len(whole) > 1
        assert whole.shape[1] == len(partner_names(SMALL))
        np.testing.assert_allclose(used, whole, rtol=1e-5, atol=1e-5)

    def test_junctions(self, volume: TruthVolume) -> None:
        spec = SiteSpec(Task.MERGE_ERROR_IDENTIFICATION)
        point = volume.scale.center_of((22, 22, 95))
        root = int(volume.supervoxels[95, 22, 22])
        stack = ArrayDatastack(volume.em, None, volume.supervoxels, VOXEL)
        used = junction_numbers(stack, root, point, spec)
        view = site_view(
            volume.imagery(), volume.labelled(volume.supervoxels), root, point, spec.half_nm
        )
        np.testing.assert_equal(used, junction_features(view))


@pytest.fixture(scope="module")
def trained(volume_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    """A judge of branch points, trained by the command's own function."""
    pytest.importorskip("sklearn", reason="training needs the extra `train`")
    pytest.importorskip("onnxruntime", reason="judging needs the extra `onnx`")
    pytest.importorskip("edt", reason="skeletons need the extra `offline`")
    from inference.training.features import Boosting
    from inference.training.site_tasks import SiteTraining, train_site_task

    settings = SiteTraining(boosting=Boosting(iterations=5, leaves=4, smallest_leaf=2, seeds=(1,)))
    return train_site_task(
        Task.MERGE_ERROR_IDENTIFICATION,
        volume_folder,
        tmp_path_factory.mktemp("junctions"),
        settings,
    )


class TestJudge:
    def test_it_answers_with_one_verdict_a_site(
        self, trained: ModelFolder, volume: TruthVolume
    ) -> None:
        from inference.judges.site_features import SiteFeaturesJudge

        judge = SiteFeaturesJudge(trained)
        root = int(volume.supervoxels[95, 22, 22])
        point = volume.scale.center_of((22, 22, 95))
        stack = ArrayDatastack(volume.em, None, volume.supervoxels, VOXEL)
        there, gone = judge.judge_sites(stack, [_site(root, root, point), _site(1, 9999, point)])
        assert isinstance(there, Verdict)
        assert there.partner_supervoxel is None
        assert 0 < there.probability < 1
        assert there.provenance.model_id == trained.manifest.id
        assert isinstance(gone, FailedVerdict)

    def test_a_judge_of_branch_points_refuses_cuts(
        self, trained: ModelFolder, volume: TruthVolume
    ) -> None:
        from inference.judges.site_features import SiteFeaturesJudge

        stack = ArrayDatastack(volume.em, None, volume.supervoxels, VOXEL)
        with pytest.raises(ModelError, match="does not judge cuts"):
            SiteFeaturesJudge(trained).judge_cut(stack, CutProposal(1, (), ()))

    def test_a_whole_volume_leaves_nothing_to_test_on(self, trained: ModelFolder) -> None:
        assert trained.manifest.training.held_out_blocks == ()
        assert trained.manifest.training.fold == "all"


class TestRows:
    def test_training_never_looks_into_the_test_block(self) -> None:
        from inference.training.site_table import SiteRows

        section = np.arange(250)
        empty = np.zeros(0, np.int64)
        rows = SiteRows(
            Task.MERGE_ERROR_IDENTIFICATION,
            (),
            np.zeros((0, 0), np.float32),
            empty,
            empty.astype(bool),
            empty.astype(bool),
            section,
            section,
            (None,) * 250,
        )
        low = rows.training(fold_named("low"))
        assert low[:122].all()
        assert not low[122:].any()
        assert rows.training(None).all()
