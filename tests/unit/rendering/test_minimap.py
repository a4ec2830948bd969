"""The map shows everything, however thin, and where the view is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from connectome.space import BoxNm, PointNm
from rendering.camera import CameraSpec
from rendering.minimap import Minimap, minimap, with_inset
from rendering.spec import COLOR_A, COLOR_B
from rendering.surfaces import Surface, prepare, to_surface
from tests.unit.rendering.shapes import box_mesh

ORIGIN = (0.0, 0.0, 0.0)
TOP = CameraSpec.of_view("top", ORIGIN, 1000.0)


def box(lower: PointNm, upper: PointNm, color: str) -> Surface:
    solid = prepare(box_mesh(lower, upper), BoxNm.around(ORIGIN, 1e9))
    return to_surface(solid, ORIGIN, 1e8, color)


def blue(rgb: NDArray[np.uint8]) -> NDArray[np.bool_]:
    return np.asarray(rgb[..., 2].astype(int) > rgb[..., 0].astype(int) + 20)


def orange(rgb: NDArray[np.uint8]) -> NDArray[np.bool_]:
    return np.asarray(rgb[..., 0].astype(int) > rgb[..., 2].astype(int) + 20)


def frame(small: Minimap) -> tuple[int, int, int, int]:
    """Return first and last row and column of the frame."""
    rows, columns = np.nonzero((small.rgb < 60).all(axis=-1))
    return int(rows.min()), int(rows.max()), int(columns.min()), int(columns.max())


def test_a_neurite_a_hundred_times_thinner_than_a_pixel_is_unbroken() -> None:
    thin = box((-200_000, -10, -10), (200_000, 10, 10), COLOR_A)
    small = minimap([thin], TOP)
    assert small.nm_per_px > 2000
    assert blue(small.rgb)[:, 10:70].max(axis=0).all()


def test_large_faces_have_no_holes() -> None:
    small = minimap([box((-50_000, -50_000, -10), (50_000, 50_000, 10), COLOR_B)], TOP)
    rows, columns = np.nonzero(orange(small.rgb))
    filled = orange(small.rgb)[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    top, bottom, left, right = frame(small)
    filled[top - rows.min() - 2 : bottom - rows.min() + 3,
           left - columns.min() - 2 : right - columns.min() + 3] = True  # fmt: skip
    assert filled.all()


def test_the_frame_is_where_the_view_is() -> None:
    body = box((-100_000, -100_000, -100), (100_000, 100_000, 100), COLOR_A)
    view = CameraSpec.of_view("top", (50_000.0, 50_000.0, 0.0), 10_000.0)
    small = minimap([body], view, size_px=200)
    assert small.camera.center_nm == pytest.approx((0, 0, 0), abs=1)
    scale = small.nm_per_px
    expected = (
        100 - 60_000 / scale, 100 - 40_000 / scale, 100 + 40_000 / scale, 100 + 60_000 / scale
    )  # fmt: skip
    np.testing.assert_allclose(frame(small), expected, atol=2)


def test_what_is_nearer_hides_what_is_farther() -> None:
    high = box((-9000, -9000, 500), (9000, 9000, 600), COLOR_A)
    low = box((-9000, -9000, -600), (9000, 9000, -500), COLOR_B)
    for order in ([high, low], [low, high]):
        rgb = minimap(order, TOP).rgb
        assert blue(rgb).sum() > 50 * orange(rgb).sum()
        below = minimap(order, TOP.rotated(180, 0)).rgb
        assert orange(below).sum() > 50 * blue(below).sum()


def test_nothing_gives_an_empty_map_with_a_frame() -> None:
    small = minimap([], TOP)
    assert small.camera.half_extent_nm == pytest.approx(3000)
    assert not blue(small.rgb).any()
    top, bottom, left, right = frame(small)
    assert bottom - top == pytest.approx(160 / 3, abs=3)
    assert right - left == pytest.approx(160 / 3, abs=3)


@settings(max_examples=15, deadline=None)
@given(st.floats(-180, 180), st.floats(-89, 89))
def test_the_map_holds_all_of_it_from_everywhere(azimuth: float, elevation: float) -> None:
    far = box((40_000, 90_000, -70_000), (40_100, 90_100, -69_900), COLOR_B)
    small = minimap([far], TOP.rotated(azimuth, elevation))
    right_up = (
        small.camera.frame[:2]
        @ (far.positions.astype(np.float64) - np.array(small.camera.center_nm)).T
    )
    assert np.abs(right_up).max() <= small.camera.half_extent_nm
    assert orange(small.rgb).any()


def test_the_inset_leaves_the_rest_alone() -> None:
    picture = np.full((256, 256, 3), 7, np.uint8)
    together = with_inset(picture, minimap([], TOP))
    changed = (together != picture).any(axis=-1)
    assert changed[:60, -60:].all()
    assert not changed[80:].any()
    assert not changed[:, :170].any()
    assert (picture == 7).all()
