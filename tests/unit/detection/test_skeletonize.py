"""Skeletons lie where the neurites are."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from connectome.datastack import Skeleton
from connectome.skeletonize import KimimaroSkeletons, SkeletonSettings, skeletonize
from connectome.space import BoxNm, Cutout
from tests.arrays import ArrayDatastack

pytest.importorskip("kimimaro", reason="kimimaro is not installed")

FINE = SkeletonSettings(const_nm=100.0, dust_nm3=0.0)
BIG = 2**60 + 1


def rod(
    shape: tuple[int, int, int],
    axis: int,
    center: tuple[int, int, int],
    ends: tuple[int, int],
    half: tuple[int, int, int] = (2, 2, 2),
) -> NDArray[np.uint64]:
    """Draw a rod along an array axis; all triples are z, y, x."""
    labels = np.zeros(shape, np.uint64)
    index = [slice(c - h, c + h + 1) for c, h in zip(center, half, strict=True)]
    index[axis] = slice(*ends)
    labels[tuple(index)] = BIG
    return labels


def only(labels: NDArray[np.uint64], voxel: tuple[float, float, float], **more: object) -> Skeleton:
    skeletons = list(skeletonize(labels, voxel, settings=FINE, **more))  # type: ignore[arg-type]
    assert len(skeletons) == 1
    return skeletons[0]


@pytest.mark.parametrize(("axis", "ends"), [(0, (6, 50)), (1, (6, 62)), (2, (10, 140))])
def test_a_rod_is_traced_along_its_middle_in_nm(axis: int, ends: tuple[int, int]) -> None:
    # As thick in nm along every axis, so that its middle is one line.
    labels = rod((60, 70, 150), axis, (20, 25, 60), ends, half=(2, 4, 14))
    found = only(labels, (8.0, 24.0, 40.0), origin_nm=(1000.0, 2000.0, 3000.0))
    assert found.root == BIG
    zyx = (found.vertices_nm[:, ::-1] - [3000, 2000, 1000]) / [40, 24, 8]
    across = [a for a in range(3) if a != axis]
    # Voxel i spans i to i + 1, so the middle of the rod is at half a voxel.
    middle = np.median(zyx, axis=0)[across]
    np.testing.assert_allclose(middle, np.asarray([20.5, 25.5, 60.5])[across], atol=0.01)
    assert zyx[:, axis].min() == pytest.approx(ends[0] + 0.5, abs=0.01)
    assert zyx[:, axis].max() == pytest.approx(ends[1] - 0.5, abs=0.01)
    assert found.vertices_nm.dtype == np.float32
    assert found.edges.shape == (len(found.vertices_nm) - 1, 2)


def test_a_neurite_that_leaves_the_volume_has_its_tip_in_the_middle_of_the_face() -> None:
    found = only(rod((30, 30, 60), 2, (12, 15, 0), (20, 60)), (10.0, 10.0, 10.0))
    tip = found.vertices_nm[found.vertices_nm[:, 0].argmax()]
    np.testing.assert_allclose(tip, [595, 155, 125], atol=10.1)


def test_the_largest_come_first_and_dust_never() -> None:
    labels = rod((30, 30, 60), 2, (5, 5, 0), (0, 20))
    labels[20:25, 20:25, 0:50] = 7
    labels[28, 28, 28] = 9
    settings = SkeletonSettings(const_nm=100.0, dust_nm3=1000.0 * 10)
    found = [s.root for s in skeletonize(labels, (10, 10, 10), settings=settings)]
    assert found == [7, BIG]


def test_only_the_roots_asked_for() -> None:
    labels = rod((30, 30, 60), 2, (5, 5, 0), (0, 20))
    labels[20:25, 20:25, 0:50] = 7
    datastack = ArrayDatastack(None, None, labels, (10, 10, 10))
    skeletons = KimimaroSkeletons(datastack.segmentation, settings=FINE)
    assert [s.root for s in skeletons.skeletons([BIG, 12345])] == [BIG]
    assert [s.root for s in skeletons.skeletons([])] == []


def test_pieces_of_one_segment_make_one_skeleton() -> None:
    labels = rod((30, 30, 60), 2, (5, 5, 0), (0, 20))
    labels[20:25, 20:25, 30:60] = BIG
    x = only(labels, (10.0, 10.0, 10.0)).vertices_nm[:, 0]
    assert (x < 200).any()
    assert (x > 300).any()
    assert not ((x > 200) & (x < 300)).any()


def test_an_empty_volume_has_none() -> None:
    assert list(skeletonize(np.zeros((4, 5, 6), np.uint64), (10, 10, 10))) == []


def test_the_finest_scale_that_is_small_enough_is_traced() -> None:
    labels = rod((30, 30, 60), 2, (12, 12, 0), (10, 40))
    datastack = ArrayDatastack(None, None, labels, (10, 10, 10), offset=(100, 0, 0))
    found = list(KimimaroSkeletons(datastack.segmentation, settings=FINE).skeletons())
    # The grid's offset moves the skeleton too: x from 1100 to 1400 nm.
    assert 1100 <= float(found[0].vertices_nm[:, 0].min()) <= 1120


class CountingSegmentation:
    """Counts how often it is read."""

    def __init__(self, labels: NDArray[np.uint64]) -> None:
        self._inner = ArrayDatastack(None, None, labels, (10, 10, 10)).segmentation
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
    labels = rod((30, 30, 60), 2, (5, 5, 0), (0, 60))
    labels[20:25, 20:25, 0:50] = 7
    segmentation = CountingSegmentation(labels)
    skeletons = KimimaroSkeletons(segmentation, settings=FINE)
    found = [next(skeletons.skeletons([root])) for root in (BIG, 7, BIG)]
    np.testing.assert_array_equal(found[0].vertices_nm, found[2].vertices_nm)
    assert [each.root for each in found] == [BIG, 7, BIG]
    assert segmentation.reads == 1
    assert list(skeletons.skeletons([77])) == []
    assert list(skeletons.skeletons([77])) == []
    assert segmentation.reads == 2
