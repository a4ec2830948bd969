"""Meshes in blocks: cropping finds the very faces that looking at each of them finds."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from connectome.datastack import Mesh
from rendering.surfaces import joined, prepared, sound
from tests.unit.rendering.shapes import box_mesh


def cloud(faces: int, seed: int, spread: float = 1000.0) -> Mesh:
    """Return small triangles strewn over a cube, each vertex used by several."""
    chance = np.random.default_rng(seed)
    anchors = chance.uniform(-spread, spread, (faces, 3))
    order = np.argsort(anchors[:, 0])
    vertices = anchors[order].astype(np.float32)
    first = np.arange(faces)
    near = [(first + chance.integers(1, 20, faces)) % faces for _ in range(2)]
    return Mesh(vertices, np.stack([first, *near], axis=1).astype(np.uint32))


def rows(corners: NDArray[np.float32]) -> list[tuple[float, ...]]:
    return sorted(map(tuple, corners.reshape(-1, 9).tolist()))


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 9000),
    st.integers(0, 10_000),
    st.tuples(*[st.floats(-1500, 1500)] * 3),
    st.floats(1, 2500),
)
def test_cropping_equals_looking_at_every_face(
    faces: int, seed: int, center: tuple[float, float, float], half: float
) -> None:
    mesh = cloud(faces, seed)
    part = prepared(mesh).crop(center, half)
    local = (mesh.vertices_nm - np.asarray(center)).astype(np.float32)
    corners = local[mesh.faces]
    meets = ((corners.min(axis=1) <= half) & (corners.max(axis=1) >= -half)).all(axis=1)
    assert rows(part.positions[part.faces]) == rows(corners[meets])
    # Every vertex is used, so that what is drawn and what is measured are the same.
    assert np.unique(part.faces).tolist() == list(range(len(part.positions)))


def test_blocks_are_few_and_small() -> None:
    blocks = prepared(cloud(50_000, 1))
    assert len(blocks.lower) == 25
    assert np.diff(blocks.face_starts).max() == 2048
    arrays = [value for value in vars(blocks).values() if isinstance(value, np.ndarray)]
    assert blocks.nbytes == sum(array.nbytes for array in arrays)


def test_far_from_the_origin_no_nanometre_is_lost() -> None:
    center = (16_000_000.0, 8_000_000.0, 1_000_000.0)
    x, y, z = center
    part = prepared(box_mesh(center, (x + 2, y + 2, z + 2))).crop(center, 10.0)
    assert part.positions.max() == 2.0
    assert part.positions.min() == 0.0


def test_open_ends_stay_open() -> None:
    tube = box_mesh((-1000, -50, -50), (1000, 50, 50))
    part = prepared(tube).crop((0.0, 0.0, 0.0), 100.0)
    # The four long sides, whole; neither the two ends nor a lid.
    assert len(part.faces) == 8
    assert np.abs(part.positions[:, 0]).min() == 1000


def halves() -> list[Mesh]:
    """Return a sheet in two pieces that repeat the vertices of the edge between them."""
    left = Mesh(
        np.array([[0, 0, 0], [10, 0, 5], [10, 10, 5], [0, 10, 0]], np.float32),
        np.array([[0, 1, 2], [0, 2, 3]], np.uint32),
    )
    right = Mesh(
        np.array([[10, 10, 5], [10, 0, 5], [20, 0, -0.0], [20, 10, 0]], np.float32),
        np.array([[1, 2, 0], [2, 3, 0]], np.uint32),
    )
    return [left, right]


def test_pieces_become_one_without_a_seam() -> None:
    pieces = halves()
    whole = joined(pieces)
    assert len(whole.vertices_nm) == 6
    np.testing.assert_array_equal(
        whole.vertices_nm[whole.faces],
        np.concatenate([piece.vertices_nm[piece.faces] for piece in pieces]),
    )
    part = prepared(whole).crop((10.0, 5.0, 0.0), 100.0)
    edge = part.normals[part.positions[:, 0] == 0.0]
    assert len(edge) == 2
    # Between a slope up and a slope down the shading is flat.
    np.testing.assert_allclose(np.abs(edge[:, 2]), 1.0, atol=0.2)


def test_detail_that_no_pixel_shows_is_left_out() -> None:
    mesh = cloud(5000, 3)
    fine, coarse = prepared(mesh), prepared(mesh, 200.0)
    assert 0 < len(coarse.faces) < len(fine.faces)
    assert np.isfinite(coarse.normals).all()
    # A body smaller than a cell does not vanish.
    assert len(prepared(box_mesh((1, 1, 1), (3, 3, 3)), 200.0).faces) == 12


def test_a_sound_mesh_passes_as_it_is() -> None:
    mesh = box_mesh((0, 0, 0), (1, 1, 1))
    assert sound(mesh) is mesh
