"""Meshes: what is cut away, what is kept, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from connectome.datastack import Mesh
from connectome.space import BoxNm
from rendering.surfaces import BrokenMeshError, crop_mesh, prepare, to_surface
from tests.unit.rendering.shapes import box_mesh

BOX = BoxNm((0, 0, 0), (100, 100, 100))


def triangle(*points: tuple[float, float, float]) -> Mesh:
    return Mesh(np.array(points, np.float32), np.array([[0, 1, 2]], np.uint32))


def test_a_face_with_one_vertex_inside_stays_whole() -> None:
    part = crop_mesh(triangle((50, 50, 50), (500, 50, 50), (50, 500, 50)), BOX)
    assert len(part.faces) == 1
    assert len(part.vertices_nm) == 3


def test_a_face_larger_than_the_box_is_not_lost() -> None:
    part = crop_mesh(triangle((-500, -500, 50), (900, -500, 50), (50, 900, 50)), BOX)
    assert len(part.faces) == 1


def test_faces_beyond_one_side_go_with_their_vertices() -> None:
    near, far = box_mesh((10, 10, 10), (90, 90, 90)), box_mesh((210, 10, 10), (290, 90, 90))
    both = Mesh(
        np.vstack([far.vertices_nm, near.vertices_nm]),
        np.vstack([far.faces, near.faces + np.uint32(len(far.vertices_nm))]),
    )
    part = crop_mesh(both, BOX)
    np.testing.assert_array_equal(part.vertices_nm[part.faces], near.vertices_nm[near.faces])


def test_surfaces_keep_nanometres_far_from_the_origin() -> None:
    center = (16_000_000.0, 8_000_000.0, 1_000_000.0)
    mesh = box_mesh(center, (center[0] + 2, center[1] + 2, center[2] + 2))
    surface = to_surface(prepare(mesh, BoxNm.around(center, 50.0)), center, 10.0, "#000000")
    assert surface.positions.max() == 2.0
    assert surface.positions.min() == 0.0


@pytest.mark.parametrize(
    ("mesh", "word"),
    [
        (Mesh(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.uint32)), "no faces"),
        (Mesh(np.zeros((3, 3), np.float32), np.zeros((0, 3), np.uint32)), "no faces"),
        (Mesh(np.zeros((3, 3), np.float32), np.array([[0, 1, 3]], np.uint32)), "does not have"),
        (triangle((0, 0, 0), (1, 0, np.nan), (0, 1, 0)), "no numbers"),
    ],
)
def test_what_cannot_be_drawn_is_named(mesh: Mesh, word: str) -> None:
    with pytest.raises(BrokenMeshError, match=word):
        crop_mesh(mesh, BOX)
