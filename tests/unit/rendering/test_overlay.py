"""What is painted over slices and views."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rendering.em import Slices
from rendering.overlay import OverlayStyle, decorate, paint_slice, scale_bar_nm
from rendering.spec import EMSpec

BIG = 2**63 - 5
A_RGB = [0x1F, 0x77, 0xB4]
B_RGB = [0xFF, 0x7F, 0x0E]


def slices() -> Slices:
    """Return flat grey slices with A on the left, B on the right and the right rim absent."""
    em = np.full((3, 64, 64), 100, np.uint8)
    ids = np.zeros((3, 64, 64), np.uint64)
    ids[:, 10:30, 10:30] = BIG
    ids[:, 10:30, 30:50] = BIG - 1
    present = np.ones((3, 64, 64), bool)
    present[:, :, 60:] = False
    em[~present] = 0
    return Slices(em, ids, present, (0.0, 0.0, 0.0), EMSpec(half_extent_nm=320, size_px=64))


def test_segments_are_tinted_and_outlined_in_their_colours() -> None:
    rgb = paint_slice(slices(), "xy", BIG, BIG - 1)
    assert rgb[10, 15].tolist() == A_RGB
    assert rgb[20, 49].tolist() == B_RGB
    fill = OverlayStyle().fill
    expected = np.round(100 + (np.array(A_RGB) - 100) * fill)
    np.testing.assert_allclose(rgb[20, 20], expected, atol=1)
    # Tissue of others is untouched.
    assert rgb[40, 20].tolist() == [100, 100, 100]


def test_other_segments_are_outlined_faintly_and_not_filled() -> None:
    rgb = paint_slice(slices(), "xy", BIG, None)
    assert rgb[20, 40].tolist() == [100, 100, 100]
    assert 100 < rgb[10, 40].mean() < 200
    assert np.ptp(rgb[10, 40].astype(int)) < 16
    assert rgb[10, 15].tolist() == A_RGB


def test_ids_one_apart_beyond_2_to_the_53_are_told_apart() -> None:
    rgb = paint_slice(slices(), "xz", BIG - 1, None)
    assert rgb[20, 20].tolist() == [100, 100, 100]
    assert rgb[20, 40].tolist() != [100, 100, 100]


def test_the_absent_rim_is_hatched_and_not_black() -> None:
    rgb = paint_slice(slices(), "yz", BIG, None)
    rim = rgb[:, 60:]
    assert rim.min() > 20
    assert len(np.unique(rim)) == 2


def test_swapping_the_segments_swaps_their_colours() -> None:
    one = paint_slice(slices(), "xy", BIG, BIG - 1)
    two = paint_slice(slices(), "xy", BIG - 1, BIG)
    assert one[10, 15].tolist() == two[20, 49].tolist() == A_RGB
    assert one[20, 49].tolist() == two[10, 15].tolist() == B_RGB


@given(st.floats(1.0, 1e7))
def test_the_scale_bar_is_a_round_length_that_fits(width_nm: float) -> None:
    length = scale_bar_nm(width_nm)
    assert 0.1 * width_nm < length <= 0.3 * width_nm * 1.0001
    digits = f"{length:.6e}".split("e")[0].rstrip("0").rstrip(".")
    assert digits in {"1", "2", "5"}


@pytest.mark.parametrize("size", [96, 256, 512])
def test_the_scale_bar_is_as_long_as_it_says(size: int) -> None:
    nm_per_px = 2500.0 / size
    rgb = decorate(np.full((size, size, 3), 255, np.uint8), nm_per_px, dark_ground=False)
    margin, thick = max(size // 32, 4), max(size // 96, 2)
    row = rgb[size - margin - thick // 2 - 1, :, 0]
    assert abs((row == 40).sum() - 500.0 / nm_per_px) <= 1


@pytest.mark.parametrize("size", [96, 97, 320])
def test_the_cross_hair_points_at_the_centre_and_leaves_it_free(size: int) -> None:
    blank = np.full((size, size, 3), 128, np.uint8)
    changed = (decorate(blank, 5.0, dark_ground=True) != blank).any(axis=-1)
    changed[int(size * 0.7) :, int(size * 0.6) :] = False  # the scale bar
    np.testing.assert_array_equal(changed, changed[::-1])
    np.testing.assert_array_equal(changed, changed[:, ::-1])
    assert changed.any()
    middle = slice(size // 2 - 2, size // 2 + 2)
    assert not changed[middle, middle].any()


def test_decorating_leaves_the_original_alone() -> None:
    blank = np.full((64, 64, 3), 128, np.uint8)
    decorate(blank, 5.0, dark_ground=True)
    assert (blank == 128).all()
