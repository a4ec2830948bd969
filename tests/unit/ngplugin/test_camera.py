from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from ngplugin.camera import camera_for_pair, quaternion_of
from ngplugin.style import COLOR_A, SITE_SHADER, probability_color

coordinate = st.floats(-1e5, 1e5).map(lambda v: round(v, 1))
points = st.tuples(coordinate, coordinate, coordinate)


@given(points, points)
def test_the_camera_looks_square_to_the_line(a: tuple[float, ...], b: tuple[float, ...]) -> None:
    line = np.subtract(b, a)
    camera = camera_for_pair((a[0], a[1], a[2]), (b[0], b[1], b[2]))
    axes = Rotation.from_quat(camera.orientation).as_matrix()
    assert np.allclose(axes.T @ axes, np.eye(3), atol=1e-6)
    assert np.linalg.det(axes) == pytest.approx(1.0, abs=1e-6)
    if np.linalg.norm(line) > 1e-6:
        assert abs(axes[:, 2] @ line / np.linalg.norm(line)) < 1e-5
    assert np.allclose(camera.center_nm, np.add(a, b) / 2)


def test_a_pair_in_a_slice_is_seen_as_in_the_slice() -> None:
    camera = camera_for_pair((0.0, 0.0, 5.0), (-30.0, 40.0, 5.0))
    assert np.allclose(np.abs(camera.orientation), (0, 0, 0, 1), atol=1e-9)


def test_a_pair_along_z_is_seen_as_in_the_xz_slice() -> None:
    axes = Rotation.from_quat(camera_for_pair((0.0, 0.0, 0.0), (0.0, 0.0, 9.0)).orientation)
    assert np.allclose(axes.apply([1, 0, 0]), (1, 0, 0))
    assert np.allclose(axes.apply([0, 1, 0]), (0, 0, 1))


@given(st.tuples(*[st.floats(-1, 1)] * 4).filter(lambda q: math.dist(q, (0, 0, 0, 0)) > 0.1))
def test_quaternions_agree_with_scipy(q: tuple[float, ...]) -> None:
    rotation = Rotation.from_quat(q)
    ours = Rotation.from_quat(quaternion_of(rotation.as_matrix()))
    assert (ours * rotation.inv()).magnitude() < 1e-6


def test_the_scale_gets_lighter_all_the_way() -> None:
    def lightness(color: str) -> float:
        red, green, blue = (int(color[i : i + 2], 16) / 255 for i in (1, 3, 5))
        return float(0.2126 * red**2.2 + 0.7152 * green**2.2 + 0.0722 * blue**2.2)

    steps = [lightness(probability_color(i / 20)) for i in range(21)]
    assert all(low < high for low, high in pairwise(steps))
    assert probability_color(2.0) == probability_color(1.0)
    assert COLOR_A not in SITE_SHADER
