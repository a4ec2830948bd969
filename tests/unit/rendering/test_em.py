"""Slices: where things land, and what is absent."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest

from connectome.errors import InputError, OutsideVolumeError
from connectome.greys import Stretch
from connectome.space import BoxNm
from rendering.em import PLANES, cut_slices, slice_cutouts
from rendering.spec import EMSpec
from tests.arrays import ArrayDatastack

ALL = ("xy", "xz", "yz", "best")
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


def digest(array: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()[:16]


@pytest.mark.parametrize(
    ("voxel_nm", "offset", "center", "expected"),
    [
        (
            (10.0, 10.0, 10.0),
            (3, 5, -7),
            (431.5, 377.25, 161.0),
            ("d781e83553148b27", "6f09651b7cc9b842", "f8f2db257f997393"),
        ),
        (
            (8.0, 8.0, 40.0),
            (0, 0, 0),
            (360.0, 8.0, 777.0),
            ("2d79c31bc32738f0", "b3070a0b06df1d43", "5707a68c2ddbcc25"),
        ),
    ],
)
def test_the_pixels_that_judges_were_trained_on_stay_as_they_are(
    voxel_nm: tuple[float, float, float],
    offset: tuple[int, int, int],
    center: tuple[float, float, float],
    expected: tuple[str, str, str],
) -> None:
    rng = np.random.default_rng(2024)
    em = rng.integers(0, 256, (40, 80, 90), dtype=np.uint8)
    ids = rng.integers(0, 2**62, (40, 80, 90), dtype=np.uint64)
    stack = ArrayDatastack(em, None, ids, voxel_nm, offset=offset)
    assert stack.imagery is not None
    slices = cut_slices(stack.imagery, stack.segmentation, center, EMSpec())
    assert (digest(slices.em), digest(slices.ids), digest(slices.present)) == expected


def test_the_spec_that_judges_were_trained_on_keeps_its_hash() -> None:
    assert EMSpec().hash == "63a82a2197df27a6"


def cube(voxel_nm: tuple[float, float, float] = (10.0, 10.0, 10.0)) -> ArrayDatastack:
    """Return noise with two neighbours, 3 and 4, that meet in the middle."""
    rng = np.random.default_rng(5)
    em = rng.integers(20, 220, (60, 60, 60), np.uint8)
    ids = np.zeros((60, 60, 60), np.uint64)
    ids[20:40, 20:40, 10:30] = 3
    ids[20:40, 20:40, 30:50] = 4
    return ArrayDatastack(em, None, ids, voxel_nm)


@pytest.mark.parametrize("size_px", [40, 200])
def test_the_best_plane_comes_with_the_panels_and_changes_only_their_contrast(
    size_px: int,
) -> None:
    stack = cube()
    assert stack.imagery is not None
    spec = EMSpec(half_extent_nm=200.0, size_px=size_px, planes=ALL)
    slices = cut_slices(stack.imagery, stack.segmentation, (300.0, 300.0, 300.0), spec, (3, 4))
    plain = cut_slices(
        stack.imagery,
        stack.segmentation,
        (300.0, 300.0, 300.0),
        EMSpec(half_extent_nm=200.0, size_px=size_px),
    )
    np.testing.assert_array_equal(slices.ids[:3], plain.ids)
    assert slices.em.shape == (4, size_px, size_px)
    assert slices.present.all()
    for segment in (3, 4):
        areas = slices.mask(segment).sum(axis=(1, 2))
        assert areas[3] >= areas[:3].max()


def test_an_oblique_pixel_shows_the_voxel_at_its_position() -> None:
    stack = cube((8.0, 8.0, 40.0))
    assert stack.imagery is not None
    spec = EMSpec(half_extent_nm=150.0, size_px=150, planes=("best",))
    slices = cut_slices(stack.imagery, stack.segmentation, (241.0, 243.0, 1190.0), spec, (3, 4))
    for row, column in ((0, 0), (17, 90), (149, 149), (75, 20), (130, 61)):
        x, y, z = stack.arrays.scale.voxel_at(slices.position_nm("best", column, row))
        assert slices.ids[0, row, column] == stack.arrays.root_ids[z, y, x]


def test_the_best_plane_is_absent_where_the_volume_ends() -> None:
    # Two plates across y, so that the best plane is nearly the xz panel.
    labels = np.zeros((60, 60, 60), np.uint64)
    labels[:, 28:32, 10:30], labels[:, 28:32, 30:50] = 3, 4
    stack = ArrayDatastack(np.full(labels.shape, 99, np.uint8), None, labels, (10, 10, 10))
    assert stack.imagery is not None
    spec = EMSpec(half_extent_nm=200.0, size_px=160, planes=ALL)
    slices = cut_slices(stack.imagery, stack.segmentation, (300.0, 300.0, 50.0), spec, (3, 4))
    assert slices.present[3].mean() == pytest.approx(250 / 400, abs=0.02)
    assert not slices.present[3, :50].any()
    assert slices.present[3, 70:].all()
    assert not slices.em[~slices.present].any()
    assert not slices.ids[~slices.present].any()


def test_the_best_plane_needs_to_know_for_whom() -> None:
    stack = cube()
    assert stack.imagery is not None
    spec = EMSpec(planes=ALL)
    with pytest.raises(InputError, match="needs the segments"):
        cut_slices(stack.imagery, stack.segmentation, (300.0, 300.0, 300.0), spec)
    odd = EMSpec(planes=("xy", "zx"))
    with pytest.raises(InputError, match="no plane 'zx'"):
        cut_slices(stack.imagery, stack.segmentation, (300.0, 300.0, 300.0), odd)


def test_what_was_used_is_recorded() -> None:
    stack = cube((8.0, 8.0, 40.0))
    imagery = stack.imagery
    assert imagery is not None
    imagery.stretch = Stretch(100.0, 4000.0)  # type: ignore[attr-defined]
    spec = EMSpec(planes=ALL, low_percentile=0.0, high_percentile=100.0)
    slices = cut_slices(imagery, stack.segmentation, (240.0, 240.0, 1200.0), spec, (3, 4))
    record = json.loads(json.dumps(slices.record()))
    assert record["spec_hash"] == spec.hash != EMSpec().hash
    assert record["window_nm"] == 640.0
    assert record["nm_per_px"] == 10.0
    assert record["center_nm"] == [240.0, 240.0, 1200.0]
    assert record["em_voxel_nm"] == record["id_voxel_nm"] == [8.0, 8.0, 40.0]
    assert record["stretch"] == {"low": 100.0, "high": 4000.0}
    assert 20 <= record["contrast"][0] < record["contrast"][1] <= 220
    assert record["frames"]["xz"] == {"right": [1.0, 0.0, 0.0], "down": [0.0, 0.0, 1.0]}
    right, down = record["frames"]["best"]["right"], record["frames"]["best"]["down"]
    assert np.dot(right, down) == pytest.approx(0, abs=1e-9)
    assert len(record["best_areas_nm2"]) == 2


def test_boundaries_are_those_of_others_only() -> None:
    labels = np.zeros((12, 12, 12), np.uint64)
    labels[:, :, :4], labels[:, :6, 4:8], labels[:, 6:, 4:8] = 2**60 + 1, 2**60 + 2, 2**60 + 3
    stack = ArrayDatastack(np.full(labels.shape, 9, np.uint8), None, labels, (10, 10, 10))
    assert stack.imagery is not None
    spec = EMSpec(half_extent_nm=60.0, size_px=12)
    slices = cut_slices(stack.imagery, stack.segmentation, (60.0, 60.0, 60.0), spec)
    found = slices.boundaries(2**60 + 1)[0]
    expected = np.zeros((12, 12), bool)
    expected[:, 4] = True  # against the segment that is shown itself
    expected[:, 7] = True  # against background
    expected[5, 4:8] = True  # between the two, on one side
    np.testing.assert_array_equal(found, expected)
    assert not slices.boundaries(*(2**60 + i for i in (1, 2, 3))).any()
