"""The plane in which a pair shows most."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from connectome.space import Cutout, PointNm, Scale
from rendering.oblique import best_plane, frame_of
from rendering.sampling import PLANES, Frame, ScatteredPoints

CENTER: PointNm = (400.0, 400.0, 400.0)
RADIUS = 240.0
normals = st.tuples(*[st.floats(-1, 1)] * 3).filter(lambda n: np.linalg.norm(n) > 0.2)


def slab(normal: NDArray[np.float64], voxel_nm: PointNm, thick_nm: float = 60.0) -> Cutout:
    """Return a plate through the centre: 1 on one side of its middle line, 2 on the other."""
    shape = tuple(round(800 / v) for v in voxel_nm)
    axes = [(np.arange(n) + 0.5) * v - 400.0 for n, v in zip(shape, voxel_nm, strict=True)]
    x, y, z = np.meshgrid(*axes, indexing="ij")
    inside = np.abs(x * normal[0] + y * normal[1] + z * normal[2]) <= thick_nm / 2
    side = np.asarray(frame_of(normal).right)
    ids = np.where(x * side[0] + y * side[1] + z * side[2] < 0, 1, 2).astype(np.uint64)
    ids[~inside] = 0
    return Cutout(np.ascontiguousarray(ids.T), (0, 0, 0), Scale(voxel_nm, (*shape,)))  # type: ignore[arg-type]


def area(ids: Cutout, frame: Frame, radius_nm: float, pixels: int = 64) -> float:
    """Return the geometric mean of both areas by plain sampling."""
    step = 2 * radius_nm / pixels
    row = (np.arange(pixels) + 0.5) * step - radius_nm
    down, right = np.meshgrid(row, row, indexing="ij")
    found = ScatteredPoints(frame.positions(CENTER, right, down)).nearest(ids)
    found[np.hypot(right, down) > radius_nm] = 0
    return float(np.sqrt(float((found == 1).sum()) * float((found == 2).sum())) * step**2)


@pytest.mark.parametrize("plane", PLANES)
def test_the_panels_normals_give_the_panels_frames(plane: str) -> None:
    frame = PLANES[plane].frame
    assert frame_of(frame.normal) == frame


@given(normals)
def test_a_frame_is_square_and_looks_along_its_normal(raw: tuple[float, float, float]) -> None:
    normal = np.asarray(raw) / np.linalg.norm(raw)
    normal = normal if normal @ (1, -1, 1) >= 0 else -normal
    frame = frame_of(normal)
    np.testing.assert_allclose(frame.normal, normal, atol=1e-9)
    assert np.dot(frame.right, frame.down) == pytest.approx(0, abs=1e-9)
    assert np.linalg.norm(frame.right) == pytest.approx(1)


@settings(deadline=None, max_examples=12)
@given(normals, st.sampled_from([(10.0, 10.0, 10.0), (8.0, 8.0, 40.0)]))
def test_a_tilted_plate_is_cut_along_and_not_across(
    raw: tuple[float, float, float], voxel_nm: PointNm
) -> None:
    normal = np.asarray(raw) / np.linalg.norm(raw)
    normal = normal if normal @ (1, -1, 1) >= 0 else -normal
    ids = slab(normal, voxel_nm, thick_nm=80.0)
    found = best_plane(ids, (1, 2), CENTER, RADIUS)
    # The middle plane of the plate shows half a disc of each.
    half = np.pi * RADIUS**2 / 2
    assert min(found.areas_nm2) > 0.9 * half
    assert area(ids, found.frame, RADIUS) > 0.9 * half


def test_the_search_finds_what_trying_every_plane_finds() -> None:
    rng = np.random.default_rng(11)
    field = np.cumsum(np.cumsum(rng.standard_normal((6, 6, 6)), axis=0), axis=2)
    coarse = np.digitize(field, np.percentile(field, [35, 65])).astype(np.uint64)
    ids = Cutout(
        np.kron(coarse, np.ones((13, 13, 13), np.uint64)), (1, 1, 1), Scale((10,) * 3, (80,) * 3)
    )
    found = best_plane(ids, (1, 2), CENTER, RADIUS)
    tries = rng.standard_normal((3000, 3))
    tries /= np.linalg.norm(tries, axis=1)[:, None]
    tries[tries @ (1, -1, 1) < 0] *= -1
    most = max(area(ids, frame_of(n), RADIUS) for n in tries)
    assert area(ids, found.frame, RADIUS) >= 0.95 * most


def test_one_segment_alone_is_shown_widest() -> None:
    normal = np.array([0.0, -0.6, 0.8])
    ids = slab(normal, (10.0, 10.0, 10.0))
    ids.data[ids.data == 2] = 1
    found = best_plane(ids, (1,), CENTER, RADIUS)
    assert abs(np.dot(found.frame.normal, normal)) > 0.98


def test_a_pair_that_no_plane_shows_still_gets_a_plane() -> None:
    ids = slab(np.array([0.0, 0.0, 1.0]), (10.0, 10.0, 10.0))
    found = best_plane(ids, (1, 77), CENTER, RADIUS)
    assert found.areas_nm2[0] > 0.4 * np.pi * RADIUS**2
    assert found.areas_nm2[1] == 0
    nothing = best_plane(ids, (76, 77), CENTER, RADIUS)
    assert nothing.areas_nm2 == (0.0, 0.0)


def test_swapping_the_pair_keeps_the_plane() -> None:
    ids = slab(np.array([0.48, -0.6, 0.64]), (10.0, 10.0, 10.0))
    one, two = (best_plane(ids, pair, CENTER, RADIUS) for pair in ((1, 2), (2, 1)))
    assert one.frame == two.frame
    assert one.areas_nm2 == two.areas_nm2[::-1]
