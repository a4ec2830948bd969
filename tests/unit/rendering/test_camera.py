"""The start camera, checked with an independent quaternion library."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from connectome.space import PointNm
from rendering.camera import VIEWS, start_camera

coordinate = st.floats(-1e6, 1e6, allow_nan=False)
point = st.tuples(coordinate, coordinate, coordinate)


@given(point, point)
def test_the_line_lies_in_the_plane_of_the_screen(a: PointNm, b: PointNm) -> None:
    quaternion = start_camera(a, b)
    assert np.linalg.norm(quaternion) == pytest.approx(1.0)
    line = np.subtract(b, a)
    length = np.linalg.norm(line)
    if length < 1e-6:
        return
    forward = Rotation.from_quat(quaternion).apply([0.0, 0.0, 1.0])
    assert abs(float(np.dot(line / length, forward))) < 1e-5


def test_a_line_in_the_xy_plane_needs_no_turn() -> None:
    assert start_camera((0, 0, 7), (30, -40, 7)) == pytest.approx((0, 0, 0, 1))


def test_a_line_along_z_is_seen_from_the_side() -> None:
    forward = Rotation.from_quat(start_camera((5, 5, 0), (5, 5, 100))).apply([0.0, 0.0, 1.0])
    np.testing.assert_allclose(forward, [0, -1, 0], atol=1e-9)


def test_one_point_twice_is_the_start_orientation() -> None:
    assert start_camera((1, 2, 3), (1, 2, 3)) == (0.0, 0.0, 0.0, 1.0)


@pytest.mark.parametrize("name", ["front", "side", "top"])
def test_views_are_right_handed(name: str) -> None:
    axes = VIEWS[name]
    np.testing.assert_array_equal(np.cross(axes.forward, axes.up), axes.right)
