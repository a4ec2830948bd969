"""What is painted over slices."""

from __future__ import annotations

import numpy as np

from rendering.em import Slices
from rendering.overlay import OverlayStyle, paint_slice
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
