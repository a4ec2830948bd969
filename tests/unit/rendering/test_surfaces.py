"""Meshes: what is cut away, what is kept, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from connectome.datastack import Mesh
from rendering.surfaces import BrokenMeshError, Surface, prepared, sound, to_surface
from tests.unit.rendering.shapes import box_mesh

CENTER = (50.0, 50.0, 50.0)


def triangle(*points: tuple[float, float, float]) -> Mesh:
    return Mesh(np.array(points, np.float32), np.array([[0, 1, 2]], np.uint32))


def crop(mesh: Mesh) -> Surface:
    """Return what lies in the cube from 0 to 100."""
    return to_surface(prepared(sound(mesh)), CENTER, 50.0)


def test_a_face_with_one_vertex_inside_stays_whole() -> None:
    part = crop(triangle((50, 50, 50), (500, 50, 50), (50, 500, 50)))
    assert len(part.faces) == 1
    assert len(part.positions) == 3


def test_a_face_larger_than_the_box_is_not_lost() -> None:
    part = crop(triangle((-500, -500, 50), (900, -500, 50), (50, 900, 50)))
    assert len(part.faces) == 1


def test_faces_beyond_one_side_go_with_their_vertices() -> None:
    near, far = box_mesh((10, 10, 10), (90, 90, 90)), box_mesh((210, 10, 10), (290, 90, 90))
    both = Mesh(
        np.vstack([far.vertices_nm, near.vertices_nm]),
        np.vstack([far.faces, near.faces + np.uint32(len(far.vertices_nm))]),
    )
    part = crop(both)
    assert len(part.faces) == len(near.faces)
    assert len(part.positions) == len(near.vertices_nm)
    assert np.abs(part.positions).max() == 40


def test_a_surface_tells_whether_anything_is_in_view() -> None:
    assert crop(box_mesh((210, 10, 10), (290, 90, 90))).empty
    assert not crop(box_mesh((10, 10, 10), (90, 90, 90))).empty


@pytest.mark.parametrize(
    ("mesh", "word"),
    [
        (Mesh(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.uint32)), "no faces"),
        (Mesh(np.zeros((3, 3), np.float32), np.zeros((0, 3), np.uint32)), "no faces"),
        (Mesh(np.zeros((3, 3), np.float32), np.array([[0, 1, 3]], np.uint32)), "does not have"),
        (triangle((0, 0, 0), (1, 0, np.nan), (0, 1, 0)), "no numbers"),
        (triangle((0, 0, 0), (1, 0, np.inf), (0, 1, 0)), "no numbers"),
    ],
)
def test_what_cannot_be_drawn_is_named(mesh: Mesh, word: str) -> None:
    with pytest.raises(BrokenMeshError, match=word):
        sound(mesh)
