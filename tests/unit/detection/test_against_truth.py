"""Counting what was found, on volumes where the answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from connectome.errors import VolumeError
from proofreading.detection.against_truth import against_truth, true_split_errors
from proofreading.detection.detector import detect
from proofreading.detection.settings import DetectionSettings
from proofreading.sites import Partner, Site, SiteKind
from tests.arrays import ArrayDatastack
from tests.data import shared_data

VOXEL = (10.0, 10.0, 10.0)


def volumes() -> tuple[np.ndarray, np.ndarray]:
    """Body 7 is segments 1 | 2 with a gap of two voxels; body 8 is segment 3; 9 is in 4."""
    roots = np.zeros((10, 30, 40), np.uint64)
    bodies = np.zeros((10, 30, 40), np.uint64)
    roots[:, :10, :19], roots[:, :10, 21:] = 1, 2
    bodies[:, :10] = 7
    roots[:, 10:20] = 3
    bodies[:, 10:20] = 8
    roots[:, 20:, :] = 4
    bodies[:, 20:, :20], bodies[:, 20:, 20:] = 8, 9
    return roots, bodies


def endpoint(root: int, partner: int, x: float, *, at_face: bool = False) -> Site:
    there = Partner(partner, 1, 1, (0, 0, 0), (0, 0, 0), 0, 0, 1)
    return Site(
        f"{root:016x}", SiteKind.ENDPOINT, "t", root, 1, (x, 50, 50), 10, "d",
        partners=(there,), at_volume_face=at_face,
    )  # fmt: skip


def test_a_true_split_error_is_a_touching_pair_of_one_body() -> None:
    roots, bodies = volumes()
    (error,) = true_split_errors(roots, bodies, VOXEL, (1000.0, 0.0, 0.0))
    assert error.pair == {1, 2}
    assert error.body == 7
    # The gap's middle, at 200 nm from the origin.
    assert error.contact_nm[:, 0] == pytest.approx(1200, abs=10)


def test_a_wide_gap_and_ignored_and_mixed_bodies_do_not_count() -> None:
    roots, bodies = volumes()
    assert true_split_errors(roots, bodies, VOXEL, gap_voxels=0) == []
    assert true_split_errors(roots, bodies, VOXEL, ignore=[7]) == []
    # Segment 4 is half of body 8: below 70 % it is nobody's, at 50 % it is body 8's too.
    pairs = {error.pair for error in true_split_errors(roots, bodies, VOXEL, purity=0.5)}
    assert frozenset({1, 2}) in pairs
    unknown = np.where(bodies == 9, np.uint64(0), bodies)
    pairs = {error.pair for error in true_split_errors(roots, unknown, VOXEL)}
    assert frozenset({3, 4}) in pairs


def test_shapes_that_differ_are_refused() -> None:
    roots, bodies = volumes()
    with pytest.raises(VolumeError, match="differ in shape"):
        true_split_errors(roots, bodies[1:], VOXEL)


def test_recall_and_precision() -> None:
    roots, bodies = volumes()
    datastack = ArrayDatastack(None, None, roots, VOXEL)
    truth = ArrayDatastack(None, None, bodies, VOXEL)
    box = datastack.segmentation.scales[0].bounds_nm
    sites = [
        endpoint(1, 2, 190.0),
        endpoint(2, 3, 390.0),
        endpoint(3, 4, 5.0, at_face=True),
    ]
    report = against_truth(sites, datastack.segmentation, truth.segmentation, box)
    assert report.true_split_errors == report.recalled == report.recalled_by_position == 1
    assert report.recall == 1.0
    assert (report.endpoint_sites, report.endpoint_sites_at_face) == (3, 1)
    assert report.precision == 0.5
    missed = against_truth(sites[1:], datastack.segmentation, truth.segmentation, box)
    assert missed.recall == 0.0
    assert missed.recall_by_position == 1.0
    none = against_truth([], datastack.segmentation, truth.segmentation, box, ignore=[7])
    assert none.recall is None
    assert none.as_dict()["precision"] is None


def test_real_tissue_is_recalled() -> None:
    pytest.importorskip("kimimaro", reason="kimimaro is not installed")
    labels = np.load(shared_data("fib25") / "labels.npz")
    part = np.s_[60:160, 60:190, 60:190]
    segments, bodies = labels["segmentation"][part], labels["groundtruth"][part]
    datastack = ArrayDatastack(None, labels["supervoxels"][part], segments, VOXEL)
    truth = ArrayDatastack(None, None, bodies, VOXEL)
    tips = DetectionSettings(kinds=frozenset({SiteKind.ENDPOINT}))
    sites = list(detect(datastack, settings=tips))
    box = datastack.segmentation.scales[0].bounds_nm
    report = against_truth(sites, datastack.segmentation, truth.segmentation, box, ignore=[135478])
    assert report.true_split_errors > 20
    assert report.recall is not None
    assert report.recall > 0.8
