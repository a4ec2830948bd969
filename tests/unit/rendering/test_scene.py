"""A scene from anywhere: what moves, what is the same, and what is told."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from connectome.errors import InputError
from connectome.space import BoxNm, PointNm
from rendering.camera import CameraSpec
from rendering.scene import Scene, SceneContent
from rendering.spec import COLOR_A, COLOR_B, RenderSpec
from rendering.surfaces import Surface, prepare, to_surface
from tests.unit.rendering.shapes import box_mesh

ORIGIN = (2_000_000.0, 1_500_000.0, 300_000.0)
SPEC = RenderSpec(half_extent_nm=1000.0, size_px=128, antialias="none")
PLAIN = replace(SPEC, headlight=0.0, ambient=3.0)
"""Light from everywhere alone: colours tell who is seen and nothing else."""


def box(lower: PointNm, upper: PointNm, color: str) -> Surface:
    solid = prepare(box_mesh(lower, upper), BoxNm.around((0, 0, 0), 1e9))
    return to_surface(solid, (0, 0, 0), 1e8, color)


def pair() -> tuple[Surface, ...]:
    return (
        box((-700, -300, -200), (100, 100, 350), COLOR_A),
        box((0, -100, -500), (450, 800, 200), COLOR_B),
    )


def content(surfaces: tuple[Surface, ...]) -> SceneContent:
    return SceneContent(surfaces, ORIGIN, reach_nm=1200.0)


class Recorder:
    """Says what it was asked to draw."""

    def __init__(self) -> None:
        self.seen: list[tuple[PointNm, CameraSpec, int]] = []

    def look(
        self,
        surfaces: Sequence[Surface],
        cameras: Sequence[CameraSpec],
        spec: RenderSpec,
        *,
        origin_nm: PointNm = (0.0, 0.0, 0.0),
        neighbours: Sequence[Surface] = (),
    ) -> list[NDArray[np.uint8]]:
        self.seen += [(origin_nm, camera, spec.size_px) for camera in cameras]
        return [np.zeros((spec.size_px, spec.size_px, 3), np.uint8) for _ in cameras]


def scene() -> Scene:
    return Scene(content(pair()), SPEC, backend=Recorder())


def turned(surface: Surface, rotation: NDArray[np.float64]) -> Surface:
    return replace(
        surface,
        positions=(surface.positions @ rotation.T).astype(np.float32),
        normals=(surface.normals @ rotation.T).astype(np.float32),
    )


def test_it_begins_in_front_and_comes_back() -> None:
    moving = scene()
    start = moving.camera
    assert start == CameraSpec.of_view("front", ORIGIN, 1000.0)
    moving.move(300, -200)
    moving.rotate(30, 10)
    moving.zoom(2.5)
    assert moving.camera != start
    moving.reset()
    assert moving.camera == start


def test_a_named_view_keeps_place_and_extent() -> None:
    moving = scene()
    moving.move(100, 50)
    moving.zoom(2)
    moving.look("top")
    assert moving.camera.forward == (0, 0, -1)
    assert moving.camera.half_extent_nm == 500
    np.testing.assert_allclose(np.subtract(moving.camera.center_nm, ORIGIN), (0, -100, 50))


def test_a_shot_tells_what_it_is_made_again_from() -> None:
    moving = scene()
    moving.rotate(12.5, -40)
    moving.zoom(1.7)
    shot = moving.render(96)
    plain = json.loads(json.dumps(shot.plain()))
    assert CameraSpec.from_plain(plain["camera"]) == shot.camera == moving.camera
    assert plain["spec"]["half_extent_nm"] == shot.camera.half_extent_nm
    assert plain["spec"]["size_px"] == 96
    assert plain["spec"]["hash"] == shot.spec.hash
    assert shot.nm_per_px == pytest.approx(2 * 1000 / 1.7 / 96)


def test_it_says_when_it_looks_past_what_was_loaded() -> None:
    moving = scene()
    assert moving.render().complete
    moving.move(500, 0)
    assert not moving.render().complete
    moving.zoom(2)
    assert moving.render().complete


def test_it_loads_what_it_lacks_and_only_then() -> None:
    asked: list[tuple[PointNm, float]] = []

    def load(center_nm: PointNm, reach_nm: float) -> SceneContent:
        asked.append((center_nm, reach_nm))
        return SceneContent(pair(), center_nm, reach_nm)

    backend = Recorder()
    moving = Scene(content(pair()), SPEC, backend=backend, load=load)
    moving.render()
    assert not asked
    moving.move(5000, 0)
    assert moving.render().complete
    moving.rotate(45, 30)
    assert moving.render().complete
    assert len(asked) == 1
    assert backend.seen[-1][0] == asked[0][0]
    np.testing.assert_allclose(np.subtract(asked[0][0], ORIGIN), (0, -5000, 0))


@pytest.mark.parametrize("size", [0, 31, 5000])
def test_unreasonable_sizes_are_refused(size: int) -> None:
    with pytest.raises(InputError):
        scene().render(size)


@pytest.mark.parametrize("factor", [0.0, -2.0, 1e-9, 1e9, float("nan")])
def test_unreasonable_zooms_change_nothing(factor: float) -> None:
    moving = scene()
    before = moving.camera
    with pytest.raises(InputError):
        moving.zoom(factor)
    assert moving.camera == before


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_moves_that_are_no_numbers_are_refused(value: float) -> None:
    with pytest.raises(InputError):
        scene().move(value, 0)
    with pytest.raises(InputError):
        scene().rotate(0, value)


@pytest.mark.render
@settings(max_examples=12, deadline=None)
@given(st.floats(-180, 180), st.floats(-80, 80), st.sampled_from(["front", "side", "top"]))
def test_scene_and_camera_turned_together_give_the_same_picture(
    azimuth: float, elevation: float, view: str
) -> None:
    camera = CameraSpec.of_view(view, ORIGIN, 1000.0)
    # What carries the plain camera's axes to those of the turned one carries the scene too.
    goal = camera.rotated(azimuth, elevation)
    rotation = goal.frame.T @ camera.frame
    first = Scene(content(pair()), SPEC, camera).render()
    both = tuple(turned(surface, rotation) for surface in pair())
    second = Scene(content(both), SPEC, goal).render()
    different = np.abs(first.rgb.astype(int) - second.rgb).max(axis=-1) > 6
    # Along edges the rasteriser may decide the other way.
    assert different.mean() < 0.01


@pytest.mark.render
@settings(max_examples=8, deadline=None)
@given(st.floats(-180, 180), st.floats(-80, 80))
def test_swapping_the_two_swaps_their_colours(azimuth: float, elevation: float) -> None:
    camera = CameraSpec.of_view("front", ORIGIN, 1000.0).rotated(azimuth, elevation)
    one, two = pair()
    swapped = (replace(two, color=COLOR_A), replace(one, color=COLOR_B))
    first = Scene(content((one, two)), PLAIN, camera).render().rgb.astype(int)
    second = Scene(content(swapped), PLAIN, camera).render().rgb.astype(int)
    warm, cold = first[..., 0] > first[..., 2] + 20, first[..., 2] > first[..., 0] + 20
    warm_after, cold_after = (
        second[..., 0] > second[..., 2] + 20,
        second[..., 2] > second[..., 0] + 20,
    )
    assert warm.any()
    assert cold.any()
    # Where the two meet at the same depth, the one drawn first is seen.
    assert (warm != cold_after).mean() < 0.005
    assert (cold != warm_after).mean() < 0.005


@pytest.mark.render
def test_a_shot_is_made_again_exactly() -> None:
    moving = Scene(content(pair()), SPEC)
    moving.rotate(33, -21)
    moving.move(120, -80)
    moving.zoom(1.3)
    shot = moving.render()
    again = Scene(content(pair()), shot.spec, CameraSpec.from_json(shot.camera.to_json()))
    np.testing.assert_array_equal(again.render().rgb, shot.rgb)


@pytest.mark.render
def test_moving_shifts_the_picture_by_pixels() -> None:
    moving = Scene(content(pair()), SPEC)
    before = moving.render().rgb
    step = moving.render().nm_per_px * 16
    moving.move(step, 0)
    np.testing.assert_array_equal(moving.render().rgb[:, :-16], before[:, 16:])
    moving.reset()
    moving.move(0, step)
    np.testing.assert_array_equal(moving.render().rgb[16:], before[:-16])


@pytest.mark.render
def test_zooming_in_shows_the_middle_larger() -> None:
    moving = Scene(content(pair()), SPEC)
    wide = moving.render(256).rgb
    moving.zoom(2)
    near = moving.render(128).rgb
    different = np.abs(near.astype(int) - wide[64:192, 64:192]).max(axis=-1) > 6
    assert different.mean() < 0.01


@pytest.mark.render
def test_nothing_that_stands_near_the_camera_is_cut_off() -> None:
    long = box((-90_000, -100, -100), (90_000, 100, 100), COLOR_A)
    rgb = Scene(content((long,)), replace(SPEC, half_extent_nm=500.0)).render().rgb
    assert (rgb < 250).any(axis=-1).sum() == pytest.approx((128 * 0.2) ** 2, rel=0.1)


@pytest.mark.render
def test_a_decorated_shot_has_marks() -> None:
    shot = Scene(content(()), SPEC).render(256)
    assert (shot.rgb == 255).all()
    assert (shot.decorated() < 60).any()
    assert (shot.rgb == 255).all()
