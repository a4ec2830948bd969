"""Marks grow with the picture, and say what is true."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from rendering.annotations import decorate, framed, length_label, scale_bar_nm
from rendering.camera import CameraSpec

SIZES = [96, 224, 512, 1024]
WHITE = 255


def blank(size: int) -> NDArray[np.uint8]:
    return np.full((size, size, 3), WHITE, np.uint8)


def axes_alone(size: int, camera: CameraSpec) -> NDArray[np.bool_]:
    """Return the lower left corner, where it is dark."""
    corner = round(0.4 * size)
    rgb = decorate(blank(size), 5000.0 / size, dark_ground=False, axes=camera.axes)
    return np.asarray(rgb[-corner:, :corner, 0] < 128)


@given(st.floats(1.0, 1e7))
def test_the_scale_bar_is_a_round_length_that_fits(width_nm: float) -> None:
    length = scale_bar_nm(width_nm)
    assert 0.1 * width_nm < length <= 0.3 * width_nm * 1.0001
    digits = f"{length:.6e}".split("e")[0].rstrip("0").rstrip(".")
    assert digits in {"1", "2", "5"}


@pytest.mark.parametrize("size", SIZES)
def test_the_scale_bar_is_as_long_as_it_says(size: int) -> None:
    nm_per_px = 2500.0 / size
    rgb = decorate(blank(size), nm_per_px, dark_ground=False)
    margin, thick = max(size // 32, 4), max(size // 96, 2)
    row = rgb[size - margin - thick // 2 - 1, :, 0]
    assert abs((row == 40).sum() - 500.0 / nm_per_px) <= 1


@pytest.mark.parametrize(
    ("length_nm", "label"),
    [(50, "50 nm"), (1000, "1 µm"), (20_000, "20 µm"), (500_000, "500 µm"), (2_000_000, "2 mm")],
)
def test_lengths_in_words(length_nm: float, label: str) -> None:
    assert length_label(length_nm) == label


def test_the_micrometre_is_not_a_box() -> None:
    """The letter has a stem that goes below the line, and stands open at the top."""
    label = decorate(blank(512), 10.0, dark_ground=False)[-70:-22, -160:, 0] < 128
    columns = np.flatnonzero(label.any(axis=0))
    lowest = [int(np.flatnonzero(label[:, c]).max()) for c in columns]
    base = int(np.median(lowest))
    below = columns[np.array(lowest) > base + 2]
    assert len(below) > 0
    assert np.ptp(below) < 6


@pytest.mark.parametrize("size", [96, 97, 320, 1024])
def test_the_cross_hair_points_at_the_centre_and_leaves_it_free(size: int) -> None:
    grey = np.full((size, size, 3), 128, np.uint8)
    changed = (decorate(grey, 5.0, dark_ground=True) != grey).any(axis=-1)
    changed[int(size * 0.7) :, int(size * 0.6) :] = False  # the scale bar
    np.testing.assert_array_equal(changed, changed[::-1])
    np.testing.assert_array_equal(changed, changed[:, ::-1])
    assert changed.any()
    middle = slice(size // 2 - 2, size // 2 + 2)
    assert not changed[middle, middle].any()


@pytest.mark.parametrize("dark", [True, False])
def test_marks_grow_with_the_picture(dark: bool) -> None:
    camera = CameraSpec.of_view("front", (0, 0, 0), 2500)
    shares = []
    for size in (256, 512, 1024):
        ground = np.full((size, size, 3), 0 if dark else WHITE, np.uint8)
        rgb = decorate(ground, 5000.0 / size, dark_ground=dark, axes=camera.axes)
        shares.append(float((rgb != ground).any(axis=-1).mean()))
    assert max(shares) < 1.5 * min(shares)


@pytest.mark.parametrize("size", SIZES[1:])
def test_axes_point_where_the_camera_says(size: int) -> None:
    # From the front y points to the left and z up; seen from the top, x right and y up.
    for view, sideways in (("front", -1), ("top", 1)):
        dark = axes_alone(size, CameraSpec.of_view(view, (0, 0, 0), 2500))
        rows, columns = np.nonzero(dark)
        edge = max(round(0.28 * size), 64)
        middle_row, middle_column = len(dark) - edge / 2, edge / 2
        # The arrows reach farther than the letter on the other side.
        up, down = middle_row - rows.min(), rows.max() - middle_row
        left, right = middle_column - columns.min(), columns.max() - middle_column
        assert up > down + 2
        assert sideways * (right - left) > 2


def test_a_picture_too_small_for_axes_has_none() -> None:
    assert not axes_alone(96, CameraSpec.of_view("top", (0, 0, 0), 2500))[:20].any()


def test_an_axis_towards_the_viewer_is_a_dot_and_away_a_cross() -> None:
    size, edge = 512, round(0.28 * 512)
    towards = CameraSpec.of_view("top", (0, 0, 0), 2500)
    away = towards.rotated(180, 0)
    middle = []
    for camera in (towards, away):
        rgb = decorate(blank(size), 10.0, dark_ground=False, axes=camera.axes)
        row, column = size - edge // 2, edge // 2
        middle.append(rgb[row - 8 : row + 8, column - 8 : column + 8])
    assert (middle[0] != middle[1]).any()


def test_decorating_leaves_the_original_alone() -> None:
    ground = blank(64)
    framed(decorate(ground, 5.0, dark_ground=True), (10, 10), (20, 20))
    assert (ground == WHITE).all()


def test_a_frame_stands_around_its_corners() -> None:
    dark = framed(blank(200), (50, 60), (100, 120))[..., 0] < 128
    rows, columns = np.nonzero(dark)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (60, 119, 50, 99)
    assert not dark[70:110, 60:90].any()


def test_a_tiny_frame_is_drawn_large_enough_to_be_seen() -> None:
    dark = framed(blank(200), (99.9, 99.9), (100.1, 100.1))[..., 0] < 128
    rows, columns = np.nonzero(dark)
    assert np.ptp(rows) >= 5
    assert abs(rows.mean() - 99.5) < 1
    assert abs(columns.mean() - 99.5) < 1
