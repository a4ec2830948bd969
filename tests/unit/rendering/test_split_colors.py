"""The sides of a split: nothing is lost, nothing is doubled, and sides can be swapped."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from connectome.errors import InputError
from connectome.space import BoxNm, PointNm
from rendering.spec import COLOR_A, COLOR_B
from rendering.split_colors import CutPlane, Side, bisect, color_split, joined, sides_of
from rendering.surfaces import Surface, prepare, to_surface
from tests.unit.rendering.shapes import box_mesh


def bar(low: float, high: float, y: float = 0.0) -> Surface:
    """Return a box along x, 100 nm thick."""
    mesh = box_mesh((low, y - 50.0, -50.0), (high, y + 50.0, 50.0))
    solid = prepare(mesh, BoxNm.around((0.0, 0.0, 0.0), 1e6))
    return to_surface(solid, (0.0, 0.0, 0.0), 1e5, "#000000")


def area(surface: Surface) -> float:
    corners = surface.positions.astype(np.float64)[surface.faces]
    cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    return float(np.linalg.norm(cross, axis=1).sum() / 2)


def corners_of(surface: Surface) -> NDArray[np.float32]:
    """Return the triangles (n, 3, 3) in an order that does not depend on their own."""
    triangles = surface.positions[surface.faces].reshape(-1, 9)
    return triangles[np.lexsort(triangles.T)]


coordinate = st.integers(-200, 200).map(float)
point = st.tuples(coordinate, coordinate, coordinate)


@st.composite
def soups(draw: st.DrawFn) -> Surface:
    """Return triangles of any shape and place, flat ones and ones without extent too."""
    count = draw(st.integers(3, 12))
    positions = np.array([draw(point) for _ in range(count)], np.float32)
    corner = st.integers(0, count - 1)
    faces = draw(st.lists(st.tuples(corner, corner, corner), min_size=1, max_size=20))
    normals = np.tile(np.array([0, 0, 1], np.float32), (count, 1))
    return Surface(positions, normals, np.array(faces, np.int32), "#000000")


@given(soups(), point, point.filter(any))
def test_a_plane_divides_the_area_and_loses_none(
    surface: Surface, middle: PointNm, normal: PointNm
) -> None:
    behind, before = bisect(surface, CutPlane(middle, normal))
    assert area(behind) + area(before) == pytest.approx(area(surface), rel=1e-4, abs=1e-2)
    length = np.linalg.norm(normal)
    for part, sign in ((behind, -1), (before, 1)):
        away = (part.positions.astype(np.float64) - middle) @ np.array(normal) / length
        assert (sign * away >= -1e-3).all()


@given(soups(), point, point.filter(any))
def test_a_plane_turned_around_swaps_the_halves(
    surface: Surface, middle: PointNm, normal: PointNm
) -> None:
    x, y, z = normal
    behind, before = bisect(surface, CutPlane(middle, normal))
    turned_behind, turned_before = bisect(surface, CutPlane(middle, (-x, -y, -z)))
    assert area(turned_before) == pytest.approx(area(behind), rel=1e-5, abs=1e-3)
    assert area(turned_behind) == pytest.approx(area(before), rel=1e-5, abs=1e-3)


@given(soups(), st.permutations([Side.ONE, Side.TWO, Side.BOTH]))
def test_meshes_of_one_side_keep_every_face(surface: Surface, order: list[Side]) -> None:
    meshes = {1: surface, 2: bar(0, 400), 3: bar(400, 800)}
    sides = {i: side for i, side in enumerate(order, start=1) if side is not Side.BOTH}
    coloring = color_split(meshes, sides)
    everything = joined([coloring.one, coloring.two, coloring.rest], "#000000")
    np.testing.assert_array_equal(
        corners_of(everything), corners_of(joined(list(meshes.values()), "#000000"))
    )


def three() -> tuple[dict[int, Surface], dict[int, Side]]:
    meshes = {10: bar(-900, -300), 11: bar(-300, 300), 12: bar(300, 900)}
    return meshes, {10: Side.ONE, 11: Side.BOTH, 12: Side.TWO}


def test_the_shared_mesh_is_cut_halfway_between_the_outer_vertices() -> None:
    meshes, sides = three()
    coloring = color_split(meshes, sides)
    plane = coloring.planes[11]
    np.testing.assert_allclose(plane.middle_nm, (0, 0, 0), atol=1e-3)
    np.testing.assert_allclose(plane.normal, (600, 0, 0), atol=1e-3)
    assert coloring.one.positions[:, 0].max() == pytest.approx(0.0, abs=1e-3)
    assert coloring.two.positions[:, 0].min() == pytest.approx(0.0, abs=1e-3)
    assert coloring.after(Side.ONE).color == COLOR_A
    assert coloring.after(Side.TWO).color == COLOR_B
    assert coloring.rest.empty
    whole = sum(area(mesh) for mesh in meshes.values())
    assert area(coloring.one) + area(coloring.two) == pytest.approx(whole, rel=1e-5)


def test_swapping_the_sides_swaps_the_colours() -> None:
    meshes, sides = three()
    other = {Side.ONE: Side.TWO, Side.TWO: Side.ONE, Side.BOTH: Side.BOTH}
    coloring = color_split(meshes, sides)
    swapped = color_split(meshes, {i: other[side] for i, side in sides.items()})
    np.testing.assert_array_equal(corners_of(swapped.two), corners_of(coloring.one))
    np.testing.assert_array_equal(corners_of(swapped.one), corners_of(coloring.two))
    assert swapped.two.color == COLOR_B


def test_only_vertices_that_touch_count() -> None:
    """A long side must not draw the plane towards its far end."""
    meshes, sides = three()
    meshes[12] = bar(300, 5000)
    meshes[13], sides[13] = bar(5000, 9000, y=3000.0), Side.TWO
    plane = color_split(meshes, sides).planes[11]
    np.testing.assert_allclose(plane.middle_nm, (0, 0, 0), atol=1e-3)


def test_where_nothing_touches_the_nearest_vertices_count() -> None:
    meshes, sides = three()
    meshes[12] = bar(500, 900)
    plane = color_split(meshes, sides).planes[11]
    np.testing.assert_allclose(plane.middle_nm, (100, 0, 0), atol=1e-3)


def test_a_side_within_the_shared_mesh_is_found_by_its_point() -> None:
    meshes, sides = three()
    del meshes[12], sides[12]
    coloring = color_split(meshes, sides, points=((-600, 0, 0), (200, 0, 0)))
    assert coloring.planes[11].middle_nm[0] == pytest.approx(-50)
    assert not coloring.two.empty


def test_without_a_point_such_a_mesh_stays_undecided() -> None:
    meshes, sides = three()
    del meshes[12], sides[12]
    coloring = color_split(meshes, sides)
    assert coloring.undecided == (11,)
    assert area(coloring.rest) == pytest.approx(area(meshes[11]))
    assert coloring.two.empty
    assert len(coloring.surfaces) == 2


def test_normals_along_the_cut_have_length_one() -> None:
    meshes, sides = three()
    one = color_split(meshes, sides).one
    np.testing.assert_allclose(np.linalg.norm(one.normals, axis=1), 1, atol=1e-5)
    assert one.faces.max() < len(one.positions)


def test_there_is_no_mesh_of_both_after_a_split() -> None:
    with pytest.raises(InputError):
        color_split(*three()).after(Side.BOTH)


def test_sides_by_supervoxels() -> None:
    level2 = {2**60 + i: 2**61 + i // 2 for i in range(6)}
    one = [2**60, 2**60 + 1, 2**60 + 2]
    two = [2**60 + 3, 2**60 + 4]
    assert sides_of(level2, one, two) == {
        2**61: Side.ONE,
        2**61 + 1: Side.BOTH,
        2**61 + 2: Side.TWO,
    }


@pytest.mark.parametrize(("one", "two"), [([1, 2], [2]), ([1], [9])])
def test_sides_that_cannot_be(one: list[int], two: list[int]) -> None:
    with pytest.raises(InputError):
        sides_of({1: 5, 2: 6}, one, two)
