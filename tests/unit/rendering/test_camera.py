"""Cameras: the axes of the fixed views, and moving about."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectome.errors import InputError
from connectome.space import PointNm
from rendering.camera import VIEWS, CameraSpec

CENTER = (2_000_000.0, 1_500_000.0, 300_000.0)

angles = st.floats(-720, 720)
cameras = st.builds(
    lambda name, a, e: CameraSpec.of_view(name, CENTER, 2500.0).rotated(a, e),
    st.sampled_from(sorted(VIEWS)),
    angles,
    angles,
)


@pytest.mark.parametrize("name", ["front", "side", "top"])
def test_views_are_right_handed(name: str) -> None:
    axes = VIEWS[name]
    np.testing.assert_array_equal(np.cross(axes.forward, axes.up), axes.right)
    camera = CameraSpec.of_view(name, CENTER, 2500.0)
    assert camera.forward == axes.forward
    np.testing.assert_array_equal(camera.frame.T, axes.rotation()[:3, :3])
    right, down, into = camera.axes
    np.testing.assert_array_equal(np.cross(right, down), into)


@given(cameras, angles, angles)
def test_turning_keeps_right_angles_and_the_centre(
    camera: CameraSpec, azimuth: float, elevation: float
) -> None:
    turned = camera.rotated(azimuth, elevation)
    np.testing.assert_allclose(turned.frame @ turned.frame.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(turned.frame) == pytest.approx(1)
    assert turned.center_nm == camera.center_nm


@given(cameras, angles)
def test_turning_back_is_where_it_was(camera: CameraSpec, angle: float) -> None:
    for there, back in (((angle, 0), (-angle, 0)), ((0, angle), (0, -angle))):
        again = camera.rotated(*there).rotated(*back)
        np.testing.assert_allclose(again.frame, camera.frame, atol=1e-9)


def test_the_camera_goes_to_its_right_and_upwards() -> None:
    front = CameraSpec.of_view("front", CENTER, 2500.0)
    # It stands at -x and its right is -y: a quarter to the right it stands at -y.
    right = front.rotated(90, 0)
    np.testing.assert_allclose(right.forward, (0, 1, 0), atol=1e-12)
    # A quarter upwards it stands at +z and looks down.
    np.testing.assert_allclose(front.rotated(0, 90).forward, (0, 0, -1), atol=1e-12)


@given(cameras, st.floats(-1e5, 1e5), st.floats(-1e5, 1e5))
def test_moving_stays_in_the_plane_of_the_picture(
    camera: CameraSpec, right_nm: float, up_nm: float
) -> None:
    shift = np.subtract(camera.moved(right_nm, up_nm).center_nm, camera.center_nm)
    np.testing.assert_allclose(camera.frame @ shift, (right_nm, up_nm, 0), atol=1e-4)


@given(cameras, st.floats(0.01, 100))
def test_zooming_divides_the_extent(camera: CameraSpec, factor: float) -> None:
    assert camera.zoomed(factor).half_extent_nm == pytest.approx(2500.0 / factor)


@given(cameras)
def test_a_camera_survives_json_to_the_last_digit(camera: CameraSpec) -> None:
    assert CameraSpec.from_json(camera.to_json()) == camera


X, Y = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0)


@pytest.mark.parametrize(
    ("right", "up", "half"),
    [
        (X, X, 100.0),
        (X, (0.0, 2.0, 0.0), 100.0),
        (X, Y, 0.0),
        (X, Y, float("nan")),
        (X, (0.0, float("nan"), 0.0), 100.0),
    ],
)
def test_cameras_that_cannot_be(right: PointNm, up: PointNm, half: float) -> None:
    with pytest.raises(InputError):
        CameraSpec(CENTER, right, up, half)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"version": 2}',
        '{"version": 1, "center_nm": [1, 2], "right": [1, 0, 0], "up": [0, 1, 0],'
        ' "half_extent_nm": 5}',
        '{"version": 1, "center_nm": [1, 2, "x"], "right": [1, 0, 0], "up": [0, 1, 0],'
        ' "half_extent_nm": 5}',
    ],
)
def test_what_is_no_camera_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        CameraSpec.from_json(text)


def test_there_is_no_view_from_below() -> None:
    with pytest.raises(InputError, match="bottom"):
        CameraSpec.of_view("bottom", CENTER, 2500.0)


@pytest.mark.parametrize("factor", [0.0, -1.0, float("nan"), float("inf")])
def test_zooms_that_cannot_be(factor: float) -> None:
    with pytest.raises(InputError):
        CameraSpec.of_view("top", CENTER, 2500.0).zoomed(factor)
