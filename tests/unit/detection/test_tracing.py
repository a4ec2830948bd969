"""Skeletons of whole volumes: the same from any threads, whatever else there is."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from connectome.datastack import Skeleton
from connectome.skeletonize import SkeletonSettings, VoxelSkeletons, skeletonize
from connectome.space import BoxNm, Cutout, curve_order
from proofreading.detection.topology import branch_points, tips
from tests.arrays import ArrayDatastack

for _package in ("cc3d", "edt", "numba"):
    pytest.importorskip(_package, reason=f"{_package} is not installed")

VOXEL = (10.0, 10.0, 10.0)
SETTINGS = SkeletonSettings(const_nm=100.0, dust_nm3=0.0, threads=1)

Labels = NDArray[np.uint64]


def ball_along(labels: Labels, root: int, points: list[tuple[int, ...]], radius: float) -> None:
    """Draw a round tube through points (z, y, x) in voxels."""
    zyx = np.indices(labels.shape).reshape(3, -1).T
    for one, other in itertools.pairwise(points):
        a, b = np.array(one, float), np.array(other, float)
        share = np.clip((zyx - a) @ (b - a) / ((b - a) ** 2).sum(), 0, 1)
        near = np.linalg.norm(zyx - a - share[:, None] * (b - a), axis=1) <= radius
        labels.reshape(-1)[near] = root


def tree() -> Labels:
    """Return a volume with one segment of three arms."""
    labels = np.zeros((40, 90, 120), np.uint64)
    ball_along(labels, 5, [(20, 45, 10), (20, 45, 60)], 5)
    ball_along(labels, 5, [(20, 45, 60), (20, 12, 105)], 5)
    ball_along(labels, 5, [(20, 45, 60), (20, 78, 105)], 5)
    return labels


def traced(labels: Labels, settings: SkeletonSettings = SETTINGS) -> dict[int, Skeleton]:
    return {each.root: each for each in skeletonize(labels, VOXEL, settings=settings)}


def assert_same(one: Skeleton, other: Skeleton) -> None:
    np.testing.assert_array_equal(one.vertices_nm, other.vertices_nm)
    np.testing.assert_array_equal(one.edges, other.edges)
    np.testing.assert_array_equal(one.radii_nm, other.radii_nm)


def test_a_tree_of_three_arms_has_three_tips_and_one_branch_point() -> None:
    skeleton = traced(tree())[5]
    ends = np.array([tip.point_nm for tip in tips(skeleton, 300.0, 100.0)])
    assert len(ends) == 3
    for x, y in ((50, 450), (1080, 90), (1080, 810)):
        assert np.linalg.norm(ends - [x, y, 205], axis=1).min() < 80
    branches = branch_points(skeleton, 100.0)
    assert len(branches) == 1
    assert np.linalg.norm(np.array(branches[0].point_nm) - [605, 455, 205]) < 100
    assert len(skeleton.edges) == len(skeleton.vertices_nm) - 1


def test_narrow_places_stay_narrow() -> None:
    labels = np.zeros((40, 40, 160), np.uint64)
    ball_along(labels, 3, [(20, 20, 10), (20, 20, 66)], 10)
    ball_along(labels, 3, [(20, 20, 66), (20, 20, 94)], 3)
    ball_along(labels, 3, [(20, 20, 94), (20, 20, 150)], 10)
    skeleton = traced(labels)[3]
    inside = np.abs(skeleton.vertices_nm[:, 0] - 800) < 400
    assert skeleton.radii_nm[inside].min() <= 50
    assert np.median(skeleton.radii_nm[inside]) >= 80


def test_other_segments_and_other_threads_change_nothing() -> None:
    alone = tree()
    among = alone.copy()
    ball_along(among, 2, [(5, 5, 5), (5, 5, 110)], 4)
    ball_along(among, 9, [(35, 70, 5), (33, 80, 40)], 4)
    first = traced(alone)[5]
    assert_same(first, traced(among)[5])
    twice = SkeletonSettings(const_nm=100.0, dust_nm3=0.0, threads=2)
    for root, skeleton in traced(among, twice).items():
        assert_same(skeleton, traced(among)[root])


class CountingSegmentation:
    """Counts how often it is read."""

    def __init__(self, labels: Labels) -> None:
        self._inner = ArrayDatastack(None, None, labels, VOXEL).segmentation
        self.scales = self._inner.scales
        self.reads = 0

    def read_roots(self, box: BoxNm, scale: int = 0) -> Cutout:
        self.reads += 1
        return self._inner.read_roots(box, scale)

    def read_supervoxels(self, box: BoxNm, scale: int = 0) -> Cutout:
        return self._inner.read_supervoxels(box, scale)

    def roots(self) -> NDArray[np.uint64]:
        return self._inner.roots()


def test_groups_of_roots_share_one_reading() -> None:
    labels = tree()
    ball_along(labels, 2, [(5, 5, 5), (5, 5, 110)], 4)
    segmentation = CountingSegmentation(labels)
    skeletons = VoxelSkeletons(segmentation, settings=SETTINGS)
    first = [next(skeletons.skeletons([root])) for root in (5, 2, 5)]
    assert_same(first[0], first[2])
    assert segmentation.reads == 1
    assert list(skeletons.skeletons([77])) == []
    assert list(skeletons.skeletons([77])) == []
    assert segmentation.reads == 2


def test_neighbours_on_the_curve_are_near() -> None:
    points = np.random.default_rng(0).uniform(0, 10_000, (500, 3))
    ordered = points[curve_order(points, 250.0)]
    steps = [np.linalg.norm(np.diff(each, axis=0), axis=1).mean() for each in (ordered, points)]
    assert steps[0] < 0.4 * steps[1]
    assert curve_order(np.zeros((0, 3)), 250.0).tolist() == []
    same = np.zeros((3, 3))
    assert curve_order(same, 250.0).tolist() == [0, 1, 2]
