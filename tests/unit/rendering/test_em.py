"""Slices: where things land, and what is absent."""

from __future__ import annotations

import numpy as np
import pytest

from connectome.errors import OutsideVolumeError
from connectome.space import BoxNm
from rendering.em import PLANES, cut_slices, slice_cutouts
from rendering.spec import EMSpec
from tests.arrays import ArrayDatastack

FINE = EMSpec(half_extent_nm=200.0, size_px=40, low_percentile=0.0, high_percentile=100.0)


def volume(
    shape: tuple[int, int, int],
    voxel_nm: tuple[float, float, float],
    marks: dict[tuple[int, int, int], int],
    offset: tuple[int, int, int] = (0, 0, 0),
) -> ArrayDatastack:
    """Return a dim volume with bright voxels at (x, y, z); each mark is its segment id too."""
    em = np.full(shape, 10, np.uint8)
    ids = np.zeros(shape, np.uint64)
    for (x, y, z), segment in marks.items():
        em[z, y, x] = 200
        ids[z, y, x] = segment
    return ArrayDatastack(em, None, ids, voxel_nm, offset=offset)


def test_a_voxel_at_the_centre_lands_in_the_centre() -> None:
    stack = volume((60, 60, 60), (10, 10, 10), {(30, 31, 32): 7})
    assert stack.imagery is not None
    center = stack.arrays.scale.center_of((30, 31, 32))
    # 40 nm wide at 10 pixels: the 10 nm voxel fills the middle of every slice.
    spec = EMSpec(half_extent_nm=25.0, size_px=50)
    slices = cut_slices(stack.imagery, stack.segmentation, center, spec)
    expected = np.zeros((3, 50, 50), bool)
    expected[:, 20:30, 20:30] = True
    np.testing.assert_array_equal(slices.mask(7), expected)
    assert (slices.em[:, 24:26, 24:26] == 255).all()


@pytest.mark.parametrize(
    ("plane", "axis_of_right", "sign"), [("xy", 0, 1), ("xz", 0, 1), ("yz", 2, -1)]
)
def test_right_is_that_of_the_panels(plane: str, axis_of_right: int, sign: int) -> None:
    mark = [30, 30, 30]
    mark[axis_of_right] += 8 * sign
    stack = volume((60, 60, 60), (10, 10, 10), {(mark[0], mark[1], mark[2]): 5})
    assert stack.imagery is not None
    center = stack.arrays.scale.center_of((30, 30, 30))
    slices = cut_slices(stack.imagery, stack.segmentation, center, FINE)
    rows, columns = np.nonzero(slices.mask(5)[FINE.planes.index(plane)])
    # A pixel is a voxel here, and the centre lies between pixels 19 and 20.
    assert columns.min() >= 27
    assert columns.max() <= 28
    assert rows.min() >= 19
    assert rows.max() <= 20


@pytest.mark.parametrize(("plane", "axis_of_down"), [("xy", 1), ("xz", 2), ("yz", 1)])
def test_down_is_that_of_the_panels(plane: str, axis_of_down: int) -> None:
    mark = [30, 30, 30]
    mark[axis_of_down] += 8
    stack = volume((60, 60, 60), (10, 10, 10), {(mark[0], mark[1], mark[2]): 5})
    assert stack.imagery is not None
    center = stack.arrays.scale.center_of((30, 30, 30))
    slices = cut_slices(stack.imagery, stack.segmentation, center, FINE)
    rows, _ = np.nonzero(slices.mask(5)[FINE.planes.index(plane)])
    assert rows.min() >= 27
    assert rows.max() <= 28


def test_anisotropic_voxels_keep_their_size_in_nm() -> None:
    marks = {(20, 20, z): 3 for z in (10,)}
    stack = volume((20, 40, 40), (8, 8, 40), marks)
    assert stack.imagery is not None
    center = stack.arrays.scale.center_of((20, 20, 10))
    spec = EMSpec(half_extent_nm=80.0, size_px=80)
    slices = cut_slices(stack.imagery, stack.segmentation, center, spec)
    xy, xz, yz = slices.mask(3)
    assert xy.sum() == 4 * 4
    rows, columns = np.nonzero(xz)
    assert (len(set(rows)), len(set(columns))) == (20, 4)
    rows, columns = np.nonzero(yz)
    assert (len(set(rows)), len(set(columns))) == (4, 20)


def test_the_edge_of_the_volume_is_absent_and_not_black_tissue() -> None:
    stack = volume((30, 30, 30), (10, 10, 10), {}, offset=(100, 0, 0))
    assert stack.imagery is not None
    # 50 nm inside the face at x = 1,000 nm.
    slices = cut_slices(stack.imagery, stack.segmentation, (1050.0, 150.0, 150.0), FINE)
    columns = np.nonzero(slices.present[0].any(axis=0))[0]
    assert columns.min() == 15
    assert not slices.em[~slices.present].any()


def test_a_center_outside_shows_the_planes_that_reach_inside() -> None:
    stack = volume((30, 30, 30), (10, 10, 10), {})
    assert stack.imagery is not None
    slices = cut_slices(stack.imagery, stack.segmentation, (150.0, 150.0, -50.0), FINE)
    assert [bool(p.any()) for p in slices.present] == [False, True, True]
    with pytest.raises(OutsideVolumeError):
        cut_slices(stack.imagery, stack.segmentation, (9000.0, 150.0, 150.0), FINE)


def test_ids_beyond_2_to_the_53_survive() -> None:
    big = 2**63 - 25
    stack = volume((60, 60, 60), (10, 10, 10), {(30, 30, 30): big, (32, 30, 30): big - 1})
    assert stack.imagery is not None
    center = stack.arrays.scale.center_of((30, 30, 30))
    slices = cut_slices(stack.imagery, stack.segmentation, center, FINE)
    assert {int(i) for i in np.unique(slices.ids)} == {0, big, big - 1}


def test_slabs_and_a_whole_cutout_give_the_same_slices() -> None:
    rng = np.random.default_rng(3)
    em = rng.integers(0, 255, (40, 50, 60), np.uint8)
    ids = rng.integers(1, 9, (40, 50, 60)).astype(np.uint64)
    stack = ArrayDatastack(em, None, ids, (8, 8, 20))
    assert stack.imagery is not None
    center = (201.0, 187.5, 333.0)
    slabs = cut_slices(stack.imagery, stack.segmentation, center, FINE)
    box = BoxNm.around(center, 260.0)
    whole = slice_cutouts(stack.imagery.read(box), stack.segmentation.read_roots(box), center, FINE)
    np.testing.assert_array_equal(slabs.ids, whole.ids)
    np.testing.assert_array_equal(slabs.present, whole.present)
    assert np.abs(slabs.em.astype(int) - whole.em).max() <= 1


def test_planes_name_three_different_axes() -> None:
    for plane in PLANES.values():
        assert {plane.right, plane.down, plane.across} == {0, 1, 2}
